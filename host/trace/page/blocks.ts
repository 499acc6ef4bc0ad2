/** Takes out of the page what lies in it compressed. */
import { bytesOfBase64 } from "../../base64.ts";
import type { Block } from "./data.ts";

/** The bytes of a block; undefined where the page has none of that name. */
export async function blockBytes(name: Block): Promise<Uint8Array | undefined> {
  const text = document.getElementById(name)?.textContent;
  if (text === null || text === undefined) return undefined;
  const packed = bytesOfBase64(text.trim());
  if (packed === undefined) throw new Error(`the page is damaged: ${name}`);
  const stream = new Blob([new Uint8Array(packed)]).stream();
  const unpacked = stream.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

export async function blockText(name: Block): Promise<string> {
  return new TextDecoder().decode(await blockBytes(name));
}
