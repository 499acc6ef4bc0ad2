/**
 * What a listener hears of each operation, by era: three partitions, one opener, no udev. The words
 * are those of `Bench`: `change(+1)` is a change of the disk with the number after one rise.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Routine } from "../../assembly/kernel/routines.ts";
import { Errno, LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import { Bench, Image } from "../helpers/models.ts";

const PARTSCAN = LoFlag.LO_FLAGS_PARTSCAN;
const READ_ONLY = LoFlag.LO_FLAGS_READ_ONLY;

interface Row {
  readonly version: string;
  /** the number rises by media changes */
  readonly rises: boolean;
  readonly configure: readonly string[];
  readonly configureTable: readonly string[];
  readonly changeFd: readonly string[];
}

const adds = (seq: number) => [1, 2, 3].map((part) => `add p${part}(+${seq})`);
const removes = (seq: number) => [1, 2, 3].map((part) => `remove p${part}(+${seq})`);
const others = (seq: number) => [1, 2].map((part) => `add p${part}(+${seq})`);

/** Of the numbers: 0 before, 1 attached, 2 after the next change. */
function row(version: string, rises: boolean, configure: readonly string[]): Row {
  const one = rises ? 1 : 0;
  const two = rises ? 2 : 0;
  const change = (seq: number) => `change(+${seq})`;
  switch (configure[0]) {
    case "plain": {
      const first = ["change"];
      return {
        version,
        rises,
        configure: first,
        configureTable: [...first, "change", ...bare(adds(0))],
        changeFd: bare([...removes(0), change(0), ...others(0)]),
      };
    }
    case "loud": {
      const first = ["change MEDIA(+0)", change(one)];
      return {
        version,
        rises,
        configure: first,
        configureTable: [...first, change(one), ...adds(one)],
        changeFd: [`change MEDIA(+${one})`, ...removes(two), change(two), ...others(two)],
      };
    }
    case "mute":
      return { version, rises, configure: [], configureTable: [], changeFd: removes(two) };
    case "table": {
      const table = [change(one), ...adds(one)];
      return { version, rises, configure: [], configureTable: table, changeFd: removes(two) };
    }
    default: {
      const last = [...removes(two), change(two), ...others(two), change(two)];
      const table = [change(one), change(one), ...adds(one)];
      return { version, rises, configure: [change(one)], configureTable: table, changeFd: last };
    }
  }
}

/** Before 5.15 there are no numbers. */
function bare(texts: readonly string[]): string[] {
  return texts.map((text) => text.replace(/\(.*\)/, ""));
}

const rows: readonly Row[] = [
  row("5.10.223", false, ["plain"]),
  row("5.14.21", false, ["plain"]),
  row("5.15.0", false, ["loud"]),
  row("5.15.105", false, ["loud"]),
  row("5.17.15", false, ["loud"]),
  row("5.19.17", false, ["mute"]),
  row("6.1.22", false, ["mute"]),
  row("6.2.16", false, ["mute"]),
  row("5.15.110", false, ["table"]),
  row("5.15.150", true, ["table"]),
  row("6.1.38", false, ["table"]),
  row("6.1.134", true, ["table"]),
  row("6.6.87", true, ["table"]),
  row("6.12.10", true, ["table"]),
  row("5.15.215", true, ["one"]),
  row("6.1.192", true, ["one"]),
  row("6.6.150", true, ["one"]),
  row("6.12.90", true, ["one"]),
  row("6.18.44", true, ["one"]),
  row("7.2.13", true, ["one"]),
];

