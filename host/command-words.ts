/** Writes a command into a core's inbox, word by word. */
import * as abi from "../assembly/abi.ts";
import type { CoreCommand } from "./core-types.ts";

export function putCommand(inbox: DataView, command: CoreCommand): void {
  for (let at = 0; at < abi.Limit.InboxBytes; at += 8) inbox.setBigUint64(at, 0n, true);
  const put = (word: abi.CommandWord, value: number | bigint): void =>
    inbox.setBigUint64(word * 8, BigInt.asUintN(64, BigInt(value)), true);
  put(abi.CommandWord.Command, command.command);
  put(abi.CommandWord.Flags, command.flags ?? 0);
  put(abi.CommandWord.TimeoutNs, command.timeoutNs ?? 0n);
  put(abi.CommandWord.Offset, command.offset ?? 0n);
  put(abi.CommandWord.SizeLimit, command.sizeLimit ?? 0n);
  put(abi.CommandWord.SectorSize, command.sectorSize ?? 0);
  put(abi.CommandWord.Partscan, command.partscan ?? abi.Partscan.Kernel);
  put(abi.CommandWord.Number, command.number ?? -1);
  put(abi.CommandWord.Descriptor, command.descriptor ?? -1);
  put(abi.CommandWord.Diskseq, command.diskseq ?? 0n);
  put(abi.CommandWord.BackingDevice, command.backingDevice ?? 0n);
  put(abi.CommandWord.BackingInode, command.backingInode ?? 0n);
  const reference = command.reference ?? new Uint8Array(0);
  put(abi.CommandWord.ReferenceBytes, reference.length);
  const room = abi.Limit.InboxBytes - abi.CommandWord.Reference * 8;
  new Uint8Array(inbox.buffer, inbox.byteOffset + abi.CommandWord.Reference * 8).set(
    reference.subarray(0, room),
  );
  const mask = command.partitionMask ?? 0n;
  for (let word = 0; word < 4; word++) {
    put(abi.CommandWord.PartitionMask + word, mask >> BigInt(64 * word));
  }
}
