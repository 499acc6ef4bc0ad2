/**
 * Cuts the bytes of a trace into its lines, piece by piece as they come, in memory that does not
 * grow with the trace. Knows nothing of what a line says.
 */
import { LoopError } from "../errors.ts";

/** Bytes; a record of the largest datagram and its strings is far smaller. */
const lineMax = 4 * 1024 * 1024;

const newline = 10;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A line where it lies: from `at` to before `end`. */
export class Line {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;

  constructor(number: number, bytes: Uint8Array, at: number, end: number) {
    this.number = number;
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get text(): string {
    return decoder.decode(this.bytes.subarray(this.at, this.end));
  }
}

/**
 * The lines of a trace whose bytes come in pieces of any size, the empty ones too, as many at once
 * as end in a piece. ERR_TRACE_FORMAT where one is longer than 4 MiB.
 */
export async function* splitLines(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<readonly Line[]> {
  let number = 1;
  /** The beginning of a line that has not ended, and its bytes. */
  let begun: Uint8Array[] = [];
  let bytes = 0;
  const check = (length: number): void => {
    if (length > lineMax) throw badLine(number, `longer than ${lineMax} bytes`);
  };
  for await (const piece of pieces) {
    const lines: Line[] = [];
    let at = 0;
    for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, at)) {
      check(bytes + end - at);
      if (begun.length === 0) lines.push(new Line(number, piece, at, end));
      else lines.push(wholeLine(number, [...begun, piece.subarray(at, end)]));
      begun = [];
      bytes = 0;
      number += 1;
      at = end + 1;
    }
    if (at < piece.length) begun.push(piece.subarray(at));
    bytes += piece.length - at;
    yield lines;
    check(bytes);
  }
  if (begun.length > 0) yield [wholeLine(number, begun)];
}

function wholeLine(number: number, parts: readonly Uint8Array[]): Line {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return new Line(number, bytes, 0, bytes.length);
}

export function badLine(number: number, reason: string): LoopError {
  return new LoopError("ERR_TRACE_FORMAT", `line ${number} of the trace: ${reason}`);
}
