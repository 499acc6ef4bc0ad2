/**
 * Many processes attach at once while plain losetup competes for the same numbers: nobody of ours
 * fails, nobody reads another one's image, nothing is left.
 */
import { writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { blankImage, expectedPartitions, gptImage, patchImage } from "../helpers/images.ts";
import { note } from "../helpers/note.ts";
import { type Running, start } from "../helpers/process.ts";
import { programPath } from "../helpers/root.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";

const processes = 8;
const rounds = 25;
const rivals = 4;
const markerOffset = 4096;

behaviour(
  `${processes} processes attach ${rounds} times while losetup competes`,
  ["root", "sfdisk", "losetup"],
  async (scene) => {
    const losers = Array.from({ length: rivals }, (_, index) => startRival(scene, index));
    const workers: Running[] = [];
    for (let index = 0; index < processes; index++) {
      const marker = `marker of image ${index} ${Math.random()}`.padEnd(64);
      const image = await markedImage(scene.path(`d${index}.img`), marker);
      const args = [
        programPath("attach-loop"),
        image,
        marker,
        String(markerOffset),
        String(rounds),
      ];
      workers.push(start(process.execPath, args, { deadlineMs: 200_000 }));
    }
    const began = performance.now();
    const outcomes = await Promise.all(workers.map(({ outcome }) => outcome));
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    writeFileSync(scene.path("stop"), "");
    const rounded = await Promise.all(losers.map(({ outcome }) => outcome));
    const lines = outcomes.flatMap(({ stdout }) => stdout.trim().split("\n"));
    const competing = rounded
      .map(({ stdout }) => Number(stdout))
      .reduce((sum, one) => sum + one, 0);
    note(`${lines.length} attaches in ${seconds} s, ${competing} by losetup`);
    assert.equal(
      lines.filter((line) => !line.startsWith("ok ")),
      [],
    );
    const partitions = await expectedPartitions(scene.path("d0.img"));
    for (const device of new Set(lines.map((line) => line.slice("ok ".length)))) {
      scene.watch({ device, partitions });
    }
    assert.is(lines.length, processes * rounds);
    assert.ok(competing > 0, "losetup did compete");
  },
  { deadlineMs: 220_000 },
);

/** Attaches and detaches by plain losetup until told to stop; prints how often it succeeded. */
function startRival(scene: Scene, index: number): Running {
  const image = blankImage(scene.path(`rival${index}.img`), 1 << 20);
  const script = `
    done=0
    while [ ! -e ${scene.path("stop")} ]; do
      device=$(losetup -f --show ${image} 2>/dev/null) || continue
      losetup -d "$device" && done=$((done + 1))
    done
    echo "$done"`;
  return start("sh", ["-c", script], { deadlineMs: 240_000 });
}

async function markedImage(path: string, marker: string): Promise<string> {
  await gptImage(path);
  const [first] = await expectedPartitions(path);
  patchImage(path, (first?.start ?? 0) + markerOffset, marker);
  return path;
}

test.run();
