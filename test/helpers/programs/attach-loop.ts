/**
 * Attaches and detaches an image again and again: `attach-loop IMAGE MARKER OFFSET ROUNDS`.
 *
 * Each time the marker must be read at the offset of partition 1, through the disk and through the
 * partition. Prints one line a round: `ok DEVICE`, `wrong WHAT` or `failed WHY`.
 */
import { open } from "node:fs/promises";
import { attach } from "../../../host/index.ts";

const [image = "", marker = "", offset = "", rounds = ""] = process.argv.slice(2);

for (let round = 0; round < Number(rounds); round++) {
  try {
    const attachment = await attach(image);
    const { start = 0 } = attachment.partitions[0] ?? {};
    const texts = [
      await read(`${attachment.device}p1`, Number(offset)),
      await read(attachment.device, start + Number(offset)),
    ];
    await attachment.detach();
    const isRight = texts.every((text) => text === marker);
    console.log(`${isRight ? "ok" : `wrong ${texts.join(", ")}:`} ${attachment.device}`);
  } catch (error) {
    console.log(`failed ${(error as Error).stack?.replaceAll("\n", " ")}`);
  }
}

async function read(node: string, position: number): Promise<string> {
  const file = await open(node, "r");
  try {
    const bytes = Buffer.alloc(marker.length);
    await file.read(bytes, 0, bytes.length, position);
    return bytes.toString("latin1");
  } finally {
    await file.close();
  }
}
