/** What a call's buffer is for, beside what `abi.ts` says of each. */
import { Call, Limit } from "../abi.ts";
import { Ioctl } from "./linux.ts";

/** Bytes of its buffer that a call hands to the kernel; `bytes` as in `CallWord.Bytes`. */
export function argumentBytes(call: i32, request: i32, number: i32, bytes: i32): i32 {
  switch (call) {
    case Call.Blkpg:
      return bytes;
    case Call.IoctlBuffer:
      if (request === Ioctl.LOOP_CONFIGURE || request === Ioctl.LOOP_SET_STATUS64) return bytes;
      return 0;
    case Call.ReadDisk:
    case Call.ListPartitions:
      return number < 0 ? Limit.NameBytes : 0;
    case Call.Trigger:
      return Limit.NameBytes + 16;
    default:
      return 0;
  }
}
