/**
 * What sysfs, devtmpfs and the ioctls that only ask show of the state. Changes nothing, takes no
 * lock. Sources: drivers/block/loop.c (loop_attr_*, loop_get_status), block/genhd.c (disk_attrs).
 */
import { LoFlag } from "../wire/linux.ts";
import { Switch } from "./eras.ts";
import { BLOCK_EXT_MAJOR, LOOP_MAJOR, partShift } from "./format.ts";
import { File, FileKind, ImageField, Loop, Partition } from "./layout.ts";
import { ImageFact, Setup } from "./setup.ts";
import { State } from "./state.ts";
import { DiskView, PartitionView } from "./view-words.ts";

const NONE: u64 = u64(u64(0) - u64(1));

export class Views {
  readonly words: DataView;
  private readonly state: State;
  private readonly setup: Setup;

  constructor(state: State, setup: Setup) {
    this.words = new DataView(new ArrayBuffer(DiskView.Words * 8));
    this.state = state;
    this.setup = setup;
  }

  private put(word: i32, value: u64): void {
    this.words.setUint64(word * 8, value, true);
  }

  private flag(word: i32, loop: i32, flag: i32): void {
    this.put(word, u64((this.state.loop(loop, Loop.Flags) & flag) !== 0 ? 1 : 0));
  }

  /** Fills the words with what there is of loop device `number`; false: no such disk. */
  disk(number: i32): bool {
    const state = this.state;
    const loop = state.findLoop(number);
    for (let word = 0; word < DiskView.Words; word++) this.put(word, u64(0));
    if (loop < 0 || state.loop(loop, Loop.Shown) === 0) return false;
    const at = state.loopAt(loop);
    this.put(DiskView.Shown, u64(1));
    this.put(DiskView.Bound, u64(state.get8(at + Loop.Group)));
    const hasDiskseq = this.setup.era.has(Switch.HasDiskseq);
    this.put(DiskView.Diskseq, u64(hasDiskseq ? state.get32(at + Loop.Diskseq) : 0));
    this.put(DiskView.Size, state.get64(at + Loop.Capacity));
    this.put(DiskView.Ro, u64(state.get8(at + Loop.Ro)));
    this.put(DiskView.Offset, state.get64(at + Loop.Offset));
    this.put(DiskView.SizeLimit, state.get64(at + Loop.SizeLimit));
    this.flag(DiskView.Autoclear, loop, LoFlag.LO_FLAGS_AUTOCLEAR);
    this.flag(DiskView.Partscan, loop, LoFlag.LO_FLAGS_PARTSCAN);
    this.flag(DiskView.DirectIo, loop, LoFlag.LO_FLAGS_DIRECT_IO);
    this.put(DiskView.BlockSize, u64(state.get32(at + Loop.BlockSize)));
    this.put(DiskView.Flags, u64(state.get8(at + Loop.Flags)));
    this.put(DiskView.Major, u64(LOOP_MAJOR));
    this.put(DiskView.Minor, u64(number << partShift(this.setup.maxPart)));
    this.put(DiskView.Partitions, u64(state.countPartitions(loop)));
    this.put(DiskView.Openers, u64(state.get8(at + Loop.Openers)));
    this.put(DiskView.State, u64(state.get8(at + Loop.State)));
    this.backing(state.get8(at + Loop.Backing) - 1);
    return true;
  }

  private backing(file: i32): void {
    this.put(DiskView.BackingImage, NONE);
    if (file < 0) return;
    const state = this.state;
    if (state.get8(state.fileAt(file) + File.Kind) !== FileKind.Image) return;
    const image = state.get8(state.fileAt(file) + File.Image);
    this.put(DiskView.BackingImage, u64(image));
    this.put(DiskView.BackingDeleted, u64(state.get8(state.imageAt(image) + ImageField.Deleted)));
    this.put(DiskView.BackingDevice, this.setup.get64(image, ImageFact.Device));
    this.put(DiskView.BackingInode, this.setup.get64(image, ImageFact.Inode));
    this.put(DiskView.BackingRdev, this.setup.get64(image, ImageFact.Rdev));
  }

  /** Fills the words with the partition in that place of the list; false: there is none. */
  partition(number: i32, place: i32): bool {
    const state = this.state;
    const loop = state.findLoop(number);
    if (loop < 0 || place < 0 || place >= state.countPartitions(loop)) return false;
    const at = state.partitionAt(loop, place);
    this.put(PartitionView.Number, u64(state.get8(at + Partition.Number)));
    this.put(PartitionView.Start, state.get64(at + Partition.Start));
    this.put(PartitionView.Size, state.get64(at + Partition.Size));
    this.put(PartitionView.Major, u64(this.setup.maxPart > 0 ? LOOP_MAJOR : BLOCK_EXT_MAJOR));
    this.put(PartitionView.Minor, u64(state.get16(at + Partition.Minor)));
    this.put(PartitionView.Openable, u64(state.get8(at + Partition.Openable)));
    this.put(PartitionView.Openers, u64(state.get8(at + Partition.Openers)));
    return true;
  }
}
