/**
 * Redacted traces: no secret is in them, in whatever spelling; they run again; what the core made
 * of tables and events is what it makes of the redacted ones; where it were not, the trace says so.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Command, CommandFlag, Event, Fault, Group } from "../../assembly/abi.ts";
import { type Core, loadJsCore } from "../../host/core.ts";
import { loadDefaultCore } from "../../host/core-file.ts";
import { Session, simulate } from "../../host/sim/index.ts";
import { patchCrc } from "../../host/trace/crc-patch.ts";
import { record, type Trace, type TraceOptions } from "../../host/trace/index.ts";
import { linesOf } from "../../host/trace/reader.ts";
import { replay } from "../../host/trace/replay.ts";
import { readCorpus } from "../fuzz/corpus.ts";
import { Draws } from "../fuzz/draws.ts";
import { Mutator } from "../fuzz/mutate.ts";
import { Lockstep } from "../helpers/cores.ts";
import { type Datagram, kernelMessage, putDatagram, udevMessage } from "../helpers/datagrams.ts";
import { damageGpt } from "../helpers/gpt.ts";
import { leaksOf } from "../helpers/leaks.ts";
import { command } from "../helpers/process.ts";
import { scratchRoot } from "../helpers/root.ts";
import { mbrImage, twoSlots, withGptFile } from "../helpers/simulations.ts";
import { imageOfVector, logOf, probe, readVectorFiles } from "../helpers/vectors.ts";

const directory = mkdtempSync(join(scratchRoot, "diskseq-redact-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));

const about = { core: "", facts: {}, load: loadDefaultCore };

async function expectReplays(path: string): Promise<void> {
  for (const load of [loadDefaultCore, loadJsCore]) {
    const { divergence, isCut, why, header } = await replay(linesOf(path), load);
    assert.equal([divergence, isCut, why, header.redacted], [undefined, false, undefined, true]);
  }
}

/** A recording of what is done to a core, redacted. */
async function recordCore(
  name: string,
  core: Core,
  work: () => void,
  why?: RegExp,
): Promise<string> {
  const path = join(directory, name);
  const trace = record(path, core, about, { redact: true });
  work();
  const error = await trace.close();
  if (why === undefined) assert.is(error, undefined);
  else assert.match(error?.message ?? "", why);
  return path;
}

/* Secrets. */

/** The unique GUIDs of a GPT of 512-byte sectors: of the disk, of two partitions. */
function guidsOf(path: string): Buffer[] {
  const bytes = readFileSync(path);
  const guid = (at: number) => Buffer.from(bytes.subarray(at, at + 16));
  return [guid(512 + 56), guid(1024 + 16), guid(1024 + 128 + 16)];
}

async function attachSecrets(name: string, options: TraceOptions, rounds = 1) {
  const path = join(directory, name);
  const secrets: (string | Uint8Array)[] = ["boot-canary", "root-canary", "gpt.img", "ref-canary"];
  await withGptFile(async (image) => {
    const bytes = readFileSync(image);
    bytes.write("boot-canary", 1024 + 56, "utf16le");
    bytes.write("root-canary", 1024 + 128 + 56, "utf16le");
    // Between the tables, where nobody asks for it.
    bytes.write("head-canary", 400, "latin1");
    secrets.push("head-canary");
    for (const at of [512, bytes.length - 512]) {
      const entriesAt = Number(bytes.readBigUInt64LE(at + 72)) * 512;
      bytes.copy(bytes, entriesAt, 1024, 1024 + 128 * 128);
      bytes.writeUInt32LE(crc32(bytes.subarray(1024, 1024 + 128 * 128)), at + 88);
      bytes.writeUInt32LE(0, at + 16);
      bytes.writeUInt32LE(crc32(bytes.subarray(at, at + 92)), at + 16);
    }
    writeFileSync(image, bytes);
    secrets.push(image, ...guidsOf(image));
    const mbr = mbrImage(twoSlots);
    const [piece] = ("pieces" in mbr && mbr.pieces) || [];
    const signature = Buffer.from([0xca, 0x0a, 0x71, 0xfe]);
    piece?.bytes.set(signature, 0x1b8);
    piece?.bytes.set(Buffer.from("code-canary"), 0);
    secrets.push(signature, "code-canary", "mbr-canary", "plain-canary");
    const plain = new Uint8Array(1 << 20);
    plain.set(Buffer.from("plain-canary"), 1024);
    const images = { "/mbr-canary.img": mbr, "/plain": plain };
    const session = simulate({ version: "6.12.90", seed: 4, images });
    const trace = await session.trace(path, options);
    const monitor = await session.monitor();
    for (let round = 0; round < rounds; round++) {
      for (const [file, count] of [
        [image, 2],
        ["/mbr-canary.img", 2],
        ["/plain", 0],
      ] as const) {
        const disk = await session.attach(file);
        assert.is(disk.partitions.length, count);
        assert.is(disk.partscan, "kernel");
        await disk.detach();
      }
    }
    const reference = "diskseq:ref-canary";
    await (await session.attach(image, { reference, partscan: "user" })).detach();
    monitor.close();
    assert.is(await trace.close(), undefined);
    await session.close();
  });
  return { path, secrets };
}

