/**
 * How waits end on a real kernel: at once when the instance is over, late ones from sysfs, and none
 * of them for another instance's sake.
 */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Waited, WaitTarget } from "../../host/stream-types.ts";
import { plainDetach, until } from "../helpers/devices.ts";
import { errorOf, expectRefusal, reasonOf } from "../helpers/expect.ts";
import { blankImage, gptImage } from "../helpers/images.ts";
import { addLoop, freeNumber, ownLoop } from "../helpers/loops.ts";
import { startCommand, tool } from "../helpers/process.ts";
import { behaviour, type Scene } from "../helpers/scene.ts";
import { begin, isSettled, openSession, soon } from "../helpers/streams.ts";

behaviour(
  "a wait whose instance is replaced ends as superseded at once",
  ["root", "diskseq"],
  async (scene) => {
    const loop = await ownLoop(scene);
    const { device, diskseq: first } = loop;
    const session = openSession(scene);
    const waits = [
      begin(session, { device, partitions: [9] }),
      begin(session, { device: loop.name, partitions: [9] }, { timeoutMs: 60_000 }),
      begin(session, { diskseq: first, partitions: [9] }),
      begin(session, { device: `${device}p9` }),
    ];
    const removed = begin(session, { device, removed: true });
    await session.begun(5);
    // A look serves all who wait: those above know their instance when this one does.
    assert.is((await session.waitFor({ device })).diskseq, first);
    const second = await loop.replace();
    assert.ok(second > first);
    for (const wait of waits) {
      const { message } = await soon("superseded", errorOf(wait, "ERR_LOOP_STALE"));
      assert.ok(message.includes(`is over; ${device} is diskseq ${second} by now`), message);
    }
    const gone = await soon("gone", removed);
    assert.equal([gone.result, gone.device, gone.diskseq], ["gone", device, first]);
  },
);

behaviour(
  "the command exits 4 when the instance is replaced",
  ["root", "diskseq"],
  async (scene) => {
    const loop = await ownLoop(scene);
    const { device, diskseq: first } = loop;
    const running = startCommand(["wait", `diskseq:${first}`, "--partitions=9"]);
    scene.defer(() => running.stop("SIGKILL"));
    await until("it listens", () => isListening(running.pid));
    const second = await loop.replace();
    const outcome = await soon("superseded", running.outcome, 10_000);
    expectRefusal(outcome, 4, `${device} is diskseq ${second} by now`);
  },
);

behaviour(
  "a wait whose instance is detached ends at once, and so does one for its removal",
  ["root", "diskseq", "sfdisk", "losetup"],
  async (scene) => {
    const session = openSession(scene);
    const attachment = await session.attach(await gptImage(scene.path("d.img")));
    scene.watch(attachment.toJSON());
    const { device, diskseq } = attachment;
    const stale = [
      begin(session, { device, partitions: [1, 200] }),
      begin(session, { diskseq, partitions: [200] }),
    ];
    const gone = [
      begin(session, { device, removed: true }),
      begin(session, { diskseq, removed: true }),
      begin(session, { device: `${device}p1`, removed: true }),
    ];
    await session.begun(5);
    await session.waitFor({ device, partitions: true });
    await attachment.detach();
    for (const wait of stale) await soon("stale", errorOf(wait, "ERR_LOOP_STALE"));
    for (const wait of gone) assert.is((await soon("gone", wait)).result, "gone");
  },
);

behaviour(
  "a wait for an instance that is over ends at once",
  ["root", "diskseq"],
  async (scene) => {
    const loop = await ownLoop(scene);
    const { device, diskseq: over } = loop;
    const link = `/dev/disk/by-diskseq/${over}`;
    const session = openSession(scene);
    const expectOver = async () => {
      const ways = [{ diskseq: over }, { device, diskseq: over }, { device: link }];
      for (const target of [...ways, { device: `${link}-part1` }, { device: `diskseq:${over}` }]) {
        await soon("stale", errorOf(begin(session, target), "ERR_LOOP_STALE"));
        const gone = await soon("gone", begin(session, { ...target, removed: true }));
        assert.equal([gone.result, gone.diskseq], ["gone", over]);
      }
    };
    await loop.unbind();
    await expectOver();
    await loop.bind();
    await expectOver();
    assert.is((await session.waitFor({ device })).diskseq, loop.diskseq);
  },
);

