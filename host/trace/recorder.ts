/**
 * Writes down what goes into a core and comes out of it. Looks on and changes nothing; where the
 * lines go it does not know.
 */
import { Command, Group } from "../../assembly/abi.ts";
import type { Core } from "../core.ts";
import type {
  CoreCall,
  CoreCommand,
  CoreEvent,
  CorePartition,
  CoreUevent,
  Tap,
} from "../core-types.ts";
import {
  answerBytes,
  datagramOf,
  footer,
  outputs,
  sealOf,
  spell,
  spellDatagram,
  spellEvent,
  spellHash,
} from "./lines.ts";

export class Recorder implements Tap {
  readonly #core: Core;
  readonly #write: (line: string) => void;
  readonly #calls = new Map<number, CoreCall>();
  readonly #beforeInput: () => void;
  #records = 0;
  #now = 0n;
  /** Handed in, and not answered yet: its line as far as it is known. */
  #input: string | undefined;
  #timeoutAt = 0n;

  /** `beforeInput`: nothing is half done then, so a trace may end and another begin. */
  constructor(core: Core, write: (line: string) => void, beforeInput: () => void) {
    this.#core = core;
    this.#write = write;
    this.#beforeInput = beforeInput;
  }

  /** What has not come back yet. */
  get calls(): CoreCall[] {
    return [...this.#calls.values()];
  }

  /** The next record is the first one of another trace. */
  restart(): void {
    this.#records = 0;
    this.#timeoutAt = 0n;
  }

  /* Inputs, as they lie before the core takes them. */

  command(now: bigint, command: CoreCommand): void {
    this.#beforeInput();
    this.#begin(now, { in: "command", ...command, command: Command[command.command] });
  }

  completion(now: bigint, ticket: number, result: number): void {
    this.#beforeInput();
    const call = this.#calls.get(ticket);
    this.#calls.delete(ticket);
    const bytes = call === undefined ? 0 : answerBytes(call, result);
    const from = call?.buffer ?? 0;
    const data = this.#core.buffers.subarray(from, from + bytes);
    this.#begin(now, { in: "completion", ticket, result, ...(bytes > 0 && { data }) });
  }

  datagram(now: bigint, slot: number): void {
    this.#beforeInput();
    this.#now = now;
    this.#input = spellDatagram(this.#records, now, datagramOf(this.#core, slot));
  }

  overrun(now: bigint, group: number, count: number): void {
    this.#beforeInput();
    this.#begin(now, { in: "overrun", group: Group[group] ?? group, count });
  }

  timeout(now: bigint): void {
    this.#beforeInput();
    this.#begin(now, { in: "timeout" });
  }

  /** Spelled at once: the core may use its buffers for the next call. */
  #begin(now: bigint, input: object): void {
    this.#now = now;
    this.#input = spell({ n: this.#records, t: now, ...input }).slice(0, -1);
  }

  answered(answer: number): void {
    const h = spellHash(this.#core.stateHash());
    this.#seal(`${this.#input}${answer === 0 ? "" : `,"answer":${answer}`},"h":"${h}"`);
    this.#input = undefined;
  }

  /* Outputs. */

  call(call: CoreCall): void {
    this.#calls.set(call.ticket, call);
    this.#put(outputs.call(this.#core, call));
  }

  event(event: CoreEvent | CoreUevent): void {
    this.#write(spellEvent(this.#records, this.#now, event));
    this.#records += 1;
  }

  partition(operation: number, index: number, partition: CorePartition | undefined): void {
    this.#put(outputs.partition(operation, index, partition));
  }

  /** Only where it is another one than before. */
  wake(at: bigint): void {
    if (at === this.#timeoutAt) return;
    this.#timeoutAt = at;
    this.#put(outputs.timeout(at, this.#core.timeoutReason()));
  }

  /**
   * The last line. Of a core that panicked it is the input from which it did not come back.
   * `why`: what is recorded goes on.
   */
  end(why?: string): void {
    if (this.#input !== undefined) {
      this.#seal(this.#input);
      return;
    }
    if (this.#core.hasPanicked) return;
    const h = spellHash(this.#core.stateHash());
    this.#write(spell(footer(this.#records, h, why)));
  }

  #seal(text: string): void {
    this.#write(text + sealOf(text));
    this.#records += 1;
  }

  #put(record: object): void {
    this.#write(spell({ n: this.#records, t: this.#now, ...record }));
    this.#records += 1;
  }
}