test("names, GUIDs, signatures and contents of images", async () => {
  const { path, secrets } = await attachSecrets("secrets.ndjson", { redact: true });
  assert.equal(leaksOf(path, secrets), []);
  await expectReplays(path);
  // What is not there would be found.
  const open = await attachSecrets("open.ndjson", {});
  const { length } = open.secrets;
  const unread = open.secrets.filter((one) => typeof one === "string" && one.includes("/"));
  assert.is(leaksOf(open.path, open.secrets).length, length - unread.length);
});

test("the same in each part of a trace within a limit", async () => {
  const options = { redact: true, limit: 1 << 20 };
  const { path, secrets } = await attachSecrets("limited.ndjson", options, 25);
  for (const part of [`${path}.1`, path]) {
    assert.match(readFileSync(part, "utf8").split("\n", 1)[0] ?? "", '"from":{"state":');
    assert.equal(leaksOf(part, secrets), [], part);
    await expectReplays(part);
  }
});

/** What says of a partition what its owner calls it. */
const owned = [
  "PARTNAME=name-canary",
  "PARTUUID=5e72ab1e-0000-4000-8000-00000ca7a1e5",
  "ID_FS_LABEL=label-canary",
  "ID_FS_LABEL_ENC=label-canary",
  "ID_FS_UUID=5e72ab1e-1111-4000-8000-00000ca7a1e5",
  "ID_SERIAL=serial-canary",
  "ID_PART_ENTRY_NAME=name-canary",
  "DEVLINKS=/dev/disk/by-label/label-canary /dev/disk/by-partlabel/name-canary",
  "DM_NAME=vault-canary",
  "SYNTH_UUID=5e72ab1e-2222-4000-8000-00000ca7a1e5",
  "SOMETHING_NEW=new-canary",
];

function propertiesOf(disk: string, partition: string, seqnum: number, dev = ""): string[] {
  const path = `/devices/virtual/block/${disk}${partition && `/${partition}`}`;
  return [
    "ACTION=add",
    `DEVPATH=${path}`,
    "SUBSYSTEM=block",
    "MAJOR=259",
    "MINOR=7",
    `DEVNAME=${dev}${(partition || disk).replaceAll("!", "/")}`,
    `DEVTYPE=${partition ? "partition" : "disk"}`,
    "DISKSEQ=9",
    ...(partition ? ["PARTN=1"] : []),
    "ID_FS_TYPE=ext4",
    ...owned,
    `SEQNUM=${seqnum}`,
  ];
}

function other(seqnum: number): Datagram {
  const path = "/devices/virtual/net/wg-canary";
  const properties = ["ACTION=add", `DEVPATH=${path}`, "SUBSYSTEM=net", "INTERFACE=wg-canary"];
  return kernelMessage([...properties, `SEQNUM=${seqnum}`]);
}