behaviour(
  "a wait begun when all events are long gone is ready from sysfs",
  ["root", "diskseq", "sfdisk"],
  async (scene) => {
    const attachment = await openSession(scene).attach(await gptImage(scene.path("d.img")));
    scene.watch(attachment.toJSON());
    const { device, diskseq, devnum, partitions } = attachment;
    const late = openSession(scene);
    const expected: Waited = {
      result: "ready",
      device,
      devnum,
      diskseq,
      partitions: partitions.map(({ number, device, devnum, start, size }) => ({
        number,
        device,
        devnum,
        start,
        size,
      })),
    };
    for (const target of [{ device }, { diskseq }, { device: `/dev/disk/by-diskseq/${diskseq}` }]) {
      const waited = await soon("ready", late.waitFor({ ...target, partitions: true }));
      assert.equal(waited, expected);
    }
    await attachment.detach();
  },
);

behaviour(
  "partitions that another program adds and deletes are seen by who waits for them",
  ["root", "diskseq", "addpart"],
  async (scene) => {
    const loop = await ownLoop(scene);
    const { device, diskseq } = loop;
    const session = openSession(scene);
    const both = begin(session, { device, partitions: [2, 5] });
    const second = begin(session, { device: `${device}p2` });
    const numbered = begin(session, { device: `/dev/disk/by-diskseq/${diskseq}-part5` });
    await session.begun(3);
    await session.waitFor({ device });
    await tool("addpart", [device, "2", "2048", "2048"]);
    const { partitions } = await soon("p2", second);
    assert.equal(
      partitions.map(({ number, device, start, size }) => [number, device, start, size]),
      [[2, `${device}p2`, 1 << 20, 1 << 20]],
    );
    assert.not.ok(await isSettled(both));
    assert.not.ok(await isSettled(numbered));
    await tool("addpart", [device, "5", "4096", "2048"]);
    for (const wait of [both, numbered]) {
      const waited = await soon("p2 and p5", wait);
      assert.equal(
        [waited.diskseq, waited.partitions.map(({ number }) => number)],
        [diskseq, [2, 5]],
      );
    }
    const fifth = begin(session, { device: `${device}p5`, removed: true });
    const gone = begin(session, { diskseq, partitions: [2, 5], removed: true });
    await session.begun(6);
    await session.waitFor({ device, partitions: [2, 5] });
    await tool("delpart", [device, "5"]);
    const waited = await soon("without p5", fifth);
    assert.equal([waited.result, waited.partitions.map(({ number }) => number)], ["gone", [2]]);
    assert.not.ok(await isSettled(gone));
    await tool("delpart", [device, "2"]);
    assert.is((await soon("without both", gone)).result, "gone");
    assert.is((await session.waitFor({ device })).diskseq, diskseq);
  },
);

behaviour("a signal ends a wait with its reason, whenever it comes", ["root"], async (scene) => {
  const { device } = await ownLoop(scene);
  const session = openSession(scene);
  const reason = new Error("enough");
  const targets = [
    { device, partitions: [3] },
    { device, removed: true },
    { device: `/dev/loop${freeNumber()}` },
    { device: `/dev/disk/by-id/none-${crypto.randomUUID()}` },
  ];
  for (const target of targets) {
    const before = begin(session, target, { signal: AbortSignal.abort(reason) });
    assert.is(await soon("aborted before", reasonOf(before)), reason);
    const controller = new AbortController();
    const { signal } = controller;
    const waits = [begin(session, target, { signal }), begin(session, target, { signal })];
    // one is not begun, the others wait
    await session.waitFor({ device });
    waits.push(begin(session, target, { signal }));
    controller.abort(reason);
    for (const wait of waits) assert.is(await soon("aborted", reasonOf(wait)), reason);
  }
});

