/**
 * Inputs that no session gives, or not in few lines: datagrams of every kind, and what is refused
 * and must change nothing.
 */
import { Call, DatagramFlag, Group, Limit } from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import { Command, CommandFlag, type CoreCommand } from "../../host/core.ts";
import {
  type Datagram,
  kernelDatagram,
  kernelMessage,
  loopProperties,
  putDatagram,
  type Said,
  udevMessage,
} from "../helpers/datagrams.ts";
import type { Tape } from "./tape.ts";

const number = 3;
const diskseq = 7n;

/** Two subscriptions, one of them for an instance, and all that a datagram can be to it. */
export function playEvents(tape: Tape): void {
  const hand = new Hand(tape);
  const reference = Buffer.from(`loop${number}`);
  hand.command({ command: Command.Watch });
  const flags = CommandFlag.Udev;
  const own = hand.command({ command: Command.Watch, reference, diskseq, flags });
  const said = (action: string, seqnum: number, rest: Partial<Said> = {}) =>
    loopProperties({ action, seqnum, number, diskseq, ...rest });
  const extra = ["DISK_MEDIA_CHANGE=1"];
  for (const properties of [
    said("change", 10, { diskseq: 6n }),
    said("change", 12),
    said("add", 14, { partition: 1 }),
    said("add", 13, { partition: 2 }),
    said("change", 15, { extra: ["SYNTH_UUID=0"] }),
    said("change", 16, { extra }),
    said("remove", 17, { partition: 1, diskseq: 8n }),
    said("change", 18, { diskseq: 8n }),
    said("change", 19, { number: 4, diskseq: undefined }),
    ["ACTION=add", "DEVPATH=/devices/virtual/bdi/7:3", "SUBSYSTEM=bdi", "SEQNUM=20"],
  ]) {
    hand.datagram(kernelMessage(properties));
  }
  hand.datagram(udevMessage(said("change", 12)));
  hand.overrun(Group.Kernel, 3);
  hand.overrun(Group.Udev, 0);
  hand.command({ command: Command.Abort, number: own });
  hand.datagram(kernelMessage(said("change", 30, { diskseq: 9n })));
}

/** Everything that is answered with a fault. */
export function playRefusals(tape: Tape): void {
  const hand = new Hand(tape);
  const attach = { command: Command.Attach } as const;
  const bad: readonly CoreCommand[] = [
    { command: Command.None },
    { command: 99 as Command },
    { ...attach, sectorSize: 513 },
    { ...attach, number: -2 },
    { ...attach, offset: 1n << 63n },
    { ...attach, reference: new Uint8Array(64) },
    { command: Command.Detach, number: -1 },
    { command: Command.Abort, number: 1 },
    { command: Command.Abort, number: Limit.OperationsMax },
    { command: Command.Wait },
    { command: Command.Watch, reference: Buffer.from("a/b") },
  ];
  for (const one of bad) hand.command(one);
  const message = kernelMessage(loopProperties({ action: "change", seqnum: 5, number, diskseq }));
  const datagrams: readonly Datagram[] = [
    message,
    message,
    kernelDatagram(Buffer.from("no uevent")),
    { ...message, uid: 1000 },
    { ...message, pid: 4711 },
    { ...message, flags: 0 },
    { ...message, flags: DatagramFlag.Credentials | DatagramFlag.Truncated },
    { ...message, group: 3 },
    { ...message, length: -1 },
  ];
  for (const one of datagrams) hand.datagram(one);
  hand.datagram(message, Limit.DatagramSlots);
  hand.overrun(3, 1);
  hand.overrun(Group.Kernel, -1);
  hand.completion(1, 0);
  // As many as there is room for, and one more.
  for (let count = 0; count <= tape.core.options.operations; count++) hand.unsettled(attach);
  hand.settle(-Errno.ENOENT);
  hand.timeout();
}

/** A host in the fewest words: time passes by one microsecond an input. */
class Hand {
  readonly #tape: Tape;
  #now = 1_000n;

  constructor(tape: Tape) {
    this.#tape = tape;
  }

  /** Its calls are answered: what is asked of sysfs is not there. */
  command(command: CoreCommand): number {
    const answer = this.unsettled(command);
    this.settle(-Errno.ENOENT);
    return answer;
  }

  unsettled(command: CoreCommand): number {
    return this.#tape.core.handleCommand(this.#later(), command);
  }

  datagram(datagram: Datagram, slot = 0): void {
    const { core } = this.#tape;
    putDatagram(core, slot, datagram);
    core.handleDatagram(this.#later(), slot);
    this.settle(-Errno.ENOENT);
  }

  overrun(group: number, count: number): void {
    this.#tape.core.handleOverrun(this.#later(), group, count);
    this.settle(-Errno.ENOENT);
  }

  completion(ticket: number, result: number): void {
    this.#tape.core.handleCompletion(this.#later(), ticket, result);
  }

  timeout(): void {
    this.#tape.core.handleTimeout(this.#later());
  }

  /** Answers all calls that are out. */
  settle(result: number): void {
    const { core } = this.#tape;
    for (let call = core.pollCall(); call; call = core.pollCall()) {
      const isGroup = call.call === Call.Subscribe || call.call === Call.Unsubscribe;
      this.completion(call.ticket, isGroup ? 0 : result);
    }
  }

  #later(): bigint {
    this.#now += 1_000n;
    return this.#now;
  }
}