test("what the kernel and udev say of a disk", async () => {
  const core = loadDefaultCore({ operations: 1, watches: 8 });
  const told: string[] = [];
  const datagrams = [
    kernelMessage(propertiesOf("loop7", "", 1)),
    kernelMessage(propertiesOf("loop7", "loop7p1", 2)),
    udevMessage(propertiesOf("loop7", "loop7p1", 2, "/dev/")),
    kernelMessage(propertiesOf("md_canary", "md_canary1", 3)),
    kernelMessage(propertiesOf("vault!canary", "", 4)),
    other(5),
    // Of somebody who is not the kernel.
    { ...kernelMessage([...propertiesOf("loop7", "", 6), "FORGED=forged-canary"]), pid: 7 },
    { ...kernelMessage(["MALFORMED=malformed-canary"]) },
  ];
  const path = await recordCore("uevents.ndjson", core, () => {
    let now = 1n;
    const names = ["", "md_canary", "md_others"];
    for (const name of names) {
      const reference = Buffer.from(name);
      core.handleCommand(now++, { command: Command.Watch, flags: CommandFlag.Udev, reference });
    }
    for (const datagram of datagrams) {
      putDatagram(core, 0, datagram);
      const fault = core.handleDatagram(now++, 0);
      if (fault !== Fault.Ok) told.push(Fault[fault] ?? "");
      for (let event = core.pollEvent(); event; event = core.pollEvent()) {
        if (event.event === Event.Uevent) told.push(`${event.operation} ${event.seqnum}`);
      }
    }
  });
  assert.equal(told, [
    "64 1",
    "64 2",
    "64 2",
    "65 3",
    "64 3",
    "64 4",
    "64 5",
    "Forged",
    "Malformed",
  ]);
  assert.equal(leaksOf(path, ["canary", "00000ca7a1e5", "by-label"]), []);
  await expectReplays(path);
  const text = readFileSync(path, "utf8");
  const shown = [...text.matchAll(/"in":"datagram".*?"data":"([^"]*)"/g)].map(([, data = ""]) =>
    Buffer.from(data, "base64").toString("latin1"),
  );
  const [, partition = "", udev = "", md = ""] = shown;
  for (const one of [partition, udev]) {
    for (const kept of ["/block/loop7/loop7p1", "DISKSEQ=9", "PARTN=1", "ID_FS_TYPE=ext4"]) {
      assert.ok(one.includes(kept), kept);
    }
  }
  assert.ok(udev.includes("DEVNAME=/dev/loop7p1\0"));
  // Equal names stay equal, and a name that somebody gave is the same wherever it stands.
  const readValue = (key: string) => new RegExp(`\0${key}=([^\0]*)`).exec(partition)?.[1];
  assert.is(readValue("PARTNAME"), readValue("ID_PART_ENTRY_NAME"));
  assert.is.not(readValue("PARTNAME"), readValue("ID_FS_LABEL"));
  const drawn = /\/block\/([a-z]{9})\/\1(1)\0/.exec(md)?.[1] ?? "";
  assert.ok(drawn !== "" && md.includes(`DEVNAME=${drawn}1\0`), md);
  assert.ok(text.includes(`"reference":"${Buffer.from(drawn).toString("base64")}"`));
});

/* The same way. */

test("every table of the vectors, at many lengths, is judged alike", async () => {
  const tables = readVectorFiles().flatMap(({ vectors }) =>
    vectors.filter(({ kind }) => kind === "sparse"),
  );
  let probes = 0;
  const core = loadDefaultCore({ operations: 1 });
  const path = await recordCore("tables.ndjson", core, () => {
    const lockstep = new Lockstep([core]);
    for (const vector of tables) {
      const image = imageOfVector(vector);
      assert.equal(logOf(probe(lockstep, image, vector.meta)), vector.log, vector.place);
      for (const length of [511, 512, 1024, 16384, 17408, image.size - 1, image.size + 4096]) {
        if (length < 0) continue;
        probe(lockstep, image.resized(length), vector.meta);
        probes += 1;
      }
    }
  });
  assert.ok(probes > 500, `${probes} probes`);
  const { divergence, isCut, why } = await replay(linesOf(path), loadDefaultCore);
  assert.equal([divergence, isCut, why], [undefined, false, undefined]);
});

for (const copies of [["primary"], ["backup"], ["primary", "backup"]] as const) {
  test(`a bad checksum stays bad: ${copies.join(", ")}`, async () => {
    const path = join(directory, `bad-${copies.join("-")}.ndjson`);
    await withGptFile(async (image) => {
      for (const copy of copies) damageGpt(image, copy);
      const session = simulate({ version: "6.12.90" });
      const trace = await session.trace(path, { redact: true });
      const warnings: string[] = [];
      const onWarning = ({ code }: { code: string }) => void warnings.push(code);
      const attached = await session.attach(image, { onWarning }).catch((error) => error.code);
      if (copies.length === 2) assert.is(attached, "ERR_LOOP_TABLE");
      else assert.ok(warnings.includes("gpt-copy-damaged"), warnings.join());
      await session.close();
      assert.is(await trace.close(), undefined);
    });
    await expectReplays(path);
  });
}

