/**
 * Many attaches in one process: all at once, and the event loop goes on meanwhile.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attach } from "../../host/index.ts";
import { blankImage, gptImage } from "../helpers/images.ts";
import { note } from "../helpers/note.ts";
import { behaviour } from "../helpers/scene.ts";

const count = 64;
/** The delay may be that of a busy machine; a call that blocks is seen all the same. */
const delayMaxMs = 250;

behaviour(
  `${count} attaches at once, then ${count} detaches`,
  ["root", "sfdisk"],
  async (scene) => {
    const images: string[] = [];
    for (let index = 0; index < count; index++) {
      const path = scene.path(`d${index}.img`);
      images.push(index % 8 === 0 ? await gptImage(path) : blankImage(path, 1 << 20));
    }
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const began = performance.now();
    const attached = await Promise.all(images.map((image) => attach(image)));
    const middle = performance.now();
    await Promise.all(attached.map((attachment) => attachment.detach()));
    const end = performance.now();
    delay.disable();
    const p99 = delay.percentile(99) / 1e6;
    const max = delay.max / 1e6;
    const times = [middle - began, end - middle].map((ms) => `${ms.toFixed(0)} ms`).join(" and ");
    note(`${times}, event loop delay p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`);

    assert.is(new Set(attached.map(({ device }) => device)).size, count);
    assert.is(new Set(attached.map(({ diskseq }) => diskseq)).size, count);
    attached.forEach((attachment, index) => {
      assert.is(attachment.backing.path, images[index]);
      assert.is(attachment.partitions.length, index % 8 === 0 ? 3 : 0);
      scene.watch(attachment.toJSON());
    });
    assert.ok(p99 < delayMaxMs, `event loop delay p99 ${p99} ms`);
  },
);

test.run();
