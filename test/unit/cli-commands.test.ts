/** Commands against an API of the test's own: what they ask, print and exit with. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Api } from "../../host/cli/table.ts";
import { LoopError } from "../../host/errors.ts";
import type {
  Attachment,
  AttachOptions,
  DetachOptions,
  LoopDevice,
  LoopDeviceJson,
} from "../../host/types.ts";
import { noApi, runCommand } from "../helpers/command.ts";

test("attach prints the device first, then its partitions, and lets go", async () => {
  const { code, stdout, stderr, calls } = await run("attach x.img -r --offset 1M", {});
  assert.is(code, 0);
  assert.equal(stdout.split("\n"), [
    "/dev/loop7",
    "   1  /dev/loop7p1   1 MiB     1 MiB  EFI system  boot",
    "  10  /dev/loop7p10  2 MiB  ~3.9 MiB  Linux       a\\x1bb",
    "",
  ]);
  assert.is(stderr, "diskseq: warning: be\\nware\n");
  assert.equal(calls, ["attach x.img", "release"]);
});

test("attach --json prints exactly one object, its fields in order", async () => {
  const { code, stdout } = await run("attach x.img --json", {});
  assert.is(code, 0);
  assert.is(stdout.split("\n").length, 2);
  const keys = Object.keys(JSON.parse(stdout) as LoopDeviceJson).join(" ");
  assert.is(
    keys,
    "device devnum diskseq backing offset sizeLimit sectorSize readOnly directIO persistent " +
      "partscan partitions identity",
  );
  assert.is((JSON.parse(stdout) as LoopDeviceJson).diskseq, 42);
});

test("a failed attach is one line on stderr, and the error object with --json", async () => {
  const attach = async () => {
    throw new LoopError("ERR_LOOP_ENVIRONMENT", "no loop-control", { errno: -2, syscall: "open" });
  };
  const plain = await run("attach x.img", { attach });
  assert.equal([plain.code, plain.stdout], [3, ""]);
  assert.is(plain.stderr, "diskseq: attach: no loop-control\n");
  const json = await run("attach x.img --json", { attach });
  assert.is(json.code, 3);
  assert.is(json.stderr, plain.stderr);
  const { error } = JSON.parse(json.stdout) as { error: Record<string, unknown> };
  assert.equal([error.code, error.errno, error.syscall], ["ERR_LOOP_ENVIRONMENT", -2, "open"]);
});

test("an error that is none of ours exits 1", async () => {
  const attach = async () => {
    throw new TypeError("surprise");
  };
  const { code, stderr } = await run("attach x.img", { attach });
  assert.is(code, 1);
  assert.is(stderr, "diskseq: attach: surprise\n");
});

test("detach tries every target; the first failure gives the exit code", async () => {
  const { code, stdout, stderr, calls } = await run("detach a stale busy b --timeout 1s", {});
  assert.is(code, 4);
  assert.is(stdout, "a detached\nb detached\n");
  assert.match(stderr, /^diskseq: detach: over\ndiskseq: detach: held\n {2}loop7 is/);
  assert.equal(calls, ["detach a 1000", "detach stale 1000", "detach busy 1000", "detach b 1000"]);
});

test("detach --json tells every target's result", async () => {
  const { code, stdout } = await run("detach a busy --json", {});
  assert.is(code, 5);
  const { detached } = JSON.parse(stdout) as { detached: Record<string, unknown>[] };
  assert.equal(detached[0], { target: "a", device: "a", diskseq: 1, result: "gone", holders: [] });
  assert.equal(Object.keys(detached[1] ?? {}), ["target", "error"]);
});

test("detach --lazy says that the device is only deferred", async () => {
  const { code, stdout } = await run("detach a --lazy", {});
  assert.is(code, 0);
  assert.match(stdout, /^a deferred/);
});

test("list shows a line for each device and its partitions below", async () => {
  const { code, stdout } = await run("list", {});
  assert.is(code, 0);
  const lines = stdout.split("\n");
  assert.match(lines[0] ?? "", /^DEVICE +DISKSEQ +BACKING +OFFSET +SIZELIMIT +SECTOR +FLAGS$/);
  assert.match(lines[1] ?? "", /^\/dev\/loop7 +42 +\/tmp\/x\.img +0 +0 +512 +auto,partscan=user$/);
  assert.match(lines[2] ?? "", /^ {3}1 {2}\/dev\/loop7p1 /);
});

test("an empty list is empty, with titles for people only", async () => {
  const list = async () => [];
  assert.is((await run("list", { list })).stdout, "");
  assert.match((await run("list", { list }, true)).stdout, /^DEVICE .*FLAGS\n$/);
  assert.equal(JSON.parse((await run("list --json", { list })).stdout), { loops: [] });
});

test("run attaches for itself, gives CMD's exit code and detaches", async () => {
  const { code, stderr, calls } = await run("run x.img --json -- sh -c exit\u00a09", {});
  assert.is(code, 9);
  assert.equal(calls, ["attach x.img", "detach"]);
  assert.is((JSON.parse(stderr.split("\n")[1] ?? "") as LoopDeviceJson).device, "/dev/loop7");
});

test("run gives CMD device, number and partitions in its environment", async () => {
  const check =
    'test "$DISKSEQ_DEVICE $DISKSEQ $DISKSEQ_PARTITIONS" = ' +
    '"/dev/loop7 42 /dev/loop7p1 /dev/loop7p10"';
  const { code } = await run(`run x.img -- sh -c ${check.replaceAll(" ", "\u00a0")}`, {});
  assert.is(code, 0);
});

test("run detaches also when CMD does not start", async () => {
  const missing = await run("run x.img -- no-such-program", {});
  assert.is(missing.code, 127);
  assert.match(missing.stderr, /no-such-program: command not found/);
  assert.equal(missing.calls, ["attach x.img", "detach"]);
  assert.is((await run("run x.img -- /", {})).code, 126);
});

test("a failed detach after CMD counts only where CMD succeeded, and lets go", async () => {
  const detach = async () => {
    throw new LoopError("ERR_LOOP_BUSY", "held");
  };
  const well = await run("run x.img -- true", {}, false, detach);
  assert.is(well.code, 5);
  assert.match(well.stderr, /diskseq: run: detach: held/);
  assert.equal(well.calls, ["attach x.img", "release"]);
  assert.is((await run("run x.img -- sh -c exit\u00a03", {}, false, detach)).code, 3);
});

test("doctor exits 0 where an attach works, and tells what was found", async () => {
  const { code, stdout, calls } = await run("doctor --json", {});
  assert.is(code, 0);
  const { attachPossible, checks } = JSON.parse(stdout) as {
    attachPossible: boolean;
    checks: { name: string; status: string }[];
  };
  assert.is(attachPossible, true);
  const names = "kernel loop-control rights nodes udevd attach diskseq partitions scan leftovers";
  assert.is(checks.map(({ name }) => name).join(" "), names);
  // The same number twice proves nothing.
  assert.is(checks.find(({ name }) => name === "diskseq")?.status, "warn");
  assert.is(calls.filter((call) => call === "detach").length, 2);
});

test("doctor tells what was measured of the scan, and what that is for", async () => {
  for (const [verdict, status, text] of [
    ["fixed", "ok", "-> Attach with --fast"],
    ["racy", "info", "vanish and appear"],
    ["unknown", "info", "could not be measured"],
  ] as const) {
    const probeScan = async () => verdict;
    const { code, stdout } = await run("doctor", { probeScan });
    assert.is(code, 0);
    assert.match(stdout, new RegExp(`^${status} +scan +${verdict}$`, "m"));
    assert.ok(stdout.replace(/\s+/g, " ").includes(text), stdout);
  }
  const probeScan = async () => {
    throw new LoopError("ERR_LOOP_ENVIRONMENT", "another system");
  };
  assert.match((await run("doctor", { probeScan })).stdout, /^info +scan +unknown$/m);
});

test("doctor exits 3 where none works, and says why", async () => {
  const attach = async () => {
    throw new LoopError("ERR_LOOP_ENVIRONMENT", "no loop-control here");
  };
  const { code, stdout } = await run("doctor", { attach });
  assert.is(code, 3);
  assert.match(stdout, /^fail {2}attach .*\n +no loop-control here$/m);
  assert.match(stdout, /No attach is possible here/);
});

test("demo shows device, partitions and steps, and fits on a page", async () => {
  const { code, stdout, calls } = await run("demo", {});
  assert.is(code, 0);
  for (const text of [
    "/dev/loop7",
    "42",
    "/dev/loop7p10",
    "step-0",
    "49 lines left out",
    "is gone",
  ]) {
    assert.ok(stdout.includes(text), text);
  }
  assert.ok(stdout.split("\n").length <= 61, stdout);
  assert.ok(stdout.split("\n").every((line) => line.length <= 100));
  assert.equal(calls.at(-1), "detach");
});

test("demo --json is one object", async () => {
  const { stdout } = await run("demo --json", {});
  const { image, device, steps, detached } = JSON.parse(stdout) as Record<string, never>;
  assert.is((image as { size: number }).size, 8 << 20);
  assert.is((device as LoopDeviceJson).diskseq, 42);
  assert.is((steps as unknown[]).length, 80);
  assert.equal(detached, { device: "/dev/loop7", diskseq: 42, result: "gone" });
});

test("help and completion need no API", async () => {
  for (const line of [
    "help",
    "help run",
    "help --json",
    "completion bash",
    "attach --help",
    "-V",
  ]) {
    assert.is((await run(line, "none")).code, 0, line);
  }
  assert.is((await run("help atach", "none")).code, 2);
});

async function run(
  line: string,
  changes: Partial<Api> | "none",
  isTerminal = false,
  detachHandle?: () => Promise<never>,
) {
  const calls: string[] = [];
  const api = changes === "none" ? changes : { ...fakeApi(calls, detachHandle), ...changes };
  return { ...(await runCommand(line, api, { isTerminal })), calls };
}

const mebibyte = 1 << 20;
const made = { devnum: "259:1", uuid: null, by: "user" } as const;
const boot = { number: 1, device: "/dev/loop7p1", start: mebibyte, size: mebibyte, name: "boot" };
const root = { number: 10, device: "/dev/loop7p10", start: 2 * mebibyte, name: "a\u001bb" };

const device: LoopDevice = {
  device: "/dev/loop7",
  devnum: "7:7",
  diskseq: 42n,
  backing: { path: "/tmp/x.img", dev: "254:0", ino: 9 },
  offset: 0,
  sizeLimit: 0,
  sectorSize: 512,
  readOnly: false,
  directIO: false,
  persistent: false,
  partscan: "user",
  partitions: [
    { ...made, ...boot, type: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" },
    { ...made, ...root, type: "83", size: 4 * mebibyte - 512 },
  ],
  identity: "diskseq",
};

function fakeApi(calls: string[], detachHandle?: () => Promise<never>): Api {
  const gone = { result: "gone", device: device.device, diskseq: 42n } as const;
  const toJson = (one: LoopDevice): LoopDeviceJson => ({ ...one, diskseq: Number(one.diskseq) });
  return {
    ...noApi,
    toJson,
    probeScan: async () => "racy",
    list: async () => [device],
    attach: async (image, options: AttachOptions = {}) => {
      const isTemporary = String(image).startsWith("/");
      calls.push(`attach ${isTemporary ? "temporary" : image}`);
      options.onWarning?.({ code: "test", message: "be\nware" });
      for (let step = 0; step < 80; step++) {
        const name = `step-${step}`;
        options.onStep?.({ step: name, syscall: "X", result: 0, startMs: step, durationMs: 1 });
      }
      const detach = async () => {
        calls.push("detach");
        return gone;
      };
      const release = async () => void calls.push("release");
      const methods = { detach: detachHandle ?? detach, release, toJSON: () => toJson(device) };
      return { ...device, ...methods } as unknown as Attachment;
    },
    detach: async (target, options: DetachOptions = {}) => {
      calls.push(`detach ${target} ${options.timeoutMs}`);
      if (target === "stale") {
        throw new LoopError("ERR_LOOP_STALE", "over");
      }
      if (target === "busy") {
        const holders = [{ kind: "mount", path: "/mnt", device: "loop7" }] as const;
        throw new LoopError("ERR_LOOP_BUSY", "held", { holders });
      }
      const result = options.lazy === true ? "deferred" : "gone";
      return { result, device: target, diskseq: 1n, holders: [] };
    },
  };
}

test.run();
