/**
 * The bytes of a uevent, made of its record when somebody reads it. The order of the keys is that
 * of lib/kobject_uevent.c (kobject_uevent_env), drivers/base/core.c (dev_uevent) and
 * block/partitions/core.c (part_uevent); a message of udev has systemd's 40 bytes before it.
 *
 *   add@DEVPATH  ACTION DEVPATH SUBSYSTEM  extra  MAJOR MINOR DEVNAME DEVTYPE DISKSEQ
 *   PARTN PARTNAME PARTUUID  SEQNUM
 */
import { Action } from "../abi.ts";
import { Bytes } from "./bytes.ts";
import { Switch } from "./eras.ts";
import { EventField } from "./layout.ts";
import { EntryFact, Setup } from "./setup.ts";

export enum EventKind {
  /** SUBSYSTEM=block */
  Block = 0,
  /** SUBSYSTEM=bdi */
  Bdi = 1,
  /** What udev sends to group 2. */
  Udev = 2,
}

/** What stands between the first three keys and those of the device. */
export enum EventExtra {
  None = 0,
  MediaChange = 1,
  Resize = 2,
  ReadOnly = 3,
  Writable = 4,
  /** SYNTH_UUID=0 */
  Synthetic = 5,
  /** SYNTH_UUID with the record's 16 bytes */
  SyntheticUuid = 6,
}

/** Who sent a datagram, as its receiver is told. */
export enum Sender {
  Kernel = 0,
  /** A worker of udevd. */
  Udev = 1,
  /** A process with a port of its own. */
  Forger = 2,
  /** A process through the kernel: port 0, credentials of that process. */
  Injector = 3,
}

/** lib/kobject_uevent.c, kobject_actions */
const ACTIONS: string[] = ["", "add", "remove", "change", "move", "online", "offline", "bind"];

export const LOOP_MAJOR: i32 = 7;
export const BLOCK_EXT_MAJOR: i32 = 259;

/** More than any event has. */
const SCRATCH_BYTES: i32 = 1024;
const UDEV_HEADER_BYTES: i32 = 40;

export class Format {
  readonly bytes: DataView;
  private source: Bytes;
  private readonly setup: Setup;
  private length: i32 = 0;

  constructor(setup: Setup) {
    this.bytes = new DataView(new ArrayBuffer(SCRATCH_BYTES));
    this.source = new Bytes(new ArrayBuffer(0));
    this.setup = setup;
  }

  /** Leaves a record's datagram in `bytes`; how many there are. */
  put(source: Bytes, at: i32): i32 {
    this.source = source;
    this.length = 0;
    if (source.get8(at + EventField.Kind) === EventKind.Udev) this.putUdev(at);
    else this.putKernel(at);
    return this.length;
  }

  private putKernel(at: i32): void {
    const source = this.source;
    const isBdi = source.get8(at + EventField.Kind) === EventKind.Bdi;
    const action = source.get8(at + EventField.Action);
    this.text(actionName(action));
    this.text("@");
    this.devpath(at);
    this.end();
    this.key("ACTION", actionName(action));
    this.text("DEVPATH=");
    this.devpath(at);
    this.end();
    this.key("SUBSYSTEM", isBdi ? "bdi" : "block");
    this.extra(at);
    if (!isBdi) this.device(at, false);
    this.number("SEQNUM", source.get32(at + EventField.Seqnum));
  }

  private putUdev(at: i32): void {
    const source = this.source;
    this.length = UDEV_HEADER_BYTES;
    this.key("ACTION", actionName(source.get8(at + EventField.Action)));
    this.text("DEVPATH=");
    this.devpath(at);
    this.end();
    this.key("SUBSYSTEM", "block");
    this.extra(at);
    this.device(at, true);
    this.number("SEQNUM", source.get32(at + EventField.Seqnum));
    const end = this.length;
    this.length = 0;
    this.text("libudev");
    this.end();
    this.bytes.setUint32(8, 0xfeedcafe, false);
    this.bytes.setUint32(12, UDEV_HEADER_BYTES, true);
    this.bytes.setUint32(16, UDEV_HEADER_BYTES, true);
    this.bytes.setUint32(20, end - UDEV_HEADER_BYTES, true);
    for (let i = 24; i < UDEV_HEADER_BYTES; i++) this.bytes.setUint8(i, 0);
    this.length = end;
  }

