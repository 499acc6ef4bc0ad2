/** `rescan`, `resize` and `gc` against an API of the test's own. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Api } from "../../host/cli/table.ts";
import { LoopError } from "../../host/errors.ts";
import type { ChangeOptions, Garbage, GarbageOptions } from "../../host/stream-types.ts";
import { runCommand } from "../helpers/command.ts";

const partition = { number: 3, device: "/dev/loop0p3", devnum: "259:3", start: 512, size: 512 };
const none = { added: [], removed: [], resized: [], partitions: [] };
const sizes: Readonly<Record<string, readonly [before: number, size: number]>> = {
  grown: [64 << 20, 128 << 20],
  same: [64 << 20, 64 << 20],
  little: [(8 << 20) - 1024, (8 << 20) - 512],
};

test("rescan says in words what became of the partitions", async () => {
  const { code, stdout, stderr } = await run("rescan all some nothing odd\u001b", {});
  assert.equal([code, stderr], [0, ""]);
  assert.equal(stdout.split("\n"), [
    "all: added 3; removed 1, 4; resized 2",
    "some: removed 1",
    "nothing: nothing to change",
    "odd\\x1b: nothing to change",
    "",
  ]);
});

test("resize says both sizes, to the byte where they look the same", async () => {
  const { code, stdout } = await run("resize grown same little", {});
  assert.is(code, 0);
  assert.equal(stdout.split("\n"), [
    "grown: 64 MiB -> 128 MiB",
    "same: already 64 MiB",
    "little: 8387584 B -> 8388096 B",
    "",
  ]);
});

test("rescan and resize have a JSON record for each target", async () => {
  const { stdout } = await run("rescan all stale --json", {});
  assert.is(
    stdout.replace(/"error":.*\n/, '"error":...'),
    '{"rescanned":[{"target":"all","device":"all","diskseq":42,"added":[3],"removed":[1,4],' +
      '"resized":[2],"partitions":[{"number":3,"device":"/dev/loop0p3","devnum":"259:3",' +
      '"start":512,"size":512}]},{"target":"stale","error":...',
  );
  assert.is(
    (await run("resize grown --json", {})).stdout,
    '{"resized":[{"target":"grown","device":"grown","diskseq":42,"before":67108864,' +
      '"size":134217728}]}\n',
  );
});

for (const name of ["rescan", "resize"]) {
  test(`${name} tries every target; the first failure gives the exit code`, async () => {
    const { code, stdout, stderr, calls } = await run(`${name} stale same late --timeout 2s`, {});
    assert.is(code, 4);
    assert.match(stdout, /^same: [^\n]*\n$/);
    assert.is(stderr, `diskseq: ${name}: over\ndiskseq: ${name}: late\n`);
    assert.equal(calls, [`${name} stale 2000`, `${name} same 2000`, `${name} late 2000`]);
    assert.equal((await run(`${name} same`, {})).calls, [`${name} same undefined`]);
  });
}

test("gc shows what it found and changes nothing without --yes", async () => {
  const { code, stdout, stderr, calls } = await run("gc", { garbage });
  assert.equal([code, calls], [0, ["collect false"]]);
  assert.equal(stdout.split("\n"), [
    "/dev/loop3      -  found   partitions 1, 2 left over",
    "/dev/loop12  4711  found   image deleted: /tmp/x\\x1b.img (attached as diskseq:x)",
    "/dev/loop5     43  in use  image deleted",
    "  loop5p1 is mounted on /mnt\\n",
    "  loop5 is open in process 7 (cat)",
    "/dev/loop6      -  in use  partition 1 left over",
    "",
  ]);
  assert.is(stderr, "diskseq: gc: nothing was changed; --yes removes them\n");
});

test("gc --yes removes and says what was removed, kept and failed", async () => {
  const error = new LoopError("ERR_LOOP_SYSTEM", "loop12: EIO");
  const applied: Garbage[] = [
    { ...leftover, result: "removed" },
    { ...deleted, result: "failed", error },
    { ...used, result: "kept" },
  ];
  const { code, stdout, stderr, calls } = await run("gc -y", { garbage: applied });
  assert.equal([code, calls], [1, ["collect true"]]);
  assert.equal(stdout.split("\n").slice(0, 3), [
    "/dev/loop3      -  removed  partitions 1, 2 left over",
    "/dev/loop12  4711  failed   image deleted: /tmp/x\\x1b.img (attached as diskseq:x)",
    "/dev/loop5     43  in use   image deleted",
  ]);
  assert.is(stderr, "diskseq: gc: loop12: EIO\n");
  const well = await run("gc --yes", { garbage: applied.slice(0, 1) });
  assert.equal([well.code, well.stderr], [0, ""]);
});

test("gc --json is one object and says whether it acted", async () => {
  const { code, stdout, stderr } = await run("gc --json", { garbage: [leftover, used] });
  assert.equal([code, stderr], [0, ""]);
  assert.is(
    stdout,
    '{"garbage":[{"kind":"partitions","device":"/dev/loop3","diskseq":null,' +
      '"partitions":[1,2],"image":null,"reference":null,"holders":[],"result":"found",' +
      '"error":null},{"kind":"device","device":"/dev/loop5","diskseq":43,"partitions":[],' +
      '"image":null,"reference":null,"holders":[{"kind":"mount","path":"/mnt\\n",' +
      '"device":"loop5p1"},{"kind":"descriptor","pid":7,"command":"cat","device":"loop5"}],' +
      '"result":"found","error":null}],"applied":false}\n',
  );
  const failed: Garbage = { ...deleted, result: "failed", error: new Error("no") };
  const json = await run("gc --json --yes", { garbage: [failed] });
  const { garbage: records, applied } = JSON.parse(json.stdout) as Record<string, never>;
  assert.equal([json.code, applied, json.stderr], [1, true, "diskseq: gc: no\n"]);
  assert.is((records as { error: { message: string } }[])[0]?.error.message, "no");
});

test("gc that finds nothing says so to people", async () => {
  for (const line of ["gc", "gc --yes"]) {
    const { code, stdout, stderr } = await run(line, { garbage: [] });
    assert.equal([code, stdout, stderr], [0, "", "diskseq: gc: nothing found\n"]);
  }
  const { stdout, stderr } = await run("gc --json", { garbage: [] });
  assert.equal([stdout, stderr], ['{"garbage":[],"applied":false}\n', ""]);
});

test("gc gives no hint where --yes would change nothing", async () => {
  assert.is((await run("gc", { garbage: [used] })).stderr, "");
});

test("gc without rights exits as the error says", async () => {
  const collectGarbage = async () => {
    throw new LoopError("ERR_LOOP_ENVIRONMENT", "run as root");
  };
  const { code, stdout, stderr } = await runCommand("gc", { collectGarbage });
  assert.equal([code, stdout, stderr], [3, "", "diskseq: gc: run as root\n"]);
});

const found = { partitions: [], image: null, reference: null, holders: [], error: null };
const leftover: Garbage = {
  ...found,
  kind: "partitions",
  device: "/dev/loop3",
  diskseq: null,
  partitions: [1, 2],
  result: "found",
};
const deleted: Garbage = {
  ...found,
  kind: "device",
  device: "/dev/loop12",
  diskseq: 4711n,
  image: "/tmp/x\u001b.img",
  reference: "diskseq:x",
  result: "found",
};
const used: Garbage = {
  ...found,
  kind: "device",
  device: "/dev/loop5",
  diskseq: 43n,
  holders: [
    { kind: "mount", path: "/mnt\n", device: "loop5p1" },
    { kind: "descriptor", pid: 7, command: "cat", device: "loop5" },
  ],
  result: "found",
};
const kept: Garbage = { ...leftover, device: "/dev/loop6", partitions: [1], result: "kept" };
const garbage = [leftover, deleted, used, kept];

/** Targets are called by what becomes of them. */
async function run(line: string, given: { readonly garbage?: readonly Garbage[] }) {
  const calls: string[] = [];
  const begin = (name: string, target: string, { timeoutMs, signal }: ChangeOptions) => {
    assert.ok(signal instanceof AbortSignal);
    calls.push(`${name} ${target} ${timeoutMs}`);
    if (target === "stale") {
      throw new LoopError("ERR_LOOP_STALE", "over");
    }
    if (target === "late") {
      throw new LoopError("ERR_LOOP_TIMEOUT", "late");
    }
    return { device: target, diskseq: 42n };
  };
  const api: Partial<Api> = {
    rescan: async (target, options = {}) => ({
      ...begin("rescan", target, options),
      ...none,
      ...(target === "some" ? { removed: [1] } : {}),
      ...(target === "all"
        ? { added: [3], removed: [1, 4], resized: [2], partitions: [partition] }
        : {}),
    }),
    resize: async (target, options = {}) => {
      const [before, size] = sizes[target] ?? [0, 0];
      return { ...begin("resize", target, options), before, size };
    },
    collectGarbage: async ({ apply, signal }: GarbageOptions = {}) => {
      assert.ok(signal instanceof AbortSignal);
      calls.push(`collect ${apply}`);
      return [...(given.garbage ?? [])];
    },
  };
  return { ...(await runCommand(line, api)), calls };
}

test.run();
