/**
 * Logs are explained: the traces of real kernels, what udevadm prints, traces of ours. Which flap
 * is whose doing is known of a kernel's trace, since it has every call; from the events alone the
 * same must be concluded.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { coreSha256, loadDefaultCore } from "../../host/core-file.ts";
import { parseTrace } from "../../host/kernel-trace.ts";
import { Session, simulate } from "../../host/sim/index.ts";
import type { Flap } from "../../host/trace/explain/flaps.ts";
import { type OpenedLog, openLog } from "../../host/trace/explain/open.ts";
import { type Story, storyOf } from "../../host/trace/explain/story.ts";
import { replay } from "../../host/trace/replay.ts";
import { splitLines } from "../../host/trace/split.ts";
import { command } from "../helpers/process.ts";
import { packageRoot, scratchRoot } from "../helpers/root.ts";
import { mbrImage, twoSlots } from "../helpers/simulations.ts";
import { traceNames } from "../helpers/traces.ts";

const directory = mkdtempSync(join(scratchRoot, "diskseq-explain-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));

const traceOf = (name: string) => join(packageRoot, "test/traces", `${name}.ndjson.gz`);
const handmade = join(packageRoot, "test/traces/udevadm-monitor.txt");

function open(path: string): Promise<OpenedLog> {
  return openLog(path, loadDefaultCore, coreSha256());
}

async function explain(path: string): Promise<Story> {
  return storyOf((await open(path)).log);
}

/** `double-scan, likely`: so often. */
function countsOf(flaps: readonly Flap[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { cause, by, isCertain } of flaps) {
    const key = `${cause}${by === null ? "" : ` by ${by}`}${isCertain ? "" : ", likely"}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

const flapsIn = ({ disks }: Story) => disks.flatMap(({ flaps }) => flaps);
const own = (flaps: readonly Flap[]) => flaps.filter((flap) => flap.isSameInstance);
const others = (flaps: readonly Flap[]) => flaps.filter((flap) => !flap.isSameInstance);

/** What a kernel's trace says itself: which calls came right before, and who raced. */
const known: Readonly<Record<string, readonly [Record<string, number>, Record<string, number>]>> = {
  "linux-5.10": [{ "reread by A": 2, "change-fd by A": 1 }, { "detach by A": 55 }],
  "linux-6.1": [{ "reread by A": 1 }, { "detach by A": 56, "change-fd by A": 1 }],
  "linux-6.1-udev252": [
    {
      "reread by A": 1,
      "double-scan by B": 7,
      "double-scan, likely": 1,
      "udev-reread by udevd, likely": 3,
    },
    { "detach by A": 56, "change-fd by A": 1 },
  ],
};

for (const name of traceNames) {
  test(`${name}: every flap is told as what it is`, async () => {
    const story = await explain(traceOf(name));
    const flaps = flapsIn(story);
    assert.equal([countsOf(own(flaps)), countsOf(others(flaps))], known[name]);
    assert.equal(
      story.disks.map(({ disk }) => disk),
      ["loop300"],
    );
    assert.equal([story.gaps.length, story.refused.length], [0, 0]);
    assert.equal(
      story.disks.map(({ stale, missing }) => [stale.length, missing.length]),
      [[0, 0]],
    );
  });

  test(`${name}: what was imported replays, with a verdict on every event of a disk`, async () => {
    const { log, trace = [] } = await open(traceOf(name));
    const lines = splitLines([Buffer.from(`${trace.join("\n")}\n`)]);
    const replayed = await replay(lines, loadDefaultCore);
    assert.is(replayed.divergence, undefined);
    assert.is(replayed.isCut, false);
    const events = log.moments.filter((moment) => moment.kind === "uevent");
    assert.ok(events.length > 500);
    for (const event of events) {
      assert.is(event.verdict === null, event.disk === null, `line ${event.line}`);
      // The record is the datagram's: its line has the very event.
      const record = JSON.parse(trace[(event.record ?? 0) + 1] ?? "");
      const strings = Buffer.from(record.data, "base64").toString("latin1");
      assert.match(strings, `SEQNUM=${event.seqnum}\0`);
      assert.match(strings, `DEVPATH=${event.devpath}\0`);
    }
  });
}

/** What udevadm would have printed; and which line of it is which of the trace. */
function printed(name: string, groups: readonly number[]): [text: string, lines: number[]] {
  const { records } = parseTrace(gunzipSync(readFileSync(traceOf(name))).toString());
  const out = ["monitor will print the received events for:", "KERNEL - the kernel uevent", ""];
  const lines: number[] = [];
  for (const record of records) {
    if (record.kind !== "uevent" || !groups.includes(record.group)) continue;
    const strings = record.strings.filter((text) => text.includes("="));
    const value = (key: string) =>
      strings.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1) ?? "";
    const source = record.group === 1 ? "KERNEL" : "UDEV  ";
    lines[out.length + 1] = record.line;
    out.push(
      `${source}[${(record.at / 1e9).toFixed(6)}] ${value("ACTION").padEnd(8)} ` +
        `${value("DEVPATH")} (${value("SUBSYSTEM")})`,
      ...strings,
      "",
    );
  }
  return [out.join("\n"), lines];
}

for (const name of traceNames) {
  for (const groups of [[1, 2], [1]]) {
    test(`${name}, groups ${groups}: events alone lead to the same flaps`, async () => {
      const [text, lines] = printed(name, groups);
      const path = join(directory, `${name}-${groups}.txt`);
      writeFileSync(path, text);
      const byEvents = flapsIn(await explain(path));
      const byCalls = flapsIn(await explain(traceOf(name)));
      assert.is(byEvents.length, byCalls.length);
      for (const [index, flap] of byEvents.entries()) {
        const truth = byCalls[index];
        assert.is(lines[flap.unplugged.line], truth?.unplugged.line);
        assert.equal(flap.partitions, truth?.partitions);
        const at = `line ${truth?.unplugged.line}: ${flap.cause}, ${truth?.cause}`;
        // Whose BLKRRPART it was no event says, nor on 5.10 that a file was changed.
        const isReread = /reread$/.test(flap.cause) && /reread$/.test(truth?.cause ?? "");
        const isUnnumbered = flap.diskseq[1] === null && truth?.cause === "change-fd";
        assert.ok(flap.cause === truth?.cause || isReread || isUnnumbered, at);
        if (!isUnnumbered) assert.is(flap.isSameInstance, truth?.isSameInstance, at);
        assert.ok(flap.because.length > 0);
      }
    });
  }
}

test("a log of udevadm: a double scan, udev's re-read, and a new attach", async () => {
  const { log } = await open(handmade);
  const story = storyOf(log);
  assert.equal(log.groups, ["kernel", "udev"]);
  const [disk] = story.disks;
  assert.equal(
    disk?.flaps.map(({ cause, partitions, diskseq, isSameInstance, unplugged }) => [
      cause,
      partitions.join(),
      ...diskseq,
      isSameInstance,
      unplugged.line,
    ]),
    [
      ["double-scan", "1,2,3", 41, 41, true, 63],
      ["udev-reread", "1,2,3", 41, 41, true, 214],
      ["detach", "1", 41, 43, false, 320],
    ],
  );
  assert.equal(
    disk?.instances.map(({ diskseq, plugs }) => [diskseq, plugs.length]),
    [
      [41, 9],
      [42, 0],
      [43, 1],
    ],
  );
  const ends = log.moments.filter((one) => one.kind === "uevent" && one.marks.includes("ends"));
  assert.is(ends.length, 3);
});

test("a recorded process tells itself and others apart", async () => {
  const path = join(directory, "others.ndjson");
  const images = { "/disk.img": mbrImage(twoSlots) };
  const session = simulate({ version: "6.1.192", seed: 7, images });
  const trace = await session.trace(path);
  const monitor = await session.monitor();
  await monitor.ready;
  const first = await session.attach("/disk.img");
  await first.detach();
  const second = await session.attach("/disk.img");
  await second.detach();
  const other = new Session(session.kernel.spawn());
  const foreign = await other.attach("/disk.img");
  await foreign.detach();
  await monitor.close();
  assert.is(await trace.close(), undefined);
  await other.close();
  await session.close();
  const story = await explain(path);
  assert.equal(countsOf(flapsIn(story)), { "detach by diskseq": 1, "re-attach": 1 });
  const [disk] = story.disks;
  const attached = disk?.instances.filter(({ plugs }) => plugs.length > 0);
  assert.equal(
    attached?.map(({ diskseq, attach }) => [diskseq, attach?.actor ?? null]),
    [
      [Number(first.diskseq), "diskseq"],
      [Number(second.diskseq), "diskseq"],
      [Number(foreign.diskseq), null],
    ],
  );
  const partitions = attached?.map(({ plugs }) => plugs.map(({ partition }) => partition));
  assert.equal(partitions, [
    [1, 3],
    [1, 3],
    [1, 3],
  ]);
});

test("disks that nothing happened to are passed over", async () => {
  const path = join(directory, "quiet.ndjson");
  const session = simulate({ version: "6.1.192", images: { "/d": mbrImage(twoSlots) } });
  // An attach with two partitions and its detach send four each.
  const recording = await session.record(path, { count: 8 });
  await recording.ready;
  const other = new Session(session.kernel.spawn());
  const disk = await other.attach("/d");
  await disk.detach();
  await recording.done;
  await other.close();
  await session.close();
  const { log, disks } = await explain(path);
  const looked = new Set(log.moments.map((one) => (one.kind === "look" ? one.disk : null)));
  assert.ok(looked.size > 2, "others were looked at");
  assert.equal(
    disks.map((one) => one.disk),
    ["loop0"],
  );
  assert.not.ok(log.moments.some((one) => one.kind === "event" && /wait/.test(one.text)));
});

test("an attach that heard no events is told from its calls and from sysfs", async () => {
  const path = join(directory, "deaf.ndjson");
  const images = { "/disk.img": mbrImage(twoSlots) };
  const session = simulate({ version: "6.1.192", seed: 7, images });
  const trace = await session.trace(path);
  const disk = await session.attach("/disk.img");
  await disk.detach();
  assert.is(await trace.close(), undefined);
  await session.close();
  const { disks } = await explain(path);
  const [instance] = disks[0]?.instances.filter(({ plugs }) => plugs.length > 0) ?? [];
  assert.is(instance?.diskseq, Number(disk.diskseq));
  assert.equal([instance?.attach?.name, instance?.detach?.name], ["LOOP_CONFIGURE", "LOOP_CLR_FD"]);
  assert.equal(
    instance?.plugs.map(({ partition, plugged }) => [partition, plugged?.kind]),
    [
      [1, "look"],
      [3, "look"],
    ],
  );
  assert.equal(disks[0]?.missing, []);
});

/** Events of the hand-made log, some left out or told anew, and lost ones said. */
test("an event that is missing is told", async () => {
  const blocks = readFileSync(handmade, "utf8").split("\n\n");
  const isAdd = (block: string) => /^KERNEL.* add .*loop0p2 /.test(block);
  const isRemove = (block: string) => /^KERNEL.* remove .*loop0p1 /.test(block);
  const without = async (drop: (block: string) => boolean) => {
    const index = blocks.findIndex(drop);
    const path = join(directory, "missing.txt");
    writeFileSync(path, blocks.toSpliced(index, 1).join("\n\n"));
    return (await explain(path)).disks[0]?.missing.map((one) => [one.action, one.partition]);
  };
  assert.equal(await without(isRemove), [["remove", 1]]);
  const [, second = -1] = [...blocks.keys()].filter((index) => isAdd(blocks[index] ?? ""));
  assert.equal(await without((block) => block === blocks[second]), [["add", 2]]);
});

/* The command. */

test("explain tells the story and a lane for each partition", async () => {
  const { status, stdout, stderr } = await command(["explain", handmade]);
  assert.is(status, 0, stderr);
  for (const text of [
    "What udevadm monitor heard: 32 moments in 4.0 s",
    "1  double scan by the kernel, likely",
    "1  re-read by udev, likely",
    "#41 partitions 1 2 3 plugged, dead for 250 us, plugged at +0.000650 s (lines 63-110)",
    "    - the first scan of this instance was followed by another at once",
    "To avoid double scan by the kernel: attach without LO_FLAGS_PARTSCAN",
  ]) {
    assert.ok(stdout.includes(text), text);
  }
  const lanes = stdout.match(
    /(?<=kernel +(?:add partition 3|remove partition 1).* )[+|x.] [+|x.] [+|x.]$/gm,
  );
  assert.equal(lanes?.slice(0, 4), ["| | +", "x | |", "| | +", "x | |"]);
  const brief = await command(["explain", handmade, "--brief"]);
  assert.ok(stdout.startsWith(brief.stdout.trimEnd()));
  assert.not.match(brief.stdout, "LINE");
});

test("explain --json has every flap, and what it is concluded from", async () => {
  const { status, stdout } = await command(["explain", traceOf("linux-6.1-udev252"), "--json"]);
  assert.is(status, 0);
  const { format, disks } = JSON.parse(stdout);
  assert.is(format, "kernel-trace");
  const first = disks[0].flaps.find((flap: Flap) => flap.cause === "double-scan");
  assert.equal(first.partitions, [1, 2, 3]);
  assert.equal(first.unplugged.line, 1069);
  assert.match(first.because[0], "A called LOOP_CONFIGURE with LO_FLAGS_PARTSCAN (line 1063)");
});

test("explain reads standard input, and one disk of many", async () => {
  const stdin = readFileSync(handmade, "utf8");
  const whole = await command(["explain", "-", "--disk", "/dev/loop0"], { input: stdin });
  assert.is(whole.status, 0, whole.stderr);
  assert.is(whole.stdout, (await command(["explain", handmade])).stdout);
  const none = await command(["explain", handmade, "--disk", "loop9"]);
  assert.is(none.status, 2);
  assert.match(none.stderr, "the log has nothing of 'loop9'; it has loop0");
});

const text = readFileSync(handmade, "utf8");
const cut = text.slice(0, text.lastIndexOf("SEQNUM"));

test("a log that is cut is told as far as it goes, and that it is cut", async () => {
  const path = join(directory, "cut.txt");
  writeFileSync(path, cut);
  const { status, stdout, stderr } = await command(["explain", path, "--brief"]);
  assert.is(status, 0);
  assert.match(stderr, "the log is cut short");
  assert.match(stdout, "31 moments");
  const session = simulate({ version: "6.1.192", images: { "/d.img": mbrImage(twoSlots) } });
  const trace = join(directory, "cut.ndjson");
  const recording = await session.trace(trace);
  await (await session.attach("/d.img")).detach();
  await recording.close();
  await session.close();
  const whole = readFileSync(trace, "utf8");
  writeFileSync(trace, whole.slice(0, -1000));
  const own = await command(["explain", trace, "--brief"]);
  assert.is(own.status, 0, own.stderr);
  assert.match(own.stderr, "the log is cut short");
});

const bad: readonly (readonly [name: string, content: string | Buffer, reason: string])[] = [
  ["empty", "", "line 1 of the trace: empty"],
  ["of another kind", "<html>\n", "line 1 of the trace: neither a trace of diskseq"],
  ["binary", Buffer.from([0, 1, 2, 255, 254, 10, 13]), "line 1 of the trace: neither"],
  ["of udevadm without --property", text.replace(/^[A-Z_]+=.*\n/gm, ""), "no event has properties"],
  ["edited", text.replace("DEVTYPE=disk\n", "DEVTYPE\n"), "line 10 of the trace: neither"],
  [
    "of udevadm with holes",
    text.replace(/^SEQNUM=.*\n/m, ""),
    "line 5 of the trace: an event with",
  ],
  ["gzip of too much", gzipSync(Buffer.alloc(300 << 20)), "the log cannot be read"],
  ["of a kernel, cut", '{"kind": "header", "format": "kernel-trace"}\n', "line 1: format version"],
];

for (const [name, content, reason] of bad) {
  test(`a log that is ${name} is refused with its line`, async () => {
    const path = join(directory, "bad.log");
    writeFileSync(path, content);
    const { status, stderr } = await command(["explain", path]);
    assert.is(status, 1);
    assert.ok(stderr.includes(reason), stderr);
  });
}

test.run();
