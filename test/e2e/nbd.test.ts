/**
 * Network block devices: whether another connection is another instance is the kernel's to say, and
 * it differs from kernel to kernel. Waits, monitors and descriptors follow its number: where that
 * rises the instance is over, where it stays nothing has happened.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { diskseqOf, openBlock } from "../../host/block.ts";
import { errorOf } from "../helpers/expect.ts";
import { type Action, OwnNbd } from "../helpers/nbds.ts";
import { note } from "../helpers/note.ts";
import { behaviour } from "../helpers/scene.ts";
import { begin, collect, isSettled, openSession, soon } from "../helpers/streams.ts";

/** Ways to another connection: what leads there, beginning and ending connected. */
const ways: readonly { what: string; actions: readonly Action[]; keeps?: boolean }[] = [
  { what: "NBD_CLEAR_SOCK", actions: ["clear", "connect"] },
  { what: "NBD_DISCONNECT", actions: ["disconnect", "connect"] },
  { what: "to netlink", actions: ["clear", "netlink_connect"] },
  // The kernel lets go of nothing; who has it open only waits.
  { what: "NBD_CMD_RECONFIGURE", actions: ["netlink_reconnect"], keeps: true },
  { what: "NBD_CMD_DISCONNECT", actions: ["netlink_disconnect", "netlink_connect"] },
];

behaviour(
  "what is connected again is judged by its number",
  ["root", "diskseq", "nbd", "python3"],
  async (scene) => {
    const nbd = OwnNbd.start(scene);
    const { name, device } = nbd;
    const session = openSession(scene);
    await nbd.do("connect");
    const seen: string[] = [];
    for (const { what, actions, keeps } of ways) {
      const before = nbd.diskseq;
      const ready = await session.waitFor({ device });
      assert.equal([ready.result, ready.diskseq], ["ready", before]);
      const { monitor, collector } = await collect(session, { disk: name, diskseq: before });
      const over = new AbortController();
      const options = { signal: over.signal };
      const stale = begin(session, { device, diskseq: before, partitions: [1] }, options);
      const gone = begin(session, { diskseq: before, removed: true }, options);
      for (const action of actions) await nbd.do(action);
      const now = nbd.diskseq;
      assert.is((await session.waitFor({ device })).diskseq, now);
      assert.is(await diskseqOf(session, device), now);
      await collector.flush(name);
      const last = collector.uevents.at(-1);
      if (now > before) {
        assert.is((await soon("gone", gone)).result, "gone");
        await soon("stale", errorOf(stale, "ERR_LOOP_STALE"));
        await errorOf(session.waitFor({ device, diskseq: before }), "ERR_LOOP_STALE");
        await errorOf(openBlock(session, device, { diskseq: before }), "ERR_LOOP_STALE");
        assert.equal([last?.diskseq, last?.verdict], [now, "later"]);
        assert.not.ok(keeps, `${what} keeps the instance`);
      } else {
        for (const wait of [stale, gone]) assert.not.ok(await isSettled(wait));
        assert.is((await session.waitFor({ device, diskseq: before })).diskseq, before);
        assert.equal([last?.diskseq, last?.verdict], [before, "mine"]);
      }
      await using block = await openBlock(session, device, { diskseq: now });
      assert.is(await diskseqOf(session, block.fd), now);
      monitor.close();
      over.abort();
      seen.push(`${what} ${now > before ? "raises" : "keeps"} it`);
    }
    note(`diskseq of nbd: ${seen.join(", ")}`);
  },
);

test.run();
