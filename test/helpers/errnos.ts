/**
 * What can go wrong with each call: the errnos that kernels answer, and those that any call may.
 */
import { constants } from "node:os";
import { Call, Place } from "../../assembly/abi.ts";
import { Ioctl } from "../../assembly/wire/linux.ts";
import type { KernelCall } from "../../host/kernel.ts";

export type ErrnoName = keyof typeof constants.errno;

/** Any call may answer these. */
const always = ["EIO", "EINTR", "ENOMEM"] as const;

const ofIoctl: Readonly<Record<number, readonly ErrnoName[]>> = {
  [Ioctl.LOOP_CONFIGURE]: ["EINVAL", "ENOTTY", "EBUSY", "EBADF", "EOVERFLOW", "EAGAIN", "ENXIO"],
  [Ioctl.LOOP_SET_FD]: ["EBUSY", "EBADF", "EINVAL"],
  [Ioctl.LOOP_GET_STATUS64]: ["ENXIO", "EOVERFLOW"],
  [Ioctl.LOOP_SET_STATUS64]: ["ENXIO", "EPERM", "EAGAIN", "EINVAL", "EOVERFLOW"],
  [Ioctl.LOOP_CLR_FD]: ["ENXIO", "EBUSY"],
  [Ioctl.BLKGETDISKSEQ]: ["EINVAL", "ENOTTY"],
  [Ioctl.LOOP_CTL_GET_FREE]: ["EAGAIN", "ENOSPC", "EPERM", "ENOSYS"],
  [Ioctl.LOOP_CTL_ADD]: ["EAGAIN", "ENOSPC", "EPERM", "ENOSYS", "EEXIST"],
};

const ofOpen: Readonly<Record<number, readonly ErrnoName[]>> = {
  [Place.Control]: ["ENOENT", "EACCES", "EPERM"],
  [Place.Image]: ["ENOENT", "EACCES", "EMFILE"],
  [Place.Reopen]: ["ENOENT", "EACCES", "EROFS", "ETXTBSY", "EMFILE"],
};
const ofDeviceNode = ["ENOENT", "ENXIO", "EBUSY", "EACCES", "ENODEV"] as const;

const ofCall: Readonly<Record<number, readonly ErrnoName[]>> = {
  [Call.Flock]: ["EWOULDBLOCK"],
  [Call.Blkpg]: ["EBUSY", "EINVAL", "ENXIO", "EACCES"],
  [Call.MakeNode]: ["EPERM", "ENOSYS", "EEXIST"],
  [Call.RemoveNode]: ["ENOENT", "EACCES"],
  [Call.ReadDisk]: ["ENOENT", "EACCES"],
  [Call.ListPartitions]: ["ENOENT", "EACCES"],
  [Call.FindBacking]: ["EACCES"],
  [Call.FindUnbound]: ["EACCES"],
  [Call.FindHolders]: ["ENOENT", "EACCES"],
};

/** Names of the errnos to try instead of this call. */
export function errnosOf(call: KernelCall): ErrnoName[] {
  const own =
    call.call === Call.Open
      ? (ofOpen[call.place] ?? ofDeviceNode)
      : call.call === Call.IoctlBuffer || call.call === Call.IoctlValue
        ? (ofIoctl[call.request] ?? [])
        : (ofCall[call.call] ?? []);
  return [...new Set([...own, ...always])];
}

/** `EBUSY` -> -16 */
export function negative(name: ErrnoName): number {
  return -constants.errno[name];
}