for (const { version, rises, configure, configureTable, changeFd } of rows) {
  const one = rises ? 1 : 0;
  const hasDiskseq = version >= "5.15" || version.startsWith("6") || version.startsWith("7");
  const numbered = (texts: readonly string[]) => (hasDiskseq ? [...texts] : bare(texts));

  test(`${version}: LOOP_CONFIGURE`, async () => {
    const bench = await Bench.open(version);
    attach(bench, Image.Gpt, 0);
    assert.equal(bench.heard(), configure);
    assert.equal(bench.partitions, []);
  });

  test(`${version}: LOOP_CONFIGURE with PARTSCAN, with and without a table`, async () => {
    const bench = await Bench.open(version);
    attach(bench, Image.Gpt, PARTSCAN);
    assert.equal(bench.heard(), configureTable);
    assert.equal(bench.partitions, [1, 2, 3]);
    const none = await Bench.open(version);
    attach(none, Image.None, PARTSCAN);
    assert.equal(none.heard(), configure);
  });

  test(`${version}: LOOP_SET_STATUS64 that adds PARTSCAN`, async () => {
    const bench = await Bench.open(version);
    const device = attach(bench, Image.Gpt, 0);
    bench.heard();
    assert.is(bench.call(Routine.SetStatus, { a: device, c: PARTSCAN }), 0);
    assert.equal(bench.heard(), numbered([`change(+${one})`, ...adds(one)]));
    const none = await Bench.open(version);
    const empty = attach(none, Image.None, 0);
    none.heard();
    assert.is(none.call(Routine.SetStatus, { a: empty, c: PARTSCAN }), 0);
    assert.equal(none.heard(), []);
  });

  test(`${version}: detach`, async () => {
    const two = rises ? 2 : 0;
    const last = hasDiskseq ? [`change(+${one})`, `change MEDIA(+${one})`] : ["change"];
    const bench = await Bench.open(version);
    const device = attach(bench, Image.Gpt, PARTSCAN);
    bench.heard();
    assert.is(bench.call(Routine.ClearFd, { a: device }), 0);
    bench.close(device);
    assert.equal(bench.heard(), [...last, ...numbered(removes(two))]);
    assert.equal(bench.partitions, []);
    const none = await Bench.open(version);
    const empty = attach(none, Image.None, 0);
    none.heard();
    none.call(Routine.ClearFd, { a: empty });
    none.close(empty);
    assert.equal(none.heard(), last);
  });

  test(`${version}: LOOP_CHANGE_FD with PARTSCAN`, async () => {
    const bench = await Bench.open(version);
    const device = attach(bench, Image.Gpt, PARTSCAN | READ_ONLY, OpenFlag.O_RDONLY);
    bench.heard();
    const other = bench.image(Image.Other, OpenFlag.O_RDONLY);
    assert.is(bench.call(Routine.ChangeFd, { a: device, b: other }), 0);
    assert.equal(bench.heard(), changeFd);
    assert.equal(bench.partitions, [1, 2]);
  });

  test(`${version}: a device comes and goes`, async () => {
    const bench = await Bench.open(version);
    const control = bench.model.openControl(0, OpenFlag.O_RDWR);
    assert.is(bench.call(Routine.ControlAdd, { a: control, b: 7 }), 7);
    assert.equal(bench.heard(), numbered(["add bdi", "add(+1)"]));
    assert.is(bench.call(Routine.ControlAdd, { a: control, b: 7 }), -Errno.EEXIST);
    assert.is(bench.call(Routine.ControlGetFree, { a: control }), 0);
    assert.is(bench.call(Routine.ControlRemove, { a: control, b: 7 }), hasDiskseq ? 0 : 7);
    assert.equal(bench.heard(), numbered(["remove bdi", "remove(+1)"]));
    assert.is(bench.call(Routine.ControlRemove, { a: control, b: 7 }), -Errno.ENODEV);
  });
}

test("a read-only device is told of in the loud era only", async () => {
  const loud = await Bench.open("5.15.0");
  attach(loud, Image.None, 0, OpenFlag.O_RDONLY);
  assert.equal(loud.heard(), ["change MEDIA(+0)", "change RO=1(+0)", "change(+0)"]);
  for (const version of ["5.10.223", "6.1.192"]) {
    const quiet = await Bench.open(version);
    attach(quiet, Image.None, 0, OpenFlag.O_RDONLY);
    assert.not.ok(
      quiet.heard().some((text) => text.includes("RO")),
      version,
    );
  }
});

test("a bad block size that is found late leaves the device mute", async () => {
  const bench = await Bench.open("6.18.44");
  const image = bench.image(Image.None);
  const device = bench.open();
  const refused = bench.call(Routine.Configure, { a: device, b: image, d: 513 });
  assert.equal([refused, bench.heard()], [-Errno.EINVAL, []]);
  assert.is(bench.model.disk(0)?.diskseq, 2n);
  bench.model.trigger(0, 0, 3);
  assert.equal(bench.heard(), []);
  assert.is(bench.call(Routine.ChangeFd, { a: device, b: image }), -Errno.ENXIO);
  assert.equal(bench.heard(), ["change(+1)"]);
  bench.model.trigger(0, 0, 3);
  assert.equal(bench.heard(), ["change SYNTH=0(+1)"]);
});

/** Attaches an image: the device's descriptor. */
function attach(
  bench: Bench,
  image: Image,
  flags: number,
  access: number = OpenFlag.O_RDWR,
): number {
  const backing = bench.image(image, access);
  const device = bench.open(access);
  assert.is(bench.call(Routine.Configure, { a: device, b: backing, c: flags }), 0);
  return device;
}

test.run();
