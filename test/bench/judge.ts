/**
 * A core fed with datagrams from memory, its calls answered as by a machine where every disk is
 * there and nothing changes. No kernel, no driver: what is timed is the core.
 */
import {
  Call,
  Command,
  CommandFlag,
  DatagramFlag,
  DatagramWord,
  DiskWord,
  Group,
  Limit,
} from "../../assembly/abi.ts";
import type { Core } from "../../host/core.ts";

/** SEQNUMs have ten digits: what is renumbered stays as long. */
let seqnum = 1_000_000_000;

export const slots: number = Limit.DatagramSlots;

/** As the kernel sends it for a disk. */
export function changeOf(disk: string, number: number): string {
  const path = `/devices/virtual/block/${disk}`;
  const pairs = {
    ACTION: "change",
    DEVPATH: path,
    SUBSYSTEM: "block",
    SYNTH_UUID: "0",
    MAJOR: "7",
    MINOR: String(number),
    DEVNAME: disk,
    DEVTYPE: "disk",
    DISKSEQ: "5",
    SEQNUM: String(seqnum),
  };
  const text = Object.entries(pairs).map(([key, value]) => `${key}=${value}\0`);
  return `change@${path}\0${text.join("")}`;
}

export class Judge {
  readonly #core: Core;
  #now = 1_000_000n;
  #bytes = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  waitFor(disk: string): void {
    this.#open({ command: Command.Wait, flags: CommandFlag.Removed }, disk);
  }

  /** Without a disk: all of them. */
  subscribe(disk = ""): void {
    this.#open({ command: Command.Watch }, disk);
  }

  #open(command: Parameters<Core["handleCommand"]>[1], disk: string): void {
    const reference = new TextEncoder().encode(disk);
    const number = this.#core.handleCommand(this.#now, { ...command, reference });
    if (number < 0) throw new Error(`the core refused a command: ${number}`);
    this.drain();
  }

  /** Answers what it asks, forgets what it tells. */
  drain(): void {
    const core = this.#core;
    while (core.pollEvent()) {
      // only what is heard is timed
    }
    for (let call = core.pollCall(); call; call = core.pollCall()) {
      if (call.call === Call.ReadDisk) {
        const { buffer, byteOffset } = core.buffers;
        const view = new DataView(buffer, byteOffset + call.buffer);
        view.setBigUint64(DiskWord.Bound * 8, 1n, true);
        view.setBigUint64(DiskWord.Diskseq * 8, 5n, true);
      }
      core.handleCompletion(this.#now, call.ticket, 0);
    }
  }

  /** Fills every slot with a datagram. */
  load(datagram: string): void {
    const { slots: room, records } = this.#core;
    const bytes = new TextEncoder().encode(datagram);
    this.#bytes = bytes.length;
    for (let slot = 0; slot < slots; slot++) {
      room.set(bytes, slot * Limit.DatagramBytes);
      const put = (word: DatagramWord, value: number) =>
        records.setInt32((slot * DatagramWord.Words + word) * 4, value, true);
      for (let word = 0; word < DatagramWord.Words; word++) put(word, 0);
      put(DatagramWord.Group, Group.Kernel);
      put(DatagramWord.Bytes, bytes.length);
      put(DatagramWord.Flags, DatagramFlag.Credentials);
    }
  }

  /** Gives every slot the next SEQNUM. */
  renumber(): void {
    for (let slot = 0; slot < slots; slot++) {
      const digits = String(++seqnum);
      const at = slot * Limit.DatagramBytes + this.#bytes - 1 - digits.length;
      const room = this.#core.slots;
      for (let i = 0; i < digits.length; i++) room[at + i] = digits.charCodeAt(i);
    }
  }

  /** Hands all slots in and takes what is told of them: nanoseconds, and how many were heard. */
  time(): { ns: number; heard: number } {
    const core = this.#core;
    let heard = 0;
    const began = process.hrtime.bigint();
    for (let slot = 0; slot < slots; slot++) {
      core.handleDatagram(this.#now, slot);
      while (core.pollEvent()) heard++;
    }
    return { ns: Number(process.hrtime.bigint() - began), heard };
  }
}
