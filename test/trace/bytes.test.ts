/**
 * What is done to a trace's bytes in plain JavaScript, held against Node's own means: base64,
 * CRC-32, gzip; and the lines of a trace, which are the same however its bytes come.
 */
import { deflateRawSync, gzipSync, crc32 as nativeCrc32 } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bytesOfBase64, decodeBase64, encodeBase64 } from "../../host/base64.ts";
import { Random } from "../../host/sim/random.ts";
import { crc32 } from "../../host/trace/crc32.ts";
import { inflateInto } from "../../host/trace/inflate.ts";
import * as native from "../../host/trace/native.ts";
import { splitLines } from "../../host/trace/split.ts";

const nativeUrl = new URL("../../host/trace/native.js", import.meta.url).href;
const random = new Random(3n);
const someBytes = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => random.below(256)));

test("base64 is Node's, there and back", () => {
  for (let length = 0; length < 300; length++) {
    const bytes = someBytes(length);
    const text = encodeBase64(bytes);
    assert.is(text, bytes.toString("base64"));
    assert.equal(Buffer.from(bytesOfBase64(text) ?? []), bytes);
  }
});

test("base64 is decoded where it is wanted, and nowhere else", () => {
  const bytes = someBytes(100);
  const source = Buffer.from(`..${bytes.toString("base64")}..`);
  const memory = new Uint8Array(110).fill(7);
  assert.is(decodeBase64(source, 2, source.length - 2, memory, 5), 100);
  assert.equal(Buffer.from(memory.subarray(5, 105)), bytes);
  assert.ok([...memory.subarray(0, 5), ...memory.subarray(105)].every((byte) => byte === 7));
  assert.is(decodeBase64(source, 2, source.length - 2, memory, 11), -1, "no room");
});

test("what is no base64 is refused", () => {
  for (const text of [
    "A",
    "AA",
    "AAA",
    "A===",
    "====",
    "AA=A",
    "AA==AAAA",
    "AA A",
    "AA-_",
    "AAAÄ",
  ]) {
    assert.is(bytesOfBase64(text), undefined, text);
  }
});

test("the CRC is zip's, from every place and of every length", () => {
  const bytes = someBytes(200);
  for (let at = 0; at < 20; at++) {
    for (let end = at; end <= bytes.length; end++) {
      assert.is(crc32(bytes, at, end), nativeCrc32(bytes.subarray(at, end)));
    }
  }
  assert.is(crc32(Buffer.from("123456789"), 0, 9), 0xcbf43926);
});

test("a text is spelled alike with a runtime's means and without", async () => {
  const plain = await withoutNode(() => import(`${nativeUrl}?plain`) as Promise<typeof native>);
  for (const length of [0, 1, 2, 3, 200, 20_000]) {
    const bytes = someBytes(length + 5).subarray(5);
    assert.is(native.base64Of(bytes), bytes.toString("base64"));
    assert.is(plain.base64Of(bytes), bytes.toString("base64"));
    const text = `${bytes.toString("latin1")}€\u{1f4be}\ud800`;
    assert.is(native.crcOf(text), nativeCrc32(Buffer.from(text)));
    assert.is(plain.crcOf(text), nativeCrc32(Buffer.from(text)));
  }
});

/** As in a runtime that has none of Node's means. */
async function withoutNode<T>(work: () => Promise<T>): Promise<T> {
  const { Buffer: buffer, process } = globalThis;
  const { getBuiltinModule } = process;
  Object.assign(globalThis, { Buffer: undefined });
  Object.assign(process, { getBuiltinModule: undefined });
  try {
    return await work();
  } finally {
    Object.assign(globalThis, { Buffer: buffer });
    Object.assign(process, { getBuiltinModule });
  }
}

test("gzip fills memory of its size, and no other", async () => {
  const bytes = Buffer.concat([someBytes(70_000), Buffer.alloc(300_000)]);
  const packed = gzipSync(bytes);
  const memory = new Uint8Array(bytes.length);
  assert.is(await inflateInto(memory, packed), true);
  assert.equal(Buffer.from(memory), bytes);
  assert.is(await inflateInto(new Uint8Array(bytes.length + 1), packed), false);
  assert.is(await inflateInto(new Uint8Array(bytes.length - 1), packed), false);
  assert.is(await inflateInto(memory, packed.subarray(0, -9)), false);
  assert.is(await inflateInto(memory, deflateRawSync(bytes)), false);
});

const allLines = async (pieces: Iterable<Uint8Array>) => {
  const found: [number, string][] = [];
  for await (const lines of splitLines(pieces)) {
    for (const { number, text } of lines) found.push([number, text]);
  }
  return found;
};

test("lines are the same however their bytes come", async () => {
  for (const text of [
    "",
    "\n",
    "a",
    "a\n",
    "\n\na",
    "ab\n\ncäß\u{1f600}\ud800e\n\n",
    "\ufeffa\nb",
  ]) {
    const bytes = Buffer.from(text.repeat(3));
    const lines = bytes.toString().split("\n");
    if (lines.at(-1) === "") lines.pop();
    const expected = lines.map((line, index) => [index + 1, line]);
    for (let size = 1; size <= bytes.length + 1; size++) {
      const pieces: Uint8Array[] = [new Uint8Array(0)];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      assert.equal(await allLines(pieces), expected, `${JSON.stringify(text)} by ${size}`);
    }
  }
});

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "",
    (error) => error.message,
  );

test("a line that is too long is refused before it ends, and also where it ends", async () => {
  let pieces = 0;
  const endless = function* () {
    yield Buffer.from("a\n");
    for (; ; pieces++) yield Buffer.alloc(1 << 20, "x");
  };
  assert.match(await refusal(allLines(endless())), /line 2 .*longer than 4194304 bytes/);
  assert.is(pieces, 4);
  const whole = (length: number) =>
    allLines([Buffer.concat([Buffer.alloc(length), Buffer.from("\n")])]);
  assert.is((await whole(4 << 20)).length, 1);
  assert.match(await refusal(whole((4 << 20) + 1)), /line 1 .*longer than/);
});

test.run();
