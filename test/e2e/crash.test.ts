/**
 * SIGKILL after each single call of an attach: nothing stays bound, no node of ours stays in /dev,
 * and the next attach copes with what the kernel left.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attach } from "../../host/index.ts";
import { boundBelow, isBound, otherNodes, partitionsOf, until } from "../helpers/devices.ts";
import { expectPartitions } from "../helpers/expect.ts";
import { expectedPartitions, gptImage } from "../helpers/images.ts";
import { type Outcome, start } from "../helpers/process.ts";
import { programPath } from "../helpers/root.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";

/** No attach takes more calls than that. */
const callsMax = 500;

for (const partscan of ["user", "kernel"] as const) {
  behaviour(
    `a crash after any call leaves nothing bound (${partscan})`,
    ["root", "sfdisk"],
    async (scene) => {
      const image = await gptImage(scene.path("d.img"));
      const expected = await expectedPartitions(image);
      const nodes = otherNodes();
      const used = new Set<number>();
      let crashes = 0;
      for (let call = 1; call <= callsMax; call++) {
        const outcome = await crash(image, partscan, call, used);
        await until(
          `nothing to be bound after call ${call}`,
          () => boundBelow(scene.directory).length === 0,
        );
        assert.equal(newNodes(nodes), [], `nodes in /dev after call ${call}`);
        if (outcome.status === 0) {
          break;
        }
        assert.is(outcome.signal, "SIGKILL", `call ${call}: ${outcome.stderr}`);
        crashes += 1;
        // Right on top of what the dead process and the kernel left.
        const next = await attach(image, { partscan });
        expectPartitions(next.partitions, expected);
        scene.watch(next.toJSON());
        await next.detach();
      }
      assert.ok(crashes > 10 && crashes < callsMax, `${crashes} crashes`);
      await sweep(scene, image, used);
    },
    { deadlineMs: 120_000 },
  );
}

async function crash(
  image: string,
  partscan: string,
  call: number,
  used: Set<number>,
): Promise<Outcome> {
  const program = programPath("crash");
  const outcome = await start(process.execPath, [program, image, partscan, String(call)]).outcome;
  for (const [, number] of outcome.stdout.matchAll(/^loop (\d+)$/gm)) {
    used.add(Number(number));
  }
  return outcome;
}

/** Partitions that a crash left are gone after the next attach and detach of that very device. */
async function sweep(scene: Scene, image: string, used: ReadonlySet<number>): Promise<void> {
  for (const number of used) {
    if (!isBound(number) && partitionsOf(number).length > 0) {
      const device = await scene.attach(image, `--device=${number}`);
      await scene.detach(`diskseq:${device.diskseq}`);
    }
  }
}

function newNodes(before: readonly string[]): string[] {
  return otherNodes().filter((name) => !before.includes(name) && name.includes("diskseq"));
}

test.run();
