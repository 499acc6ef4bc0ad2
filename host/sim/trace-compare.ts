/**
 * What is equal between a recorded trace and the model, and the worlds that agree with it so far.
 *
 * SEQNUM counts all events of the machine: only its order means anything. The minor of a partition
 * is the lowest free one, but older kernels free it a moment after the partition.
 */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { TraceCall, TraceState } from "../kernel-trace.ts";
import type { Model } from "./model.ts";
import type { SimWorld } from "./world.ts";

/** Every actor of a trace is a thread of one process: descriptors are shared. */
export const PROCESS = 0;

/** A model and, where the trace has one, its udevd: what is remembered of both. */
export class Machine {
  readonly model: Model;
  /** its only actor is udevd */
  readonly udevd: SimWorld | undefined;

  constructor(model: Model, udevd?: SimWorld) {
    this.model = model;
    this.udevd = udevd;
  }

  save(): Uint8Array {
    const { model, udevd } = this;
    return udevd ? Buffer.concat([model.state, udevd.state]) : model.state.slice();
  }

  load(state: Uint8Array): void {
    const { model, udevd } = this;
    model.state.set(state.subarray(0, model.state.length));
    udevd?.state.set(state.subarray(model.state.length));
  }
}

/** One state of the model that agrees with the trace, and its actors' descriptors. */
export class World {
  state: Uint8Array;
  readonly labels: Map<string, number>;

  constructor(state: Uint8Array, labels: ReadonlyMap<string, number>) {
    this.state = state;
    this.labels = new Map(labels);
  }

  enter(machine: Machine): void {
    machine.load(this.state);
  }

  /** Remembers the descriptor of a call that opened one, forgets one that is closed. */
  leave(call: TraceCall, result: number): void {
    const { fd } = call.arguments;
    if (call.name === "open" && result >= 0 && typeof call.ret === "string") {
      this.labels.set(call.ret, result);
    }
    if (call.name === "close" && typeof fd === "string") this.labels.delete(fd);
  }

  /** Equal worlds have equal keys. */
  key(): string {
    const labels = [...this.labels].map(([label, descriptor]) => `${label}=${descriptor}`).sort();
    return `${labels.join()}|${createHash("sha1").update(this.state).digest("base64")}`;
  }
}

/** The first attribute that differs, undefined: none. */
export function sameState(
  recorded: TraceState,
  shown: Readonly<Record<string, unknown>>,
): string | undefined {
  for (const key of new Set([...Object.keys(recorded), ...Object.keys(shown)])) {
    const value = key === "loop/backing_file" ? imageName(recorded[key]) : recorded[key];
    if (!isDeepStrictEqual(value, shown[key])) return key;
  }
  return undefined;
}

/** `/tmp/gpt.img` is the image `gpt`. */
function imageName(path: unknown): unknown {
  return typeof path === "string" ? path.replace(/^.*\//, "").replace(/\.img$/, "") : path;
}

/** All datagrams that are in a socket, as strings. */
export function readEvents(model: Model, socket: number): string[][] {
  const events: string[][] = [];
  for (;;) {
    const received = model.receive(socket);
    if (typeof received === "number") return events;
    const text = new TextDecoder("latin1").decode(received.bytes);
    events.push(text.split("\0").slice(0, -1));
  }
}

/** Whether a recorded event is the model's. */
export function compareEvents(recorded: readonly string[], found: readonly string[]): boolean {
  if (!isWellFormed(recorded)) return false;
  return isDeepStrictEqual(comparable(recorded, found), comparable(found, found));
}

function isWellFormed(strings: readonly string[]): boolean {
  return /^SEQNUM=\d+$/.test(strings.at(-1) ?? "");
}

function comparable(strings: readonly string[], model: readonly string[]): string[] {
  const isPartition = model.includes("DEVTYPE=partition");
  const hasUuid = model.some((text) => text.startsWith("PARTUUID="));
  const kept: string[] = [];
  for (const text of strings) {
    if (text.startsWith("SEQNUM=")) continue;
    if (isPartition && text.startsWith("MINOR=")) kept.push("MINOR=");
    // The header does not tell the signature that an MBR's partitions are named by.
    else if (hasUuid || !text.startsWith("PARTUUID=")) kept.push(text);
  }
  return kept;
}
