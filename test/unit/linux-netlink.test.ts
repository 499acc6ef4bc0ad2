/** Uevents on the real kernel: what comes, who sent it, what is lost, and how a socket ends. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Group, Limit } from "../../assembly/abi.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import { LinuxKernel } from "../../host/linux/kernel.ts";
import { UeventSocket } from "../../host/linux/netlink.ts";
import { attempt } from "../../host/linux/sysfs.ts";
import { isUdevRunning } from "../../host/linux/udev.ts";
import { descriptorCount, until } from "../helpers/devices.ts";
import { skip } from "../helpers/skip.ts";
import {
  devices,
  Listener,
  listen,
  listenBy,
  numbersOf,
  property,
  send,
  stopListening,
  subscribe,
  unsubscribe,
  withWriter,
} from "./linux-listener.ts";

const ENOTCONN = 107;
const EALREADY = 114;

test.after.each(stopListening);
test.after(() => devices.close());

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

withWriter("an event arrives byte by byte as the kernel sent it", async (writer, device) => {
  const { kernel, listener } = listen();
  assert.is(await subscribe(kernel, Group.Kernel), 0);
  writer.write();
  const [event] = await listener.until(writer.uuid, 1);
  await kernel.close();
  const seqnum = property(event, "SEQNUM");
  assert.match(seqnum ?? "", /^\d+$/);
  const [major, minor] = kernel.readAttribute(device.name, "dev")?.split(":") ?? [];
  const expected = [
    `change@/devices/virtual/block/${device.name}`,
    "ACTION=change",
    `DEVPATH=/devices/virtual/block/${device.name}`,
    "SUBSYSTEM=block",
    `SYNTH_UUID=${writer.uuid}`,
    "SYNTH_ARG_N=0",
    `MAJOR=${major}`,
    `MINOR=${minor}`,
    `DEVNAME=${device.name}`,
    "DEVTYPE=disk",
    `DISKSEQ=${kernel.readAttribute(device.name, "diskseq")}`,
    `SEQNUM=${seqnum}`,
    "",
  ];
  const { bytes, text: _, ...rest } = event ?? { bytes: Buffer.of(), text: [] };
  assert.is(bytes.toString(), expected.join("\0"));
  assert.equal(rest, {
    group: Group.Kernel,
    portId: 0,
    pid: 0,
    uid: 0,
    isTruncated: false,
    isCredited: true,
  });
});

withWriter("events come in order, 64 at a time", async (writer) => {
  const { kernel, listener } = listen();
  await subscribe(kernel, Group.Kernel);
  writer.write(500);
  assert.equal(listener.counts, [], "nothing before the event loop has its turn");
  const events = await listener.until(writer.uuid, 500);
  await kernel.close();
  assert.equal(numbersOf(events), range(0, 500));
  assert.ok(listener.counts.length >= 8);
  assert.is(Math.max(...listener.counts), Limit.DatagramSlots);
  assert.equal(listener.losses, []);
  assert.ok(events.every(({ isCredited, portId }) => isCredited && portId === 0));
});

withWriter("many events leave the event loop its turns", async (writer) => {
  const { kernel, listener } = listen();
  await subscribe(kernel, Group.Kernel);
  let turns = 0;
  const seen: number[] = [];
  listener.onDatagrams = () => {
    seen.push(turns);
    // longer than a socket may receive in one go
    for (const end = performance.now() + 5; performance.now() < end; );
  };
  writer.write(300);
  for (; listener.of(writer.uuid).length < 300; turns++) await turn();
  await kernel.close();
  assert.ok(seen.length >= 5);
  assert.is(new Set(seen).size, seen.length, "one batch a turn");
});

withWriter(
  "a forged datagram shows its sender, and a long one that it was cut",
  async (writer) => {
    const { kernel, listener } = listen();
    await subscribe(kernel, Group.Kernel);
    await subscribe(kernel, Group.Udev);
    writer.write();
    await listener.until(writer.uuid, 1);
    const forged = `change@/forged\0SYNTH_UUID=${writer.uuid}\0`;
    for (const [group, uid] of [
      [Group.Kernel, 0],
      [Group.Udev, 1000],
    ] as const) {
      const before = listener.of(writer.uuid).length;
      const { pid, portId } = send(group, forged, uid);
      assert.is.not(portId, pid);
      const events = await listener.until(writer.uuid, before + 1);
      const { text: _, bytes, ...rest } = events[before] ?? { text: [], bytes: Buffer.of() };
      assert.is(bytes.toString(), forged);
      assert.equal(rest, { group, portId, pid, uid, isTruncated: false, isCredited: true });
    }
    const long = forged.padEnd(Limit.DatagramBytes, "x");
    send(Group.Kernel, long);
    send(Group.Kernel, `${long}x`);
    writer.write();
    const [fits, cut, last] = (await listener.until(writer.uuid, 6)).slice(3);
    await kernel.close();
    assert.is(fits?.isTruncated, false);
    assert.is(cut?.isTruncated, true);
    assert.is.not(cut?.portId, 0);
    assert.is(fits?.bytes.toString(), long);
    assert.is(cut?.bytes.toString(), long);
    assert.is(last?.isTruncated, false);
    assert.equal(numbersOf(last ? [last] : []), [1]);
  },
  "python3",
);

withWriter(
  "what a process sends through the kernel carries its pid",
  async (writer) => {
    const { kernel, listener } = listen();
    await subscribe(kernel, Group.Kernel);
    const payload = `change@/injected\0SYNTH_UUID=${writer.uuid}\0`;
    const header = Buffer.alloc(16);
    header.writeUInt32LE(16 + payload.length, 0);
    // NLMSG_MIN_TYPE, NLM_F_REQUEST
    header.writeUInt16LE(16, 4);
    header.writeUInt16LE(1, 6);
    const { pid } = send(Group.None, header.toString("latin1") + payload);
    const [event] = await listener.until(writer.uuid, 1);
    await kernel.close();
    assert.is(event?.text[0], "change@/injected");
    assert.match(property(event, "SEQNUM") ?? "", /^\d+$/);
    assert.is(event?.portId, 0);
    assert.is(event?.pid, pid);
  },
  "python3",
);

withWriter(
  "udev's datagrams come one by one and may take all slots",
  async (writer) => {
    const { kernel, listener } = listen();
    assert.is(await subscribe(kernel, Group.Udev), isUdevRunning() ? 0 : 1);
    const begin = `libudev\0SYNTH_UUID=${writer.uuid}\0`;
    const all = Limit.DatagramSlots * Limit.DatagramBytes;
    const sizes = [100, 60 << 10, 8193, 200, all, all + 1, 300];
    const texts = sizes.map((size, index) => begin.padEnd(size, `${index}abcdefghijk`));
    for (const text of texts) send(Group.Udev, text);
    const events = await listener.until(writer.uuid, sizes.length);
    await kernel.close();
    for (const [index, event] of events.entries()) {
      assert.is(event.group, Group.Udev);
      assert.is(event.isTruncated, sizes[index] === all + 1, `${index}`);
      assert.ok(event.bytes.equals(Buffer.from(texts[index] ?? "").subarray(0, all)), `${index}`);
    }
    assert.ok(listener.counts.every((count) => count === 1));
  },
  "python3",
);

withWriter("what is lost is counted, and the stream goes on", async (writer) => {
  for (let rounds = 0; rounds < 200; rounds++) {
    const [seqnum, written] = [readSeqnum(), writer.written];
    const { kernel, listener } = listen({ receiveBufferBytes: 1 });
    await subscribe(kernel, Group.Kernel);
    assert.ok((kernel.receiveBufferBytes(Group.Kernel) ?? Infinity) < 8192);
    const ends: number[] = [];
    for (const burst of [0, 200, 300]) {
      writer.write(burst);
      await writer.writeUntil(listener);
      ends.push(listener.losses.length);
    }
    unsubscribe(kernel, Group.Kernel);
    const sent = writer.written - written;
    // the counter knows nothing of whose events they are
    if (readSeqnum() - seqnum !== BigInt(sent)) continue;
    const { losses, received } = listener;
    const lost = losses.reduce((sum, { count }) => sum + count, 0);
    assert.ok(losses.every(({ group, count }) => group === Group.Kernel && count > 0));
    assert.is(lost, sent - received.length);
    assert.ok(lost > 400 && received.length >= 3);
    assert.is(ends[0], 0);
    assert.ok((ends[1] ?? 0) > 0 && (ends[2] ?? 0) > (ends[1] ?? 0), "each burst");
    assert.ok(
      losses.every(({ after }) => after > 0),
      "after what came before",
    );
    return;
  }
  skip("what is lost is counted: others have the kernel send events all the time");
});

withWriter("where the kernel does not count, a loss of unknown size", async (writer) => {
  const { listener } = listenBy({ receiveBufferBytes: 1, isCounting: false });
  for (let burst = 0; burst < 3; burst++) {
    const before = listener.losses.length;
    writer.write(50);
    await until("the loss", () => listener.losses.length > before);
    await writer.writeUntil(listener);
  }
  assert.ok(listener.losses.every(({ group, count }) => group === Group.Kernel && count === 0));
  const [loss] = listener.losses;
  assert.ok(loss && loss.after > 0, "after what was still in the queue");
});

withWriter("a subscription can end and begin within what it tells", async (writer) => {
  const { kernel, listener } = listen();
  await subscribe(kernel, Group.Kernel);
  const answers: unknown[] = [];
  listener.onDatagrams = () => {
    answers.push(unsubscribe(kernel, Group.Kernel));
    listener.onDatagrams = () => {};
  };
  writer.write(200);
  await listener.until(writer.uuid, 1);
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.equal(answers, [0]);
  assert.is(listener.counts.length, 1, "nothing after the end");

  await subscribe(kernel, Group.Kernel);
  listener.onDatagrams = () => {
    answers.push(unsubscribe(kernel, Group.Kernel), subscribe(kernel, Group.Kernel));
    listener.onDatagrams = () => {};
  };
  const before = listener.of(writer.uuid).length;
  writer.write(200);
  await listener.until(writer.uuid, before + 1);
  const heard = listener.of(writer.uuid).length;
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.equal(answers, [0, 0, 0]);
  assert.is(listener.of(writer.uuid).length, heard, "the new one has not heard the old ones");
  writer.write();
  assert.equal(numbersOf((await listener.until(writer.uuid, heard + 1)).slice(-1)), [400]);
  await kernel.close();
});

withWriter(
  "what one hears that ends is never read from another",
  async (writer) => {
    const { kernel, listener } = listen();
    await subscribe(kernel, Group.Kernel);
    const text = `libudev\0SYNTH_UUID=${writer.uuid}\0`;
    const { now } = performance;
    listener.onDatagrams = () => {
      // the new one gets its descriptor, and its turn is not over
      unsubscribe(kernel, Group.Kernel);
      subscribe(kernel, Group.Udev);
      performance.now = () => 0;
      send(Group.Udev, text);
      listener.onDatagrams = () => {};
    };
    writer.write(200);
    await turn();
    await turn();
    performance.now = now;
    await until("udev's", () => listener.of(writer.uuid).some(({ bytes }) => `${bytes}` === text));
    assert.is(listener.of(writer.uuid).at(-1)?.group, Group.Udev);
  },
  "python3",
);

withWriter("a subscription can end within a loss", async (writer) => {
  for (const isCounting of [true, false]) {
    const { socket, listener } = listenBy({ receiveBufferBytes: 1, isCounting });
    listener.onLost = () => socket.close();
    writer.write(50);
    await until("the loss", () => listener.losses.length > 0);
    writer.write(50);
    for (let turns = 0; turns < 20; turns++) await turn();
    assert.is(listener.losses.length, 1);
    socket.close();
  }
});

test("subscribing: once, to a group that there is, by who is connected", async () => {
  const before = descriptorCount();
  const kernel = new LinuxKernel();
  assert.is(await subscribe(kernel, Group.Kernel), -ENOTCONN);
  kernel.connect(new Listener());
  for (const group of [Group.None, 3, -1]) {
    assert.is(await subscribe(kernel, group), -Errno.EINVAL);
    assert.is(await unsubscribe(kernel, group), -ENOTCONN);
  }
  for (const group of [Group.Kernel, Group.Udev]) {
    assert.is(kernel.receiveBufferBytes(group), undefined);
    assert.is(await unsubscribe(kernel, group), -ENOTCONN);
    assert.ok(Number(await subscribe(kernel, group)) >= 0);
    assert.is(await subscribe(kernel, group), -EALREADY);
    assert.ok((kernel.receiveBufferBytes(group) ?? 0) > 0);
    for (let again = 0; again < 100; again++) {
      assert.is(await unsubscribe(kernel, group), 0);
      assert.ok(Number(await subscribe(kernel, group)) >= 0);
    }
  }
  assert.is(descriptorCount(), before + 2);
  await kernel.close();
  assert.is(descriptorCount(), before);
  assert.is(await subscribe(kernel, Group.Kernel), -ENOTCONN);
  const short = { ...new Listener(), slots: new Uint8Array(8192) };
  assert.throws(
    () => UeventSocket.open(Group.Kernel, short as unknown as Listener),
    /8192 bytes of slots/,
  );
  assert.is(descriptorCount(), before);
});

test("a socket never waits and is closed on exec", async () => {
  const { kernel } = listen();
  const before = sockets();
  await subscribe(kernel, Group.Kernel);
  const fresh = [...sockets()].filter(([link]) => !before.has(link));
  assert.is(fresh.length, 1);
  const flags = readFileSync(`/proc/self/fdinfo/${fresh[0]?.[1]}`, "utf8");
  assert.match(flags, /^flags:\s+0?2004002$/m);
});

/** SEQNUM of the last event of anybody. */
function readSeqnum(): bigint {
  return BigInt(readFileSync("/sys/kernel/uevent_seqnum", "utf8").trim());
}

/** Descriptors of this process by what they lead to, `socket:[12345]`. */
function sockets(): Map<string, string> {
  const links = readdirSync("/proc/self/fd").map((name) => {
    return [attempt(() => readlinkSync(`/proc/self/fd/${name}`)) ?? "", name] as const;
  });
  return new Map(links.filter(([link]) => link.startsWith("socket:")));
}

test.run();
