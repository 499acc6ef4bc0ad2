/**
 * `diskseq run IMAGE -- CMD`: the device is in the environment, the exit code is the command's, and
 * the device is gone however it ends.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boundBelow, until } from "../helpers/devices.ts";
import { gptImage } from "../helpers/images.ts";
import { command, startCommand } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";

const needs = ["root", "sfdisk"] as const;

behaviour("the environment names device, diskseq and partitions", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const script =
    'echo "$DISKSEQ_DEVICE|$DISKSEQ|$DISKSEQ_PARTITIONS"; ' +
    "cat /sys/block/$(basename $DISKSEQ_DEVICE)/diskseq";
  const { status, stdout, stderr } = await command(["run", image, "--", "sh", "-c", script]);
  assert.is(status, 0, stderr);
  const [line = "", diskseq] = stdout.trim().split("\n");
  const [device, said, partitions] = line.split("|");
  assert.match(device ?? "", /^\/dev\/loop\d+$/);
  assert.is(said, diskseq);
  assert.is(partitions, [1, 2, 3].map((number) => `${device}p${number}`).join(" "));
});

behaviour("the partitions can be used, and are gone afterwards", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const script = 'set -- $DISKSEQ_PARTITIONS; test -b "$1" && blockdev --getsize64 "$2"';
  const { status, stdout, stderr } = await command(["run", image, "--", "sh", "-c", script]);
  assert.is(status, 0, stderr);
  assert.is(stdout.trim(), String(65536 * 512));
  assert.equal(boundBelow(scene.directory), []);
});

for (const [script, code] of [
  ["exit 0", 0],
  ["exit 7", 7],
  ["exit 255", 255],
  ["kill -TERM $$", 143],
  ["kill -KILL $$", 137],
] as const) {
  behaviour(`'${script}' makes run exit ${code}`, needs, async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const { status } = await command(["run", image, "--", "sh", "-c", script]);
    assert.is(status, code);
    assert.equal(boundBelow(scene.directory), []);
  });
}

behaviour("a command that is not found exits 127", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const { status, stderr } = await command(["run", image, "--", "no-such-command-here"]);
  assert.is(status, 127);
  assert.match(stderr, /no-such-command-here/);
});

behaviour("a file that cannot be executed exits 126", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  writeFileSync(scene.path("text"), "no program\n", { mode: 0o644 });
  const { status, stderr } = await command(["run", image, "--", scene.path("text")]);
  assert.is(status, 126);
  assert.ok(stderr.includes(scene.path("text")));
});

behaviour("words after -- reach the command untouched", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const words = ["--json", "-r", "--", "--offset=1", "two words", "$HOME", ""];
  const script = 'for word; do echo "<$word>"; done';
  const args = ["run", image, "-r", "--", "sh", "-c", script, "sh", ...words];
  const { status, stdout } = await command(args);
  assert.is(status, 0);
  assert.is(stdout, words.map((word) => `<${word}>\n`).join(""));
});

behaviour("without -- or a command it exits 2 and attaches nothing", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  for (const args of [
    ["run", image],
    ["run", image, "true"],
    ["run", image, "--"],
  ]) {
    const { status, stdout } = await command(args);
    assert.is(status, 2, args.join(" "));
    assert.is(stdout, "");
  }
});

behaviour("standard input and output are the command's alone", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const { stdout } = await command(["run", image, "--", "tr", "a-z", "A-Z"], { input: "text\n" });
  assert.is(stdout, "TEXT\n");
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  behaviour(`${signal} reaches the command, and the device goes`, needs, async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const name = signal.slice(3);
    const trap = `trap 'echo got ${name}; exit 9' ${name}`;
    const script = `${trap}; echo ready; while :; do sleep 0.05; done`;
    const running = startCommand(["run", image, "--", "sh", "-c", script]);
    await running.shows("ready");
    running.child.kill(signal);
    const { status, stdout } = await running.outcome;
    assert.match(stdout, new RegExp(`got ${name}`));
    assert.is(status, 9);
    assert.equal(boundBelow(scene.directory), []);
  });
}

behaviour("SIGKILL of run leaves nothing bound", needs, async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const pidFile = scene.path("pid");
  const script = `echo $$ > ${pidFile}; echo ready; exec sleep 600`;
  const running = startCommand(["run", image, "--", "sh", "-c", script]);
  await running.shows("ready");
  assert.is(boundBelow(scene.directory).length, 1);
  running.child.kill("SIGKILL");
  process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
  await running.outcome;
  await until("the device to go", () => boundBelow(scene.directory).length === 0);
});

behaviour("an image that cannot be attached runs nothing", ["root"], async (scene) => {
  const { status, stdout } = await command(["run", scene.path("none"), "--", "echo", "ran"]);
  assert.is(status, 1);
  assert.is(stdout, "");
});

test.run();
