/** Uevents in processes of their own: how long these live, and what namespaces do. */
import { chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DatagramWord } from "../../assembly/abi.ts";
import { doUeventsCome, readRootUid } from "../../host/linux/namespace.ts";
import { real } from "./linux-device.ts";
import { devices, inProcess, withWriter } from "./linux-listener.ts";

test.after(() => devices.close());

withWriter("a process lives while it listens, without a timer, and not after", async (writer) => {
  const script = `
    stream.datagrams = (count) => {
      for (let index = 0; index < count; index++) {
        if (!textOf(index).includes("SYNTH_UUID=${writer.uuid}")) continue;
        unsubscribe(1);
        unsubscribe(2);
        return console.log("ended");
      }
    };
    console.log("listening", subscribe(1), subscribe(2));
    setImmediate(() => console.log("waits for", process.getActiveResourcesInfo().join()));`;
  await inProcess(script, [], async (running) => {
    await running.shows("waits for");
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.is(running.child.exitCode, null);
    writer.write();
    const { status, stdout } = await running.outcome;
    assert.is(status, 0);
    const [first, waits, last] = stdout.split("\n");
    assert.match(first ?? "", /^listening 0 [01]$/);
    assert.not.match(waits ?? "", /Timeout|Immediate/);
    assert.is(last, "ended");
  });
});

real("root's own number, and where uevents come", async () => {
  const folder = mkdtempSync(join(tmpdir(), "diskseq-unit-"));
  chownSync(folder, 1234, 0);
  assert.is(readRootUid(folder), 1234);
  rmSync(folder, { recursive: true });
  assert.is(readRootUid("/nonexistent"), 0);
  assert.is(doUeventsCome("/nonexistent"), true);
  // no namespace: ENOTTY
  assert.is(doUeventsCome("/proc/self/status"), true);
  assert.is(doUeventsCome(), true);
});

withWriter(
  "another network namespace hears them, one of another user namespace does not",
  async (writer) => {
    const script = `
      stream.datagrams = (count) => {
        for (let index = 0; index < count; index++) {
          if (!textOf(index).includes("SYNTH_UUID=${writer.uuid}")) continue;
          unsubscribe(1);
          return console.log("heard", wordOf(index, ${DatagramWord.Uid}),
            wordOf(index, ${DatagramWord.Flags}));
        }
      };
      console.log("subscribed", subscribe(1), kernel.receiveBufferBytes(1));`;
    const rmemMax = Number(readFileSync("/proc/sys/net/core/rmem_max", "utf8"));
    const limited = Math.min(2 * rmemMax, 256 << 20);
    for (const [wrapper, bytes] of [
      [["unshare", "--net"], 256 << 20],
      // root has another number there or none, and no right to a larger buffer
      [["unshare", "--user"], limited],
      [["unshare", "--user", "--map-user=1000"], limited],
    ] as const) {
      await inProcess(script, wrapper, async (running) => {
        await running.shows("subscribed");
        writer.write();
        const { stdout } = await running.outcome;
        assert.is(stdout, `subscribed 0 ${bytes}\nheard 0 2\n`, wrapper.join(" "));
      });
    }
    const deaf = ["unshare", "--user", "--net", "--map-root-user"];
    await inProcess(script, deaf, async (running) => {
      await running.shows("subscribed");
      writer.write();
      await new Promise((resolve) => setTimeout(resolve, 100));
      const { stdout } = await running.stop();
      assert.match(stdout, /^subscribed 1 \d+\n$/);
    });
  },
  "user-namespaces",
);

test.run();
