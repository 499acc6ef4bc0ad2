/**
 * Both builds against the oracle: after every input what they answer and tell, word by word, and
 * their whole memory, byte by byte; what is refused must leave it as it was. Faster than lockstep:
 * as both are held against the same words, they need not be held against each other.
 */
import * as assert from "uvu/assert";
import { Event, Fault, Limit, Mark, Verdict } from "../../assembly/abi.ts";
import type { Core, CoreUevent } from "../../host/core.ts";
import { putDatagram } from "../helpers/datagrams.ts";
import type { Judgement } from "../helpers/judge.ts";
import { type Facts, isSaid } from "../helpers/naive-uevent.ts";
import { restore } from "../helpers/stage.ts";
import type { Expected, Input, Subscription } from "./oracle.ts";

/** What slots hold before their first datagram: digits, so that one read too far shows. */
const stale = 0x31;

export class Duel {
  readonly #cores: readonly Core[];
  readonly #subscriptions: readonly Subscription[];
  /** the memory of a core before the next input */
  readonly #before: Buffer;
  readonly #begin: Uint8Array;
  readonly #now: bigint;
  readonly #slotsAt: number;

  /** From the state of cores that know the subscriptions, at that time. */
  constructor(cores: readonly Core[], subscriptions: readonly Subscription[], now: bigint) {
    const [first] = cores;
    assert.ok(first);
    this.#cores = cores;
    this.#subscriptions = subscriptions;
    this.#begin = first.state.slice();
    this.#before = Buffer.from(this.#begin);
    this.#now = now;
    this.#slotsAt = first.slots.byteOffset - first.buffers.byteOffset;
  }

  /** Begins anew. */
  reset(): void {
    for (const core of this.#cores) {
      restore(core, this.#begin);
      core.slots.fill(stale);
    }
    this.#before.set(this.#begin);
  }

  /** Hands one in; what must come of it comes, or this throws. */
  hear(input: Input, expected: Expected): void {
    const isRefused = expected.fault !== Fault.Ok;
    for (const [index, core] of this.#cores.entries()) {
      putDatagram(core, input.slot, input.datagram);
      const fault = core.handleDatagram(this.#now, input.slot);
      if (fault !== expected.fault) {
        fail(index, `${Fault[fault]} instead of ${Fault[expected.fault]}`);
      }
      this.#compare(index, core, input, expected);
      // What is taken is compared with what the first core made of it.
      if (index === 0 && !isRefused) this.#before.set(core.state);
      const isSame = this.#before.equals(core.state);
      if (!isSame) fail(index, isRefused ? "refused, but remembered" : "it remembers otherwise");
    }
  }

  /** Equal memories hash equal. */
  hash(): void {
    const [first, ...others] = this.#cores.map((core) => core.stateHash());
    for (const other of others) assert.is(other, first, "the hashes differ");
  }

  #compare(index: number, core: Core, { datagram, slot }: Input, { facts, told }: Expected): void {
    let left = told.reduce((bits, one, which) => bits | (one ? 1 << which : 0), 0);
    for (let event = core.pollEvent(); event; event = core.pollEvent()) {
      if (event.event !== Event.Uevent) fail(index, `tells ${Event[event.event]}`);
      const uevent = event as CoreUevent;
      const which = this.#subscriptions.findIndex(({ number }) => number === uevent.operation);
      const judgement = told[which];
      if (!judgement || !facts || (left & (1 << which)) === 0) {
        fail(index, `tells subscription ${which}`);
      }
      const isThere = uevent.offset === this.#slotsAt + slot * Limit.DatagramBytes;
      if (!isThere || !isSaid(uevent, datagram, facts)) fail(index, spell({ ...uevent }, facts));
      if (uevent.verdict !== judgement.verdict || uevent.marks !== judgement.marks) {
        const was = spellJudgement(uevent);
        fail(index, `to ${which} it is ${was} instead of ${spellJudgement(judgement)}`);
      }
      left &= ~(1 << which);
    }
    if (left !== 0) fail(index, `subscriptions ${left.toString(2)} were not told`);
    if (core.pollCall()) fail(index, "makes a call");
    if (core.pollTimeout() !== 0n) fail(index, "waits for a time");
  }
}

function fail(index: number, text: string): never {
  throw new Error(`core ${index}: ${text}`);
}

function spellJudgement({ verdict, marks }: Judgement): string {
  const names = Object.values(Mark).filter((name) => typeof name === "string");
  const set = names.filter((name) => (marks & Mark[name as keyof typeof Mark]) !== 0);
  return [Verdict[verdict], ...set].join("+");
}

function spell(uevent: object, facts: Facts): string {
  const text = (words: object) =>
    Object.entries(words)
      .map(([key, value]) => `${key}=${value}`)
      .join(" ");
  return `${text(uevent)}\n  instead of ${text(facts)}`;
}
