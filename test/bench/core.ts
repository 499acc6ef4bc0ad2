/**
 * What an event costs inside: in the core beside who waits and listens, and the parsing of a
 * datagram beside the same in JavaScript.
 */
import { loadJsCore } from "../../host/core.ts";
import { openWasm } from "../helpers/cores.ts";
import { changeOf, Judge, slots } from "./judge.ts";
import type { Scale } from "./scale.ts";
import { figure, Rounds, type Section } from "./table.ts";

type Decoder = InstanceType<typeof TextDecoder>;

/** Rounds before the first that counts. */
const warmRounds = 5;

interface Case {
  readonly name: string;
  readonly judge: Judge;
}

const mine = "loop1";

/** `load` gives the slots a datagram of the disk that events are about, `mine`. */
function prepare(name: string, watches: number, open: (judge: Judge) => void): Case {
  const judge = new Judge(openWasm({ watches }));
  open(judge);
  judge.load(changeOf(mine, 1));
  return { name, judge };
}

function times(count: number, act: (index: number) => void): void {
  for (let index = 0; index < count; index++) act(index);
}

/** The cost of an event does not grow with what others wait for. */
export async function core(scale: Scale): Promise<Section> {
  const { coreRounds: rounds, coreBatches: batches } = scale;
  const alone = "no wait; another disk is listened to";
  const cases = [
    prepare(alone, 1, (judge) => judge.subscribe("loop9")),
    ...[1, 100, 1000].map((count) =>
      prepare(`${count} waits on as many other disks`, count + 1, (judge) => {
        judge.subscribe("loop9");
        times(count, (index) => judge.waitFor(`loop${100 + index}`));
      }),
    ),
    prepare("1000 waits on one other disk", 1001, (judge) => {
      judge.subscribe("loop9");
      times(1000, () => judge.waitFor("loop100"));
    }),
    prepare("64 subscriptions to other disks", 65, (judge) =>
      times(65, (index) => judge.subscribe(`loop${9 + index}`)),
    ),
    ...[1, 64].map((count) =>
      prepare(`${count} subscriptions that hear it, taken out`, count, (judge) =>
        times(count, () => judge.subscribe()),
      ),
    ),
    ...[1, 1000].map((count) =>
      prepare(`${count} waits on this disk`, count + 1, (judge) => {
        judge.subscribe("loop9");
        times(count, () => judge.waitFor(mine));
      }),
    ),
  ];
  const script = new Judge(await loadJsCore({ watches: 1 }));
  script.subscribe("loop9");
  script.load(changeOf(mine, 1));
  cases.push({ name: "the first in the JavaScript build", judge: script });
  const measured = new Rounds();
  for (let round = -warmRounds; round < rounds; round++) {
    for (const { name, judge } of cases) {
      let sum = 0;
      for (let batch = 0; batch < batches; batch++) {
        judge.renumber();
        sum += judge.time().ns;
        judge.drain();
      }
      if (round >= 0) measured.add(name, sum / batches / slots);
    }
  }
  const rows = cases.map(({ name }) => {
    const ratio = measured.ratio(name, alone);
    const ns = measured.median(name);
    return {
      name,
      cells: [figure(1e9 / ns), figure(ns), ratio.text],
      values: { judgedPerSecond: 1e9 / ns, ns, ofFirst: ratio.value },
    };
  });
  return {
    title: "the core alone, datagrams from memory",
    columns: ["events/s", "ns", "x of the first"],
    rows,
    notes: [
      `Parsed and judged in Wasm, no kernel, no driver; medians of ${rounds} interleaved rounds of`,
      `${figure(batches * slots)} events. Who waits for this very disk, and who hears the event,`,
      "costs; how many others wait and listen does not.",
    ],
  };
}

/** A datagram that is parsed, checked and refused as one that came already: all but the parsing
 *  is a few nanoseconds. */
export async function parse(scale: Scale): Promise<Section> {
  const { coreRounds: rounds, coreBatches: batches } = scale;
  const datagram = changeOf(mine, 1);
  const bytes = new TextEncoder().encode(datagram);
  const decoder = new TextDecoder();
  const build = (judge: Judge): (() => number) => {
    judge.subscribe("loop9");
    judge.load(datagram);
    judge.time();
    return () => judge.time().ns;
  };
  const idiomatic = (): number => {
    let found = 0;
    const began = process.hrtime.bigint();
    for (let slot = 0; slot < slots; slot++) {
      found += Object.keys(idiomaticParse(decoder, bytes)).length;
    }
    const ns = Number(process.hrtime.bigint() - began);
    return found > 0 ? ns : 0;
  };
  const wasm = "Wasm build";
  const cases: readonly (readonly [string, () => number])[] = [
    [wasm, build(new Judge(openWasm({ watches: 1 })))],
    ["JavaScript build of the same", build(new Judge(await loadJsCore({ watches: 1 })))],
    ["TextDecoder, split, an object", idiomatic],
  ];
  const measured = new Rounds();
  for (let round = -warmRounds; round < rounds; round++) {
    for (const [name, run] of cases) {
      let sum = 0;
      for (let batch = 0; batch < batches; batch++) sum += run();
      if (round >= 0) measured.add(name, sum / batches / slots);
    }
  }
  return {
    title: `parsing of a datagram of ${bytes.length} bytes`,
    columns: ["events/s", "ns", "x of Wasm"],
    rows: cases.map(([name]) => {
      const ratio = measured.ratio(name, wasm);
      const ns = measured.median(name);
      return {
        name,
        cells: [figure(1e9 / ns), figure(ns), ratio.text],
        values: { parsedPerSecond: 1e9 / ns, ns, ofWasm: ratio.value },
      };
    }),
    notes: ["Ours: the call, the record and SEQNUM checked, every key told apart; no strings."],
  };
}

function idiomaticParse(decoder: Decoder, bytes: Uint8Array): Record<string, string | bigint> {
  const [header = "", ...pairs] = decoder.decode(bytes).split("\0");
  const event: Record<string, string | bigint> = { header };
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals > 0) event[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  event.seqnum = BigInt(event.SEQNUM ?? 0);
  event.diskseq = BigInt(event.DISKSEQ ?? 0);
  return event;
}
