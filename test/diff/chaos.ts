/**
 * Inputs of every kind in any order, to both builds in lockstep: commands, right and wrong
 * completions, timeouts, aborts, wrong tickets. Keeps account of every descriptor and every bound
 * device, and at the end drives all to rest: what was taken must have been given back.
 */
import * as assert from "uvu/assert";
import { Errno, Ioctl } from "../../assembly/wire/linux.ts";
import type { CoreCommand } from "../../host/core.ts";
import {
  Call,
  Command,
  CommandFlag,
  Event,
  Failure,
  Fault,
  type Place,
  Result,
  Step,
} from "../../host/core.ts";
import type { Lockstep, OutCall, OutEvent, Output } from "../helpers/cores.ts";
import type { ScriptedKernel } from "../helpers/scripted-kernel.ts";

export type Action =
  | { readonly kind: "command"; readonly command: CoreCommand; readonly own: number }
  | { readonly kind: "good" | "abort" | "wake"; readonly which: number }
  | { readonly kind: "errno"; readonly which: number; readonly errno: number }
  | {
      readonly kind: "wrong";
      readonly which: number;
      readonly result: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "pass"; readonly ns: number }
  | { readonly kind: "ticket"; readonly ticket: number };

interface Running {
  readonly command: CoreCommand;
  /** The core bound a device and has not cleared it. */
  isBound: boolean;
  /** The core closed the descriptor that a detach was given. */
  isClosed: boolean;
  /** How it ended. */
  end: Event | undefined;
}

const foreignDescriptors = 5000;
const wildDescriptors = 100_000;
const restInputsMax = 6000;
const linesShown = 60;

export class Chaos {
  readonly lockstep: Lockstep;
  /** everything that went in and what came out, to be replayed */
  readonly history: { input: (lockstep: Lockstep) => Output; output: Output }[] = [];
  /** the same for people */
  readonly log: string[] = [];
  now = 1_000_000n;
  readonly #kernel: ScriptedKernel;
  readonly #running = new Map<number, Running>();
  readonly #all: Running[] = [];
  /** the caller's own descriptor of the image */
  readonly #image: number;
  #out: OutCall[] = [];
  #timeoutAt = 0n;
  /** descriptors that the core must give back, with what they are */
  readonly #taken = new Map<number, Place>();
  /** descriptors that the application owns: of attaches, and its own */
  readonly #owned: number[] = [];
  #nextWild = wildDescriptors;

  constructor(lockstep: Lockstep, kernel: ScriptedKernel) {
    this.lockstep = lockstep;
    this.#kernel = kernel;
    this.#image = kernel.openImage();
  }

  /** Performs all, then brings all to rest. What fails says what went in before. */
  play(actions: readonly Action[], isFailing: boolean): void {
    try {
      for (const action of actions) this.perform(action);
      this.rest(isFailing);
    } catch (cause) {
      const last = this.log.slice(-linesShown).join("\n");
      throw new Error(`${String(cause)}\n${last}`, { cause });
    }
  }

  perform(action: Action): void {
    if (action.kind === "command") this.#command(action.command, action.own);
    else if (action.kind === "abort") this.#abort(action.which);
    else if (action.kind === "pass") this.#timeout(this.now + BigInt(action.ns));
    else if (action.kind === "ticket") this.#wrongTicket(action.ticket);
    else if (action.kind !== "wake") this.#complete(action);
    else if (this.#timeoutAt !== 0n) this.#timeout(this.#timeoutAt);
  }

  /** Lets all operations end; every call succeeds, or fails with EIO. */
  rest(isFailing: boolean): void {
    for (let inputs = 0; this.#isBusy(); inputs++) {
      assert.ok(inputs < restInputsMax, `never ends: ${this.#state()}`);
      // Without a deadline some waits are for ever: what others hold.
      if (inputs === restInputsMax / 2) for (const one of this.#running.keys()) this.#abort(one);
      if (this.#out.length === 0) {
        assert.ok(this.#timeoutAt !== 0n, `waits for nothing: ${this.#state()}`);
        this.#timeout(this.#timeoutAt);
      } else if (isFailing) this.#complete({ kind: "errno", which: 0, errno: Errno.EIO });
      else this.#complete({ kind: "good", which: 0 });
    }
    assert.equal([...this.#taken], [], "descriptors were left open");
    for (const { isBound, end } of this.#all) {
      assert.ok(!isBound || end === Event.Attached, "a device was left bound");
    }
  }

  #isBusy(): boolean {
    const isRunning = [...this.#running.values()].some(({ end }) => end === undefined);
    return isRunning || this.#out.length > 0 || this.#timeoutAt !== 0n;
  }

  #state(): string {
    const steps = this.#out.map(({ step }) => Step[step]);
    return `calls ${steps.join(" ")}, operations ${[...this.#running.keys()].join(" ")}`;
  }

  #command(command: CoreCommand, own: number): void {
    const descriptor = this.#descriptorFor(command, own);
    if (descriptor === undefined) return;
    const given = { ...command, descriptor };
    this.log.push(`command ${Command[command.command] ?? command.command} ${descriptor}`);
    const before = this.lockstep.hash();
    const output = this.#input((lockstep, now) => lockstep.command(now, given));
    if (output.answer < 0) {
      if (output.answer !== -Fault.Full) assert.is(output.hash, before, "a refusal changed it");
      this.#take(output);
      return;
    }
    const running = { command: given, isBound: false, isClosed: false, end: undefined };
    this.#running.set(output.answer, running);
    this.#all.push(running);
    this.#take(output);
  }

  /** A caller hands a descriptor of a device to one operation at a time. */
  #descriptorFor({ command, flags = 0 }: CoreCommand, own: number): number | undefined {
    if (command === Command.Attach || command === Command.Probe) return own < 0 ? -1 : this.#image;
    if (own < 0) return (flags & CommandFlag.Release) !== 0 ? undefined : -1;
    const descriptor = this.#owned[own % this.#owned.length] ?? foreignDescriptors + own;
    const isUsed = this.#all.some(
      (one) => one.end === undefined && one.command.descriptor === descriptor,
    );
    return isUsed ? undefined : descriptor;
  }

  #abort(operation: number): void {
    this.log.push(`abort ${operation}`);
    const abort = { command: Command.Abort, number: operation } as const;
    const before = this.lockstep.hash();
    const output = this.#input((lockstep, now) => lockstep.command(now, abort));
    if (output.answer < 0) assert.is(output.hash, before, "a refused abort changed it");
    this.#take(output);
  }

