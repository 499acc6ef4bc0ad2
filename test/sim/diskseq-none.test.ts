/**
 * Where the kernel has no diskseq: whoever names an instance by its number is refused, and nothing
 * is touched; whoever names the device alone is served.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Session, simulate } from "../../host/sim/index.ts";
import { errorOf } from "../helpers/expect.ts";

const device = "/dev/loop0";
const named = { device, diskseq: 77n };

async function withAttached(
  version: string,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const images = { "/d": new Uint8Array(1 << 20) };
  const session = simulate({ version, images, clock: "virtual" });
  const attachment = await session.attach("/d", { persistent: true });
  assert.is(attachment.device, device);
  await work(session);
  await session.close();
}

const ways: Readonly<Record<string, (session: Session) => Promise<unknown>>> = {
  detach: (session) => session.detach(named),
  "detach by number": (session) => session.detach("diskseq:77"),
  rescan: (session) => session.rescan(named),
  resize: (session) => session.resize(named),
  wait: (session) => session.waitFor(named, { timeoutMs: 60_000 }),
  "wait for its end": (session) => session.waitFor({ ...named, removed: true }),
  "wait by number": (session) => session.waitFor({ diskseq: 77n }),
  "wait by number for its end": (session) => session.waitFor({ diskseq: 77n, removed: true }),
  monitor: (session) => session.monitor({ diskseq: 77n }),
  openBlock: (session) => session.openBlock(device, { diskseq: 77n }),
};

for (const [name, way] of Object.entries(ways)) {
  test(`5.10: ${name} of an instance is refused, and it stays`, async () => {
    await withAttached("5.10.223", async (session) => {
      const { message } = await errorOf(way(session), "ERR_LOOP_ENVIRONMENT");
      assert.match(message, "this kernel has no diskseq");
      assert.equal(
        (await session.list()).map((one) => one.device),
        [device],
      );
    });
  });
}

test("5.10: by its name alone all of them do", async () => {
  await withAttached("5.10.223", async (session) => {
    const ready = await session.waitFor({ device });
    assert.equal([ready.result, ready.diskseq], ["ready", null]);
    const gone = session.waitFor({ device, removed: true });
    assert.is((await session.detach({ device, diskseq: null })).result, "gone");
    assert.is((await gone).result, "gone");
    assert.equal(await session.list(), []);
  });
});

test("6.1: a number that is yet to come is said to be so", async () => {
  await withAttached("6.1.192", async (session) => {
    const { message } = await errorOf(
      session.waitFor(named, { timeoutMs: 100 }),
      "ERR_LOOP_TIMEOUT",
    );
    assert.match(message, /loop0 is diskseq \d+ still/);
  });
});

test.run();
