/**
 * Where uevents cannot come, because the network namespace belongs to another user namespace: it is
 * said, and sysfs is watched instead.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { expectRefusal } from "../helpers/expect.ts";
import { ownLoop } from "../helpers/loops.ts";
import { type Running, startCommand } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";
import { collect, openSession, Writer } from "../helpers/streams.ts";

const wrapper = ["unshare", "--user", "--net", "--map-root-user"];
const warning = "no uevents come here (this network namespace belongs to another user namespace)";

behaviour(
  "waits in a foreign user namespace say so, and end by what sysfs shows",
  ["root", "diskseq", "user-namespaces"],
  async (scene) => {
    const loop = await ownLoop(scene);
    const { device, diskseq: first } = loop;
    const wait = (...args: string[]) => deaf(scene, ["wait", ...args, "--json", "--timeout=30s"]);

    const ready = await wait(device, "--partitions=1,2");
    const stale = await wait(`diskseq:${first}`, "--partitions=3");
    const gone = await wait(`diskseq:${first}`, "--removed");
    await loop.addPartition(2);
    await loop.addPartition(1);
    expectWaited(await ready.outcome, "ready", Number(first), [1, 2]);

    const second = await loop.replace();
    expectWaited(await gone.outcome, "gone", Number(first), []);
    expectRefusal(await stale.outcome, 4, `diskseq ${second} by now`);
  },
);

behaviour(
  "a monitor in a foreign user namespace says that it hears nothing",
  ["root", "diskseq", "user-namespaces"],
  async (scene) => {
    const loop = await ownLoop(scene);
    const here = await collect(openSession(scene), { disk: loop.name });
    const running = await deaf(scene, ["monitor", "--kernel", "--disk", loop.name, "--json"]);
    await running.shows("monitor: listening");
    const writer = new Writer(loop.name);
    writer.write(10);
    writer.close();
    await here.collector.flush(loop.name);
    assert.is(writer.of(here.collector.uevents).length, 10);
    const { status, stdout } = await running.stop("SIGINT");
    assert.is(status, 0);
    const { type, received, told } = JSON.parse(stdout) as { [key: string]: unknown };
    assert.equal([type, received, told], ["summary", 0, 0]);
  },
);

/** A command that has said what it cannot hear. */
async function deaf(scene: Scene, args: readonly string[]): Promise<Running> {
  const running = startCommand(args, { wrapper });
  scene.defer(() => running.stop("SIGKILL"));
  await running.shows(warning);
  await running.shows("sysfs is watched instead");
  return running;
}

function expectWaited(
  { status, stdout, stderr }: Awaited<Running["outcome"]>,
  result: string,
  diskseq: number,
  partitions: readonly number[],
): void {
  assert.is(status, 0, stderr);
  const { waited } = JSON.parse(stdout) as {
    waited: { result: string; diskseq: number; partitions: { number: number }[] }[];
  };
  assert.equal(
    waited.map((one) => [one.result, one.diskseq, one.partitions.map(({ number }) => number)]),
    [[result, diskseq, [...partitions]]],
  );
}

test.run();
