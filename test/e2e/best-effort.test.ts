/**
 * Kernels that do not number instances (before 5.15): attach says that identity is best effort, and
 * does all that needs no number.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attach } from "../../host/index.ts";
import { expectKernelAgrees, expectPartitions } from "../helpers/expect.ts";
import { expectedPartitions, gptImage } from "../helpers/images.ts";
import { behaviour } from "../helpers/scene.ts";
import { collect, openSession, soon } from "../helpers/streams.ts";

const needs = ["root", "sfdisk", "no diskseq"] as const;

for (const partscan of ["kernel", "user"] as const) {
  behaviour(`the command attach says so, and attaches (${partscan})`, needs, async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const attached = await scene.attach(image, "--partscan", partscan);
    assert.equal([attached.identity, attached.diskseq], ["best-effort", null]);
    const warnings = attached.stderr.match(/^diskseq: warning: .*$/gm) ?? [];
    assert.is(warnings.length, 1, attached.stderr);
    assert.match(warnings[0] ?? "", /no diskseq .* identity is best effort/);
    expectPartitions(attached.partitions, await expectedPartitions(image));
    expectKernelAgrees(attached);
    await scene.detach(attached.device);
  });
}

behaviour(
  "an attachment says so, and events of it are told as best effort",
  needs,
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const session = openSession(scene);
    const warnings: string[] = [];
    const onWarning = ({ code }: { code: string }) => void warnings.push(code);
    const attachment = await attach(image, { onWarning, partscan: "user" });
    assert.equal([attachment.identity, attachment.diskseq], ["best-effort", null]);
    assert.equal(warnings, ["identity-best-effort"]);

    const { collector } = await collect(session, { disk: attachment.device });
    const gone = session.waitFor({ device: attachment.device, removed: true });
    await attachment.detach();
    assert.is((await soon("its end", gone)).result, "gone");
    const removes = () => collector.uevents.filter(({ action }) => action === "remove");
    await collector.until("its partitions to go", () => removes().length === 3);
    for (const { verdict, diskseq } of removes()) {
      assert.equal([verdict, diskseq], ["best-effort", null]);
    }
  },
);

test.run();
