/**
 * One uevent datagram, read in place: a checked view whose fields hold only after `parse` said yes.
 * Knows bytes, no sockets and no instances. Sources: lib/kobject_uevent.c, block/genhd.c
 * (block_uevent), block/partitions/core.c (part_uevent); systemd, sd-device/device-monitor.c.
 *
 *   kernel  "ACTION@DEVPATH\0"  "KEY=VALUE\0" ...
 *   udev    "libudev\0" | magic u32 BE | header bytes u32 | properties offset, bytes u32 | hashes
 *           | "KEY=VALUE\0" ...                      (u32 without BE: of the sending machine)
 */
import { Action, DeviceType, Group, Limit } from "../abi.ts";

const NUL: i32 = 0;
const SLASH: i32 = 0x2f;
const ZERO: i32 = 0x30;
const EQUALS: i32 = 0x3d;
const AT: i32 = 0x40;

const UDEV_HEADER_BYTES: i32 = 40;
/** 0xfeedcafe in network order, in two halves. */
const MAGIC_HIGH: i32 = 0xfeed;
const MAGIC_LOW: i32 = 0xcafe;

/** 10^19 is the last power of ten below 2^64: so many digits cannot overflow. */
const DIGITS_MAX: i32 = 19;
const CHUNK: i32 = 1000000000;

/** Keys that are looked at, as bits: none may come twice. */
enum Key {
  ACTION = 1,
  DEVPATH = 2,
  SUBSYSTEM = 4,
  SEQNUM = 8,
  MAJOR = 16,
  MINOR = 32,
  DEVTYPE = 64,
  DISKSEQ = 128,
  PARTN = 256,
  DISK_MEDIA_CHANGE = 512,
  SYNTH_UUID = 1024,
  /** All that every event has. */
  Required = 15,
}

export class Uevent {
  action: i32 = Action.Other;
  deviceType: i32 = DeviceType.None;
  /** 0: the disk. */
  partition: i32 = 0;
  major: i32 = 0;
  minor: i32 = 0;
  seqnum: u64 = u64(0);
  /** 0: none. */
  diskseq: u64 = u64(0);
  isMediaChange: bool = false;
  isSynthetic: bool = false;
  /** Synthetic, and who wrote it named it; udevd writes 0. */
  hasUuid: bool = false;
  /** Kernel name of the disk: where it lies in the buffers; no bytes where it is of no disk. */
  nameAt: i32 = 0;
  nameBytes: i32 = 0;
  /** Where the first KEY=VALUE begins. */
  propertiesAt: i32 = 0;

  private readonly view: DataView;
  private readonly data: Uint8Array;
  private keys: i32 = 0;
  private number: u64 = u64(0);
  private actionAt: i32 = 0;
  private actionBytes: i32 = 0;
  private pathAt: i32 = 0;
  private pathBytes: i32 = 0;
  private isBlock: bool = false;

  constructor(view: DataView) {
    this.view = view;
    this.data = Uint8Array.wrap(view.buffer);
  }

  /** Whether the datagram is one that its group sends. */
  parse(group: i32, at: i32, bytes: i32): bool {
    // Nothing is read beyond this: that is checked here, once.
    assert(at >= 0 && bytes >= 0 && this.data.length - at >= bytes);
    this.clear();
    const begin =
      group === Group.Udev ? this.udevProperties(at, bytes) : this.kernelHeader(at, bytes);
    if (begin < 0) return false;
    this.propertiesAt = begin;
    if (!this.properties(begin, at + bytes)) return false;
    if ((this.keys & Key.Required) !== Key.Required) return false;
    if (group === Group.Kernel && !this.agrees(at)) return false;
    return this.nameDisk();
  }

  private clear(): void {
    this.action = Action.Other;
    this.deviceType = DeviceType.None;
    this.partition = 0;
    this.major = 0;
    this.minor = 0;
    this.seqnum = u64(0);
    this.diskseq = u64(0);
    this.isMediaChange = false;
    this.isSynthetic = false;
    this.hasUuid = false;
    this.nameAt = 0;
    this.nameBytes = 0;
    this.keys = 0;
    this.isBlock = false;
  }

  private byte(at: i32): i32 {
    return i32(unchecked(this.data[at]));
  }

