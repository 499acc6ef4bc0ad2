/**
 * Where the places of a call are on this system, and the nodes that we make there.
 *
 * Private nodes live in a tmpfs that is mounted nowhere, so that no udev and no other process sees
 * them; it is made with the first node and goes away with its descriptor. Opens nothing else.
 */
import { Place } from "../../assembly/abi.ts";
import { Errno, FileType } from "../../assembly/wire/linux.ts";
import { encodeDevice } from "../devnum.ts";
import type { KernelCall } from "../kernel.ts";
import { AT_FDCWD, close, mknodat, openDetachedTmpfs, unlinkat } from "./libc.ts";
import { errnoOf, parseDevnum, readAttribute } from "./sysfs.ts";

/** A path relative to a directory's descriptor; absolute where that is `AT_FDCWD`. */
export interface Location {
  readonly directory: number;
  readonly path: string;
  /** where else it can be if it is not there */
  readonly otherwise?: string;
}

type Places = Pick<KernelCall, "place" | "descriptor" | "number" | "partition" | "path">;

export class Nodes {
  /** the tmpfs' root; `undefined`: no private node was made yet */
  #tmpfs: number | undefined;

  /** Where a call's place is, or -errno. */
  locate(call: Places): Location | number {
    const { number, partition } = call;
    switch (call.place) {
      case Place.Image:
        // C would take the path up to its NUL for another file
        if (call.path === undefined || call.path.includes("\0")) return -Errno.EINVAL;
        return call.path === "" ? -Errno.ENOENT : absolute(call.path);
      case Place.Reopen:
        return absolute(`/proc/self/fd/${call.descriptor}`);
      case Place.Control:
        return absolute("/dev/loop-control");
      case Place.Disk:
        return { ...absolute(`/dev/loop${number}`), otherwise: `/dev/loop/${number}` };
      case Place.Partition:
        return absolute(`/dev/loop${number}p${partition}`);
      case Place.Private:
        if (this.#tmpfs === undefined) return -Errno.ENOENT;
        return { directory: this.#tmpfs, path: `${number}:${partition}` };
      case Place.Hidden:
        return absolute(`/dev/.diskseq-${process.pid}-${number}-${partition}`);
      default:
        return -Errno.EINVAL;
    }
  }

  /** `Call.MakeNode`. A node of our own that is there already is as good as a new one. */
  make(call: Places): number {
    if (call.place === Place.Private && this.#tmpfs === undefined) {
      const tmpfs = openDetachedTmpfs();
      if (tmpfs < 0) return tmpfs;
      this.#tmpfs = tmpfs;
    }
    const location = this.locate(call);
    const device = deviceOf(call);
    if (typeof location === "number") return location;
    if (device < 0) return device;
    const result = mknodat(location.directory, location.path, FileType.S_IFBLK | 0o600, device);
    const ours = call.place === Place.Private || call.place === Place.Hidden;
    return ours && result === -Errno.EEXIST ? 0 : result;
  }

  /** `Call.RemoveNode`. */
  remove(call: Places): number {
    const location = this.locate(call);
    return typeof location === "number" ? location : unlinkat(location.directory, location.path);
  }

  close(): void {
    if (this.#tmpfs !== undefined) close(this.#tmpfs);
    this.#tmpfs = undefined;
  }
}

function absolute(path: string): Location {
  return { directory: AT_FDCWD, path };
}

/** The encoded devnum that a place's node leads to, or -errno. */
function deviceOf({ place, number, partition }: Places): number {
  const disk = `loop${number}`;
  switch (place) {
    case Place.Private:
    case Place.Hidden:
      return encodeDevice(number, partition);
    case Place.Disk:
      return sysfsDevice(disk, "dev");
    case Place.Partition:
      return sysfsDevice(disk, `${disk}p${partition}/dev`);
    default:
      return -Errno.EINVAL;
  }
}

function sysfsDevice(disk: string, attribute: string): number {
  try {
    const dev = readAttribute(disk, attribute);
    return dev === undefined ? -Errno.ENOENT : encodeDevice(...parseDevnum(dev));
  } catch (error) {
    return errnoOf(error);
  }
}