behaviour("a wait that times out names what is missing", ["root"], async (scene) => {
  const loop = await ownLoop(scene);
  const { device, name } = loop;
  const session = openSession(scene);
  await loop.addPartition(1);
  const absent = `loop${freeNumber()}`;
  const link = `/dev/disk/by-label/none-${crypto.randomUUID()}`;
  const cases: [WaitTarget, RegExp, RegExp?][] = [
    [
      { device, partitions: [1, 4, 7] },
      new RegExp(`${name}p4, ${name}p7 are not there`),
      new RegExp(`${name}p1\\b`),
    ],
    [{ device: `${device}p4` }, new RegExp(`${name}p4 is not there`)],
    [
      { device, partitions: [1, 4], removed: true },
      new RegExp(`${name}p1 is still there`),
      new RegExp(`${name}p4`),
    ],
    [{ device, removed: true }, new RegExp(`${name} is still there`)],
    [{ device: absent }, new RegExp(`${absent}.* not (there|ready)`)],
    [{ device: link }, new RegExp(`${link}.*no such link`)],
  ];
  for (const [target, expected, other] of cases) {
    const began = performance.now();
    const error = await errorOf(begin(session, target, { timeoutMs: 100 }), "ERR_LOOP_TIMEOUT");
    assert.ok(performance.now() - began >= 99, "not before its time");
    assert.match(error.message, expected);
    if (other) assert.not.match(error.message, other);
  }
  await loop.unbind();
  const unbound = begin(session, { device }, { timeoutMs: 100 });
  const { message } = await errorOf(unbound, "ERR_LOOP_TIMEOUT");
  assert.match(message, new RegExp(`nothing is attached to ${name}|${name} is not ready`));
});

behaviour("what was never there is gone", ["root"], async (scene) => {
  const { device } = await ownLoop(scene);
  await expectGone(scene, [
    { device: `/dev/loop${freeNumber()}` },
    { device: `loop${freeNumber()}p1` },
    { device: `${device}p7` },
    { device, partitions: [7, 8] },
    { device: `/dev/disk/by-label/none-${crypto.randomUUID()}` },
  ]);
});

behaviour("a number that was never given is gone", ["root", "diskseq"], async (scene) => {
  const never = 1n << 60n;
  await expectGone(scene, [{ diskseq: never }, { device: `/dev/disk/by-diskseq/${never}-part2` }]);
});

async function expectGone(scene: Scene, targets: readonly WaitTarget[]): Promise<void> {
  const session = openSession(scene);
  for (const target of targets) {
    const waited = await soon("gone", begin(session, { ...target, removed: true }));
    assert.is(
      waited.result,
      "gone",
      JSON.stringify(target, (_, value) => String(value)),
    );
  }
}

behaviour("a device that is made later is waited for by its name", ["root"], async (scene) => {
  const number = freeNumber();
  const session = openSession(scene);
  const disks = [`/dev/loop${number}`, `loop${number}`].map((device) => begin(session, { device }));
  const partition = begin(session, { device: `/dev/loop${number}p1` });
  await session.begun(3);
  await addLoop(scene, number);
  // A look at what is there and not bound ends none of them.
  const unbound = begin(session, { device: `loop${number}`, removed: true });
  assert.is((await soon("nothing attached", unbound)).result, "gone");
  for (const wait of [...disks, partition]) assert.not.ok(await isSettled(wait));
  const image = blankImage(scene.path("d.img"), 8 << 20);
  const attachment = await session.attach(image, { device: number });
  for (const wait of disks) {
    const waited = await soon("ready", wait);
    assert.equal([waited.device, waited.diskseq], [attachment.device, attachment.diskseq]);
  }
  assert.not.ok(await isSettled(partition));
  await attachment.detach();
  await soon("over", errorOf(partition, "ERR_LOOP_STALE"));
});

behaviour(
  "a device that goes while it is waited for is gone at once",
  ["root", "losetup"],
  async (scene) => {
    const number = await addLoop(scene);
    const device = `/dev/loop${number}`;
    const session = openSession(scene);
    const removed = begin(session, { device, removed: true });
    assert.is((await soon("unbound", removed)).diskseq, null);
    await tool("losetup", [device, blankImage(scene.path("d.img"), 1 << 20)]);
    const wait = begin(session, { device, partitions: [1] });
    await session.begun(2);
    const { diskseq } = await session.waitFor({ device });
    await plainDetach(device);
    const { message } = await soon("gone", errorOf(wait, "ERR_LOOP_STALE"));
    assert.ok(message.includes(`${diskseq ?? "gone"}`), message);
  },
);

/** Whether a process has a socket for the kernel's uevents: its first one has its pid as port. */
function isListening(pid: number): boolean {
  const lines = readFileSync("/proc/net/netlink", "utf8").split("\n");
  const rows = lines.map((line) => line.trim().split(/ +/));
  return rows.some(
    ([, protocol, port, groups]) =>
      protocol === "15" && Number(port) === pid && Number.parseInt(groups ?? "", 16) === 1,
  );
}

test.run();
