/**
 * The command on simulated kernels, as a user without any rights: results, exit codes, refusals,
 * the demonstration that falls back to a simulation, and the comparison with traces.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { linuxFilesystem, mebibyte, writeImage } from "../../host/cli/image.ts";
import { missing } from "../helpers/needs.ts";
import { command, type Outcome, startCommand } from "../helpers/process.ts";
import { packageRoot } from "../helpers/root.ts";
import { eras, numbered } from "../helpers/simulations.ts";
import { skip } from "../helpers/skip.ts";

/** Where a user without rights can read it. */
const directory = mkdtempSync(join(tmpdir(), "diskseq-test-"));
const image = join(directory, "disk.img");
const trace = join(packageRoot, "test/traces/linux-6.1.ndjson.gz");
const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
const isRoot = process.getuid?.() === 0;
const cannot = isRoot ? await missing(["setpriv"]) : undefined;

test.before(() => {
  chmodSync(directory, 0o755);
  writeImage(image, 8 * mebibyte, [
    { name: "root", type: linuxFilesystem, start: mebibyte, size: mebibyte },
  ]);
  chmodSync(image, 0o644);
});

test.after(() => rmSync(directory, { recursive: true }));

/** As a user who may do nothing; temporary files lie in /tmp. */
function run(...args: readonly string[]): Promise<Outcome> {
  return command(args, isRoot && cannot === undefined ? { wrapper: nobody } : {});
}

for (const version of eras) {
  test(`${version}: attach prints the device and its partitions`, async () => {
    const { status, stdout, stderr } = await run("attach", image, "--kernel", `sim:${version}`);
    assert.is(status, 0, stderr);
    assert.match(stdout, /^\/dev\/loop0\n {2}1 {2}\/dev\/loop0p1 {2}1 MiB {2}1 MiB .* root\n$/);
    assert.match(stderr, `diskseq: simulated Linux ${version}: no device of this machine is meant`);
  });

  test(`${version}: demo tells its story`, async () => {
    const { status, stdout, stderr } = await run("demo", `--kernel=sim:${version}`, "--json");
    assert.is(status, 0, stderr);
    const { device, detached, story } = JSON.parse(stdout);
    assert.is(story.version, version);
    assert.is(detached.result, "gone");
    assert.is(device.identity, numbered.includes(version) ? "diskseq" : "best-effort");
    const text = await run("demo", `--kernel=sim:${version}`);
    assert.match(text.stdout, `kernel  ${story.regime}: `);
    assert.match(text.stdout, /split +at none of \d+/);
    assert.ok(text.stdout.split("\n").every((line) => line.length <= 100));
  });
}

test("demo simulates by itself where the real kernel cannot be used, and says so", async () => {
  if (cannot !== undefined) {
    skip(`demo by itself: ${cannot}`);
    return;
  }
  const { status, stdout, stderr } = await run("demo");
  assert.is(status, 0, stderr);
  assert.match(stderr, /^diskseq: demo: .*\n(?:.*\n)*diskseq: simulated Linux 6\.12\.90: /);
  assert.match(stdout, /plugged, dead, plugged/);
});

test("demo that falls back to a simulation leaves the trace of that, and it replays", async () => {
  if (cannot !== undefined) {
    skip(`demo by itself: ${cannot}`);
    return;
  }
  const open = mkdtempSync(join(tmpdir(), "diskseq-test-"));
  try {
    chmodSync(open, 0o777);
    const trace = join(open, "t.ndjson");
    const demo = await run("demo", "--trace", trace);
    assert.is(demo.status, 0, demo.stderr);
    const replayed = await run("replay", trace);
    assert.is(replayed.status, 0, replayed.stderr);
    const { stdout } = await run("explain", trace, "--json");
    const { facts, isCut, disks } = JSON.parse(stdout);
    assert.equal([facts.kernel, isCut], ["simulated linux 6.12.90", false]);
    assert.is(
      disks[0].instances.at(-1).detachedBy ?? disks[0].instances.at(-2).detachedBy,
      "diskseq",
    );
  } finally {
    rmSync(open, { recursive: true });
  }
});

