/**
 * What one look at a disk has read so far, kept in the lookout's own slots until it is known to be
 * of one instance; then it becomes the disk's record. Makes no call and wakes nobody.
 */
import { DiskWord, PartitionEntryWord } from "../abi.ts";
import { addMask, clearMask, setBit } from "./masks.ts";
import { diskIsBound, diskSeq, Port, Room } from "./port.ts";
import { DiskField, Looked } from "./records.ts";
import { Registry } from "./registry.ts";
import { Field, State } from "./state.ts";

export class Reading extends Room {
  private readonly registry: Registry;

  constructor(state: State, port: Port, registry: Registry) {
    super(state, port);
    this.registry = registry;
  }

  keepDisk(): void {
    const state = this.state;
    const lookout = state.lookout;
    const at = state.bufferAt(lookout);
    state.set(lookout, Field.Configured, diskIsBound(state, lookout) ? 1 : 0);
    state.set64(lookout, Field.Diskseq, diskSeq(state, lookout));
    state.set(lookout, Field.Major, state.buffers.getInt32(at + DiskWord.Major * 8, true));
    state.set(lookout, Field.Minor, state.buffers.getInt32(at + DiskWord.Minor * 8, true));
  }

  /** All in the mask; in the list, for udev's records of them, as many as a table may have. */
  keepPartitions(count: i32): void {
    const state = this.state;
    const lookout = state.lookout;
    const mask = state.at(lookout, Field.Reference);
    state.set(lookout, Field.Partitions, 0);
    clearMask(state.view, mask);
    for (let i = 0; i < count; i++) {
      const record = state.bufferAt(lookout) + i * PartitionEntryWord.Words * 4;
      setBit(state.view, mask, state.buffers.getInt32(record, true), true);
      const entry = state.appendEntry(lookout);
      if (entry < 0) continue;
      for (let word = 0; word < 3; word++) {
        const value = state.buffers.getInt32(record + word * 4, true);
        state.view.setInt32(entry + word * 4, value, true);
      }
    }
  }

  /** Whether the ReadDisk record in the buffer is of the instance that was kept. */
  isSame(): bool {
    const state = this.state;
    const lookout = state.lookout;
    const wasBound = state.get(lookout, Field.Configured) !== 0;
    if (diskIsBound(state, lookout) !== wasBound) return false;
    return diskSeq(state, lookout) === state.get64(lookout, Field.Diskseq);
  }

  /** Writes what was kept into a disk's record; true when it is another instance than before. */
  commit(disk: i32): bool {
    const state = this.state;
    const registry = this.registry;
    const lookout = state.lookout;
    const diskseq = state.get64(lookout, Field.Diskseq);
    const isNews = diskseq !== registry.disk64(disk, DiskField.Diskseq);
    registry.setDisk(disk, DiskField.Looked, Looked.Present);
    registry.setDisk(disk, DiskField.Bound, state.get(lookout, Field.Configured));
    registry.setDisk64(disk, DiskField.Diskseq, diskseq);
    registry.setDisk(disk, DiskField.Major, state.get(lookout, Field.Major));
    registry.setDisk(disk, DiskField.Minor, state.get(lookout, Field.Minor));
    registry.setDisk(disk, DiskField.Refusals, 0);
    const mask = registry.diskAt(disk, DiskField.Mask);
    clearMask(state.view, mask);
    addMask(state.view, mask, state.at(lookout, Field.Reference));
    return isNews;
  }
}