  private devpath(at: i32): void {
    const number = this.source.get32(at + EventField.Number);
    if (this.source.get8(at + EventField.Kind) === EventKind.Bdi) {
      this.text("/devices/virtual/bdi/7:");
      this.decimal(this.minorOf(number));
      return;
    }
    this.text("/devices/virtual/block/");
    this.name(number, 0);
    const partition = this.source.get8(at + EventField.Partition);
    if (partition === 0) return;
    this.text("/");
    this.name(number, partition);
  }

  private extra(at: i32): void {
    const extra = this.source.get8(at + EventField.Extra);
    if (extra === EventExtra.MediaChange) this.key("DISK_MEDIA_CHANGE", "1");
    if (extra === EventExtra.Resize) this.key("RESIZE", "1");
    if (extra === EventExtra.ReadOnly) this.key("DISK_RO", "1");
    if (extra === EventExtra.Writable) this.key("DISK_RO", "0");
    if (extra === EventExtra.Synthetic) this.key("SYNTH_UUID", "0");
    if (extra === EventExtra.SyntheticUuid) {
      this.text("SYNTH_UUID=");
      for (let i = 0; i < 16; i++) {
        if (i === 4 || i === 6 || i === 8 || i === 10) this.text("-");
        this.hex(this.source.get8(at + EventField.Uuid + i));
      }
      this.end();
    }
  }

  private device(at: i32, isUdev: bool): void {
    const source = this.source;
    const number = source.get32(at + EventField.Number);
    const partition = source.get8(at + EventField.Partition);
    const isPartition = partition !== 0;
    const minor = source.get16(at + EventField.Minor);
    this.number("MAJOR", isPartition && this.setup.maxPart === 0 ? BLOCK_EXT_MAJOR : LOOP_MAJOR);
    this.number("MINOR", isPartition ? minor : this.minorOf(number));
    this.text(isUdev ? "DEVNAME=/dev/" : "DEVNAME=");
    this.name(number, partition);
    this.end();
    this.key("DEVTYPE", isPartition ? "partition" : "disk");
    if (this.setup.era.has(Switch.HasDiskseq)) {
      this.number("DISKSEQ", source.get32(at + EventField.Diskseq));
    }
    if (!isPartition) return;
    this.number("PARTN", partition);
    const image = source.get8(at + EventField.Image) - 1;
    if (image < 0) return;
    const entry = this.setup.entryAt(image, source.get8(at + EventField.Entry));
    this.known("PARTNAME", entry + EntryFact.Name);
    if (this.setup.era.has(Switch.PartuuidKey)) this.known("PARTUUID", entry + EntryFact.Uuid);
  }

  /** The disk's minor: room for its partitions behind it where there are minors for them. */
  minorOf(number: i32): i32 {
    return number << partShift(this.setup.maxPart);
  }

  private name(number: i32, partition: i32): void {
    this.text("loop");
    this.decimal(number);
    if (partition === 0) return;
    this.text("p");
    this.decimal(partition);
  }

  /** A text of the setup, where there is one. */
  private known(name: string, at: i32): void {
    const view = this.setup.view;
    if (view.getUint8(at) === 0) return;
    this.text(name);
    this.text("=");
    for (let from = at; view.getUint8(from) !== 0; from++) this.byte(i32(view.getUint8(from)));
    this.end();
  }

  private key(name: string, value: string): void {
    this.text(name);
    this.text("=");
    this.text(value);
    this.end();
  }

  private number(name: string, value: i32): void {
    this.text(name);
    this.text("=");
    this.decimal(value);
    this.end();
  }

  private text(text: string): void {
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  private decimal(value: i32): void {
    assert(value >= 0);
    let scale = 1;
    while (i32(value / scale) > 9) scale *= 10;
    for (; scale > 0; scale = i32(scale / 10)) this.byte(0x30 + (i32(value / scale) % 10));
  }

  private hex(value: i32): void {
    this.digit(value >> 4);
    this.digit(value & 15);
  }

  private digit(value: i32): void {
    this.byte(value < 10 ? 0x30 + value : 0x57 + value);
  }

  private end(): void {
    this.byte(0);
  }

  private byte(value: i32): void {
    assert(this.length < SCRATCH_BYTES);
    this.bytes.setUint8(this.length, u8(value));
    this.length++;
  }
}

/** Bits of a minor that number partitions (part_shift). */
export function partShift(maxPart: i32): i32 {
  let shift = 0;
  while (1 << shift <= maxPart) shift++;
  return shift;
}

function actionName(action: i32): string {
  assert(action > Action.Other && action < ACTIONS.length);
  return ACTIONS[action];
}
