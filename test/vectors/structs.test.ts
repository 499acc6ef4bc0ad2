/**
 * The bytes of loop_config, loop_info64 and blkpg_partition: attaches as `structs.md` asks for
 * them, on both builds, against a scripted kernel. `SNAP_UPDATE=1` rewrites the logs.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BlkpgOperation, Ioctl } from "../../assembly/wire/linux.ts";
import { Call, Command, CommandFlag, type CoreCommand, Event, Partscan } from "../../host/core.ts";
import type { KernelCall } from "../../host/kernel.ts";
import { syscallName } from "../../host/names.ts";
import { Bench } from "../helpers/bench.ts";
import { openBoth } from "../helpers/cores.ts";
import { imageOf } from "../helpers/scripted-disks.ts";
import { ScriptedKernel } from "../helpers/scripted-kernel.ts";
import { isUpdate, readVectorFiles, type Vector } from "../helpers/vectors.ts";

const imageBytes = 65536;
/** Two partitions in slots 1 and 3, in 512-byte sectors. */
const slots = [
  { number: 1, start: 8, size: 16 },
  { number: 3, start: 32, size: 96 },
];

for (const file of readVectorFiles()) {
  const vectors = file.vectors.filter(({ kind }) => kind === "attach");
  const logs: string[][] = [];
  for (const vector of vectors) {
    test(`${vector.place} ${vector.title}`, async () => {
      const log = await run(vector);
      logs.push(log);
      if (!isUpdate) assert.equal(log.join("\n"), vector.log.join("\n"));
    });
  }
  if (isUpdate && vectors.length > 0) test(`${file.name} is rewritten`, () => file.update(logs));
}

/** Attaches, and says what the calls that change the device had in their buffers. */
async function run(vector: Vector): Promise<string[]> {
  const options = new Map(vector.input.map((line) => line.split("=", 2) as [string, string]));
  const kernel = new ScriptedKernel(imageOf(image(options.has("table"))));
  kernel.table = slots;
  kernel.hasConfigure = options.get("hasConfigure") !== "no";
  const bench = new Bench(await openBoth({ operations: 1 }), kernel);
  const end = bench.run(commandOf(options));
  assert.is(end.event, Event.Attached);
  return kernel.log.filter(({ call }) => changesDevice(call)).flatMap(({ call }) => dump(call));
}

function image(hasTable: boolean): Uint8Array {
  const bytes = Buffer.alloc(imageBytes);
  if (!hasTable) return bytes;
  for (const { number, start, size } of slots) {
    const at = 0x1be + 16 * (number - 1);
    bytes.writeUInt8(0x83, at + 4);
    bytes.writeUInt32LE(start, at + 8);
    bytes.writeUInt32LE(size, at + 12);
  }
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

function commandOf(options: ReadonlyMap<string, string>): CoreCommand {
  const flags = (options.get("flags") ?? "").split(",").filter((name) => name !== "");
  return {
    command: Command.Attach,
    flags: flags.reduce((bits, name) => bits | CommandFlag[name as keyof typeof CommandFlag], 0),
    offset: BigInt(options.get("offset") ?? 0),
    sizeLimit: BigInt(options.get("sizeLimit") ?? 0),
    sectorSize: Number(options.get("sectorSize") ?? 0),
    partscan: options.get("partscan") === "user" ? Partscan.User : Partscan.Kernel,
    reference: new TextEncoder().encode(options.get("reference") ?? ""),
  };
}

function changesDevice({ call, request }: KernelCall): boolean {
  if (call === Call.Blkpg) return request === BlkpgOperation.BLKPG_ADD_PARTITION;
  return request === Ioctl.LOOP_CONFIGURE || request === Ioctl.LOOP_SET_STATUS64;
}

function dump({ call, request, bytes }: KernelCall): string[] {
  const lines = [`${syscallName(call, request)} ${bytes.length} bytes`];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    if (row.every((byte) => byte === 0)) continue;
    lines.push(
      `${String(at).padStart(4)}: ${Buffer.from(row)
        .toString("hex")
        .replace(/..(?=.)/g, "$& ")}`,
    );
  }
  return lines;
}

test.run();
