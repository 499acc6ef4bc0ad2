/**
 * The conformance kit: its vectors are what the core does, and reach all that it can say; its page
 * has the numbers of `abi.ts`; every runtime that is there agrees.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as abi from "../../assembly/abi.ts";
import { packageRoot } from "../helpers/root.ts";
import { skip } from "../helpers/skip.ts";
import { judge } from "./judge.ts";
import { runtimes } from "./runtimes.ts";
import { madeVectors, readVectors } from "./vectors.ts";
import { readmePath, wordedReadme } from "./words.ts";

const bytesMax = 300_000;
const remake = "node build/test/conformance/remake.js makes it again";

test("the vectors are what the core does", async () => {
  const made = await madeVectors();
  const committed = readVectors();
  assert.equal(
    committed.map(({ name }) => name),
    made.map(({ name }) => name),
    remake,
  );
  for (const [index, { name, text }] of made.entries()) {
    const lines = text.split("\n");
    const old = committed[index]?.text.split("\n") ?? [];
    const at = lines.findIndex((line, number) => line !== old[number]);
    assert.ok(text === committed[index]?.text, `${name}:${at + 1} is '${lines[at]}'; ${remake}`);
  }
  const bytes = committed.reduce((sum, { text }) => sum + text.length, 0);
  assert.ok(bytes <= bytesMax, `${bytes} bytes`);
});

test("the page has the numbers of abi.ts", () => {
  assert.ok(readFileSync(readmePath, "utf8") === wordedReadme(), remake);
});

test("the vectors reach every call, event and answer", () => {
  const lines = readVectors().flatMap(({ text }) => text.split("\n"));
  const words = lines.map((line) => line.split(" "));
  const number = (digits = "0") => Number(BigInt.asIntN(32, BigInt(`0x${digits}`)));
  /** Those numbers of a word that come up in lines of a kind, behind which the word lies. */
  const seen = (kind: string, word: number, event?: abi.Event) =>
    new Set(
      words
        .filter((line) => line[0] === kind && (event === undefined || number(line[1]) === event))
        .map((line) => number(line[1 + word])),
    );
  const expectAll = (name: string, numbers: object, found: ReadonlySet<number>) => {
    const values = Object.entries(numbers).filter(([, value]) => typeof value === "number");
    const missing = values.filter(([, value]) => value !== 0 && !found.has(value));
    assert.equal(missing, [], name);
  };
  expectAll("Call", abi.Call, seen("call", abi.CallWord.Call));
  expectAll("Place", abi.Place, seen("call", abi.CallWord.Place));
  expectAll("Event", abi.Event, seen("event", abi.EventWord.Event));
  expectAll("TimeoutReason", abi.TimeoutReason, seen("done", 1));
  const { Uevent, Waited } = abi.Event;
  expectAll("Verdict", abi.Verdict, seen("event", abi.UeventWord.Verdict, Uevent));
  expectAll("WaitResult", abi.WaitResult, seen("event", abi.EventWord.Code, Waited));
  const marks = [...seen("event", abi.UeventWord.Marks, Uevent)];
  const isMarked = (bit: number) => marks.some((mark) => (mark & bit) !== 0);
  const bits = Object.values(abi.Mark).filter((value) => typeof value === "number");
  assert.ok(bits.every(isMarked), "Mark");
  // A command that is taken is answered with its number.
  const answers = words.filter(([kind = ""]) => /^(command|completion|datagram)$/.test(kind));
  const faults = answers.map(
    ([kind, ...line]) => number(line.at(-1)) * (kind === "command" ? -1 : 1),
  );
  expectAll("Fault", abi.Fault, new Set(faults));
});

test("diskseq/core reaches no Node module", () => {
  const known = new Set<string>();
  const follow = (path: string): void => {
    if (known.has(path)) return;
    known.add(path);
    const text = readFileSync(path, "utf8");
    for (const [, target = ""] of text.matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
      assert.ok(target.startsWith("."), `${path} imports ${target}`);
      follow(join(path, "..", target));
    }
  };
  follow(join(packageRoot, "build/host/core.js"));
  assert.ok(known.size > 5);
});

for (const [name, find] of Object.entries(runtimes)) {
  test(`${name} agrees with every vector, and refuses what is wrong`, async () => {
    const { verdict, text } = await judge(name, await find(false));
    if (verdict === "skipped") skip(`${name}: ${text}`);
    else assert.is(verdict, "passed", text);
  });
}

test.run();
