/**
 * What the namespaces of this process do to uevents: whether they come, and as whom the kernel's
 * root shows. Reads /proc only; knows nothing of sockets.
 */
import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { ioctlValue } from "./libc.ts";
import { attempt } from "./sysfs.ts";

/** Source: include/uapi/linux/nsfs.h. */
const NS_GET_USERNS = 0xb701;

/** Source: include/linux/proc_ns.h. */
const PROC_USER_INIT_INO = 0xeffffffd;

/**
 * Events of block devices come to a network namespace that the initial user namespace owns
 * (lib/kobject_uevent.c). An owner that cannot be seen from here is taken for that one.
 */
export function doUeventsCome(namespace = "/proc/self/ns/net"): boolean {
  const descriptor = attempt(() => openSync(namespace, "r"));
  if (descriptor === undefined) return true;
  const owner = ioctlValue(descriptor, NS_GET_USERNS, 0n);
  closeSync(descriptor);
  // -EPERM: an ancestor of ours; -ENOTTY: before 4.9
  if (owner < 0) return true;
  const { ino } = fstatSync(owner);
  closeSync(owner);
  return ino === PROC_USER_INIT_INO;
}

/**
 * The uid that stands for the kernel's root here: 0, unless this user namespace gives it another
 * number or none, which is the overflow uid. The kernel owns the file.
 */
export function readRootUid(path = "/proc/sys/kernel/overflowuid"): number {
  return attempt(() => statSync(path).uid) ?? 0;
}