  #wrongTicket(ticket: number): void {
    if (this.#out.some((call) => call.ticket === ticket)) return;
    const before = this.lockstep.hash();
    const output = this.#input((lockstep, now) => lockstep.completeTicket(now, ticket, 0, 0));
    assert.is(output.answer, Fault.UnknownTicket);
    assert.is(output.hash, before, "a wrong ticket changed it");
  }

  #timeout(at: bigint): void {
    if (at > this.now) this.now = at;
    this.log.push(`timeout at ${this.now}`);
    this.#take(this.#input((lockstep, now) => lockstep.timeout(now)));
  }

  #complete(action: Action & { readonly which: number }): void {
    const call = this.#out[action.which % Math.max(this.#out.length, 1)];
    if (!call) return;
    this.#out = this.#out.filter((one) => one !== call);
    const bytes = call.bytes.slice();
    const result = this.#resultOf(action, { ...call, bytes });
    this.log.push(`  ${call.operation} ${Step[call.step]} = ${result}`);
    const running = this.#running.get(call.operation);
    if (result >= 0 && running) {
      if (call.call === Call.Open) this.#taken.set(result, call.place);
      if (call.step === Step.Configure || call.step === Step.SetFd) running.isBound = true;
    }
    const output = this.#input((lockstep, now) => lockstep.complete(now, call, result, bytes));
    assert.is(output.answer, Fault.Ok);
    this.#take(output);
  }

  #resultOf(action: Action, call: OutCall): number {
    // Whatever is said of a close, the descriptor is gone.
    if (call.call === Call.Close) this.#good(call);
    if (action.kind === "errno") return -action.errno;
    if (action.kind !== "wrong") return call.call === Call.Close ? 0 : this.#good(call);
    call.bytes.set(action.bytes.subarray(0, call.bytes.length));
    if (call.call === Call.Open) return this.#nextWild++;
    const most = call.call === Call.Pread ? call.bytes.length : 255;
    return Math.min(Math.abs(action.result), most);
  }

  #good(call: OutCall): number {
    try {
      return this.#kernel.answer(call, this.now).result;
    } catch (error) {
      // The descriptor is of a wrong completion: unknown here.
      if (error instanceof RangeError) return -Errno.EBADF;
      throw error;
    }
  }

  #input(input: (lockstep: Lockstep, now: bigint) => Output): Output {
    const now = ++this.now;
    const output = input(this.lockstep, now);
    this.history.push({ input: (lockstep) => input(lockstep, now), output });
    return output;
  }

  #take(output: Output): void {
    this.#timeoutAt = output.timeoutAt;
    for (const event of output.events) this.#tell(event);
    for (const call of output.calls) {
      const running = this.#running.get(call.operation);
      this.#out.push(call);
      // The lookout's own: an attach through the public node hears what udev does.
      if (call.step >= Step.Look) continue;
      assert.ok(running, "a call of no operation");
      if (call.call === Call.Close) this.#closes(call, running);
      if (call.request === Ioctl.LOOP_CLR_FD) running.isBound = false;
    }
  }

  #closes(call: OutCall, running: Running): void {
    if (this.#taken.delete(call.descriptor)) return;
    const { command, descriptor } = running.command;
    const isGiven = command === Command.Detach && call.descriptor === descriptor;
    assert.ok(
      isGiven && !running.isClosed,
      `${Step[call.step]} closes ${call.descriptor}, not its own`,
    );
    running.isClosed = true;
    const index = this.#owned.indexOf(call.descriptor);
    if (index >= 0) this.#owned.splice(index, 1);
  }

  #tell(event: OutEvent): void {
    const running = this.#running.get(event.operation);
    assert.ok(running && running.end === undefined, `${Event[event.event]} after the end`);
    if (event.event === Event.Warned) return;
    const failure = event.event === Event.Failed ? Failure[event.code] : "";
    this.log.push(`  ${event.operation} ${Event[event.event]} ${failure} ${Step[event.step]}`);
    if (event.event === Event.Tried) return;
    running.end = event.event;
    const descriptor = Number(BigInt.asIntN(64, event.result[Result.Descriptor] ?? 0n));
    if (event.event === Event.Attached) {
      assert.ok(this.#taken.delete(descriptor), "the result's descriptor is not open");
      this.#owned.push(descriptor);
    }
    const { command } = running.command;
    if (event.event === Event.Changed || command === Command.Attach) return;
    if (command === Command.Probe || (running.command.descriptor ?? -1) < 0) return;
    assert.is(descriptor >= 0, !running.isClosed, "what it says of the given descriptor");
  }
}