test("uevents that nobody would send are judged alike", async () => {
  const seed = 20_260;
  const core = loadDefaultCore({ operations: 1, partitions: 4, watches: 16 });
  const faults = new Map<Fault, number>();
  const path = await recordCore("mutated.ndjson", core, () => {
    const reference = Buffer.alloc(0);
    core.handleCommand(1n, { command: Command.Watch, flags: CommandFlag.Udev, reference });
    const mutator = new Mutator(new Draws(seed), readCorpus());
    for (let run = 0; run < 20_000; run++) {
      const { datagram } = mutator.next();
      // No socket is of another group.
      if (Group[datagram.group] === undefined) continue;
      putDatagram(core, 0, datagram);
      // Some come twice.
      for (let times = run % 20 === 0 ? 2 : 1; times > 0; times--) {
        const fault = core.handleDatagram(BigInt(run + 2), 0);
        faults.set(fault, (faults.get(fault) ?? 0) + 1);
        while (core.pollEvent()) {}
      }
    }
  });
  assert.ok((faults.get(Fault.Ok) ?? 0) > 1000);
  for (const fault of [Fault.Malformed, Fault.Forged, Fault.Duplicate]) {
    assert.ok(faults.has(fault), Fault[fault]);
  }
  const { divergence, isCut, why } = await replay(linesOf(path), loadDefaultCore);
  assert.equal([divergence, isCut, why], [undefined, false, undefined]);
});

test("four bytes give a checksum any value", () => {
  const random = new Draws(1);
  for (let round = 0; round < 200; round++) {
    const bytes = Buffer.from(Array.from({ length: 4 + round }, () => random.below(256)));
    const [before, wanted] = [random.below(2 ** 31) * 2, random.below(2 ** 31) * 2 + 1];
    patchCrc(bytes, random.below(bytes.length - 3), before, wanted);
    assert.is(crc32(bytes, before), wanted);
  }
});

/* Where it ends. */

async function expectCut(path: string, why: RegExp): Promise<void> {
  assert.match(readFileSync(path, "utf8"), /\{"end":"cut",[^\n]*\n$/);
  const { status, stderr } = await command(["replay", path]);
  assert.is(status, 1, stderr);
  assert.match(stderr, why);
}

test("a shadow that goes another way ends the trace, and nothing else", async () => {
  const path = join(directory, "apart.ndjson");
  const core = loadDefaultCore({});
  const load: typeof loadDefaultCore = (own) => loadDefaultCore({ ...own, watches: 1 });
  const trace: Trace = record(path, core, { ...about, load }, { redact: true });
  const session = new Session(
    simulate({ version: "6.12.90", images: { "/d": mbrImage(twoSlots) } }).kernel.spawn(),
    { core },
  );
  const monitors = [await session.monitor(), await session.monitor()];
  const disk = await session.attach("/d");
  assert.is(disk.partitions.length, 2);
  await disk.detach();
  for (const monitor of monitors) monitor.close();
  await session.close();
  assert.match((await trace.close())?.message ?? "", "another way: answer");
  await expectCut(path, /cut short after record \d+: without the names .*another way: answer/);
});

test("disks whose names are too short to be told apart end it too", async () => {
  const core = loadDefaultCore({ watches: 64 });
  const names = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ+"];
  const why = /too short to be replaced/;
  const watchAll = () => {
    for (const [index, name] of names.entries()) {
      const reference = Buffer.from(name);
      assert.is(core.handleCommand(1n, { command: Command.Watch, reference }), 64 + index);
    }
  };
  await expectCut(await recordCore("short.ndjson", core, watchAll, why), why);
});

test("what the core panicked at is the last here as well", async () => {
  const core = loadDefaultCore({ operations: 1 });
  const path = await recordCore("panic.ndjson", core, () => {
    core.handleTimeout(2_000n);
    assert.throws(() => core.handleTimeout(1_000n), /panicked/);
  });
  const { status, stderr } = await command(["replay", path]);
  assert.is(status, 70);
  assert.match(stderr, "timers.ts");
});

test("a core of one's own is not redacted; the command needs a trace", async () => {
  const { kernel } = simulate({ version: "6.12.90" });
  const session = new Session(kernel.spawn(), { core: loadDefaultCore({}) });
  const refused = await session
    .trace(join(directory, "own.ndjson"), { redact: true })
    .catch((error) => error.code);
  assert.is(refused, "ERR_LOOP_ARGUMENT");
  const sim = ["list", "--kernel", "sim:6.1.192", "--redact"];
  const alone = await command(sim);
  assert.is(alone.status, 2);
  assert.match(alone.stderr, "--redact is that of a trace");
  const path = join(directory, "command.ndjson");
  assert.is((await command([...sim, "--trace", path])).status, 0);
  await expectReplays(path);
});

test.run();