test("every command that touches devices takes a simulated kernel", async () => {
  const kernel = "--kernel=sim:7.2.13";
  const cases: readonly (readonly [args: readonly string[], status: number])[] = [
    [["list"], 0],
    [["gc"], 0],
    [["detach", image], 1],
    [["detach", "diskseq:77"], 4],
    [["rescan", "/dev/loop0"], 1],
    [["resize", image], 1],
    [["wait", "loop0", "--timeout", "0"], 6],
    [["wait", "diskseq:77"], 4],
    [["attach", join(directory, "none")], 1],
    [["attach", image, "--device", "3", "--json"], 0],
  ];
  for (const [args, status] of cases) {
    const found = await run(...args, kernel);
    assert.is(found.status, status, `${args.join(" ")}: ${found.stderr}`);
  }
});

test("monitor listens until it is stopped", async () => {
  const monitor = startCommand(["monitor", "--kernel=sim:6.1.192", "--json"]);
  await monitor.shows("listening");
  const { status, stdout } = await monitor.stop("SIGINT");
  assert.is(status, 0);
  assert.match(stdout, /^\{"type":"summary",.*"received":0\}\n$/);
});

test("run tells its command that the device is simulated", async () => {
  const script = 'printf "%s %s %s" "$DISKSEQ_KERNEL" "$DISKSEQ" "$DISKSEQ_PARTITIONS"; exit 9';
  const args = ["run", image, "--kernel", "sim:6.18.44", "--", "sh", "-c", script];
  const { status, stdout } = await run(...args);
  assert.is(status, 9);
  assert.is(stdout, "sim:6.18.44 9 /dev/loop0p1");
});

test("what is no simulated kernel is refused", async () => {
  for (const value of ["6.1.192", "sim:", "sim:6.1", "sim:99.1.2", "sim:sim:6.1.192", "real"]) {
    const { status, stdout, stderr } = await run("list", "--kernel", value);
    assert.is(status, 2, value);
    assert.is(stdout, "");
    assert.match(stderr, "e.g. ");
  }
  const { status, stderr } = await run("monitor", "--kernel", "sim:6.1.192");
  assert.is(status, 2);
  assert.match(stderr, "'--kernel=sim:6.1.192'");
});

test("sim --validate compares a trace with the model", async () => {
  const same = await run("sim", "--validate", trace, "--json");
  assert.is(same.status, 0, same.stderr);
  const found = JSON.parse(same.stdout);
  assert.equal([found.version, found.scenarios, found.difference], ["6.1.192", 48, null]);
  const other = await run("sim", "--validate", trace, "--kernel", "7.2.13");
  assert.is(other.status, 1);
  assert.match(other.stdout, /:\d+: simulated Linux 7\.2\.13 differs\n {2}in /);
});

test("sim --validate names the line of what it cannot read", async () => {
  const path = join(directory, "trace.ndjson");
  const lines = gunzipSync(readFileSync(trace)).toString().split("\n");
  const cases: readonly (readonly [text: string, message: string])[] = [
    ["", "line 1: "],
    ["[]\n", "line 1: no object"],
    [lines.slice(0, 9).join("\n"), "line 9: the recording was cut"],
    [[...lines.slice(0, 4), "{", ...lines.slice(5)].join("\n"), "line 5: no JSON"],
  ];
  for (const [text, message] of cases) {
    writeFileSync(path, text, { mode: 0o644 });
    const { status, stdout, stderr } = await run("sim", "--validate", path);
    assert.equal([status, stdout], [1, ""]);
    assert.match(stderr, `diskseq: sim: ${path}: ${message}`);
  }
  assert.is((await run("sim", "--validate", join(directory, "none"))).status, 1);
  assert.is((await run("sim")).status, 2);
});

test.run();