  private is(at: i32, bytes: i32, text: string): bool {
    if (bytes !== text.length) return false;
    for (let i = 0; i < bytes; i++) {
      if (this.byte(at + i) !== text.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Where the string at `at` ends (its NUL); -1 when it does not before `end`. */
  private stringEnd(at: i32, end: i32): i32 {
    for (let i = at; i < end; i++) {
      if (this.byte(i) === NUL) return i;
    }
    return -1;
  }

  /* Headers. Each returns where the properties begin, or -1. */

  private kernelHeader(at: i32, bytes: i32): i32 {
    const end = this.stringEnd(at, at + bytes);
    return end < 0 ? -1 : end + 1;
  }

  /** The header repeats ACTION and DEVPATH. */
  private agrees(at: i32): bool {
    const headerBytes = this.propertiesAt - 1 - at;
    if (headerBytes !== this.actionBytes + 1 + this.pathBytes) return false;
    if (this.byte(at + this.actionBytes) !== AT) return false;
    const path = at + this.actionBytes + 1;
    return (
      this.equal(at, this.actionAt, this.actionBytes) &&
      this.equal(path, this.pathAt, this.pathBytes)
    );
  }

  private equal(a: i32, b: i32, bytes: i32): bool {
    for (let i = 0; i < bytes; i++) {
      if (this.byte(a + i) !== this.byte(b + i)) return false;
    }
    return true;
  }

  private udevProperties(at: i32, bytes: i32): i32 {
    if (UDEV_HEADER_BYTES > bytes || !this.is(at, 7, "libudev") || this.byte(at + 7) !== NUL) {
      return -1;
    }
    const high = i32(this.view.getUint16(at + 8, false));
    const low = i32(this.view.getUint16(at + 10, false));
    if (high !== MAGIC_HIGH || low !== MAGIC_LOW) return -1;
    // Read as signed: what is beyond 2^31 is below 0 here, and refused.
    const offset = this.view.getInt32(at + 16, true);
    const length = this.view.getInt32(at + 20, true);
    if (UDEV_HEADER_BYTES > offset || offset > bytes) return -1;
    return length === bytes - offset ? at + offset : -1;
  }

  /* Properties. */

  private properties(begin: i32, end: i32): bool {
    let at = begin;
    while (end > at) {
      let equals = at;
      while (end > equals && this.byte(equals) !== EQUALS && this.byte(equals) !== NUL) equals++;
      if (equals === at || equals === end || this.byte(equals) === NUL) return false;
      const stop = this.stringEnd(equals, end);
      if (stop < 0) return false;
      if (!this.property(at, equals - at, equals + 1, stop - equals - 1)) return false;
      at = stop + 1;
    }
    return true;
  }

  /** False for a value that cannot be. Keys are told apart by their length first. */
  private property(key: i32, keyBytes: i32, value: i32, bytes: i32): bool {
    switch (keyBytes) {
      case 5:
        if (this.is(key, 5, "MAJOR")) return this.once(Key.MAJOR) && this.major32(value, bytes);
        if (this.is(key, 5, "MINOR")) return this.once(Key.MINOR) && this.minor32(value, bytes);
        if (this.is(key, 5, "PARTN")) return this.once(Key.PARTN) && this.partn(value, bytes);
        return true;
      case 6:
        if (this.is(key, 6, "ACTION"))
          return this.once(Key.ACTION) && this.takeAction(value, bytes);
        if (!this.is(key, 6, "SEQNUM")) return true;
        if (!this.once(Key.SEQNUM) || !this.decimal(value, bytes)) return false;
        this.seqnum = this.number;
        return true;
      case 7:
        if (this.is(key, 7, "DEVPATH"))
          return this.once(Key.DEVPATH) && this.takePath(value, bytes);
        if (this.is(key, 7, "DEVTYPE"))
          return this.once(Key.DEVTYPE) && this.takeType(value, bytes);
        if (!this.is(key, 7, "DISKSEQ")) return true;
        if (!this.once(Key.DISKSEQ) || !this.decimal(value, bytes)) return false;
        this.diskseq = this.number;
        return true;
      case 9:
        if (!this.is(key, 9, "SUBSYSTEM")) return true;
        this.isBlock = this.is(value, bytes, "block");
        return this.once(Key.SUBSYSTEM);
      case 10:
        if (!this.is(key, 10, "SYNTH_UUID")) return true;
        this.isSynthetic = true;
        this.hasUuid = !this.is(value, bytes, "0");
        return this.once(Key.SYNTH_UUID);
      case 17:
        if (!this.is(key, 17, "DISK_MEDIA_CHANGE")) return true;
        this.isMediaChange = this.is(value, bytes, "1");
        return this.once(Key.DISK_MEDIA_CHANGE);
      default:
        return true;
    }
  }

  private once(key: i32): bool {
    if ((this.keys & key) !== 0) return false;
    this.keys |= key;
    return true;
  }

  /** Leaves the value in `number`. */
  private decimal(at: i32, bytes: i32): bool {
    if (bytes < 1 || bytes > DIGITS_MAX) return false;
    let value = u64(0);
    let chunk = 0;
    let scale = 1;
    for (let i = 0; i < bytes; i++) {
      const digit = this.byte(at + i) - ZERO;
      if (digit < 0 || digit > 9) return false;
      chunk = chunk * 10 + digit;
      scale *= 10;
      if (scale === CHUNK) {
        value = u64(u64(value * u64(scale)) + u64(chunk));
        chunk = 0;
        scale = 1;
      }
    }
    this.number = u64(u64(value * u64(scale)) + u64(chunk));
    return true;
  }

  /** A number of 20 bits: more than any major, minor or partition. */
  private small(at: i32, bytes: i32): i32 {
    if (!this.decimal(at, bytes) || this.number > u64(0xfffff)) return -1;
    return i32(this.number);
  }

  private major32(at: i32, bytes: i32): bool {
    this.major = this.small(at, bytes);
    return this.major >= 0;
  }

  private minor32(at: i32, bytes: i32): bool {
    this.minor = this.small(at, bytes);
    return this.minor >= 0;
  }

  private partn(at: i32, bytes: i32): bool {
    this.partition = this.small(at, bytes);
    return this.partition >= 0;
  }

  private takeAction(at: i32, bytes: i32): bool {
    this.actionAt = at;
    this.actionBytes = bytes;
    if (this.is(at, bytes, "add")) this.action = Action.Add;
    else if (this.is(at, bytes, "remove")) this.action = Action.Remove;
    else if (this.is(at, bytes, "change")) this.action = Action.Change;
    else if (this.is(at, bytes, "move")) this.action = Action.Move;
    else if (this.is(at, bytes, "online")) this.action = Action.Online;
    else if (this.is(at, bytes, "offline")) this.action = Action.Offline;
    else if (this.is(at, bytes, "bind")) this.action = Action.Bind;
    else if (this.is(at, bytes, "unbind")) this.action = Action.Unbind;
    return bytes > 0;
  }

  private takePath(at: i32, bytes: i32): bool {
    this.pathAt = at;
    this.pathBytes = bytes;
    return bytes > 1 && this.byte(at) === SLASH;
  }

  private takeType(at: i32, bytes: i32): bool {
    if (this.is(at, bytes, "disk")) this.deviceType = DeviceType.Disk;
    else if (this.is(at, bytes, "partition")) this.deviceType = DeviceType.Partition;
    return true;
  }

  /** The disk is the last part of the path, or the one before it where that is its partition. */
  private nameDisk(): bool {
    const isPartition = this.deviceType === DeviceType.Partition;
    if (!this.isBlock || this.deviceType === DeviceType.None) {
      this.deviceType = DeviceType.None;
      this.partition = 0;
      return true;
    }
    if (!isPartition) this.partition = 0;
    else if (this.partition === 0) return false;
    let end = this.pathAt + this.pathBytes;
    let begin = this.partAt(end);
    if (isPartition) {
      if (begin === end) return false;
      end = begin - 1;
      begin = this.partAt(end);
    }
    this.nameAt = begin;
    this.nameBytes = end - begin;
    return this.nameBytes > 0 && this.nameBytes < Limit.NameBytes;
  }

  /** Where the part of the path that ends at `end` begins. */
  private partAt(end: i32): i32 {
    let at = end;
    while (at > this.pathAt && this.byte(at - 1) !== SLASH) at--;
    return at;
  }
}
