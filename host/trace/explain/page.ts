/**
 * Writes a log as one page: what the page's own code shows (`page/`), in a file that needs nothing
 * else and reaches nothing. Whatever a log holds lies in it compressed, in base64: no text of a log
 * is ever read as HTML.
 */
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { createGzip, gzipSync } from "node:zlib";
import { coreSha256, coreWasmUrl } from "../../core-file.ts";
import { LoopError } from "../../errors.ts";
import { type Block, encodeLog, encodeStory } from "../page/data.ts";
import type { OpenedLog } from "./open.ts";
import { storyOf } from "./story.ts";

/** Bytes of a trace, compressed; browsers take no larger page with ease. */
const traceMax = 64 * 1024 * 1024;

/** What the build makes of `page/`, beside this file's folder. */
function built(name: string): string {
  return readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
}

/**
 * `path` is what the log was opened by. Rejects with ERR_LOOP_ARGUMENT where the page cannot be
 * written, or the trace is too large for one.
 */
export async function writePage(out: string, opened: OpenedLog, path: string): Promise<void> {
  const story = storyOf(opened.log);
  const wasm = readFileSync(coreWasmUrl);
  const about = { path, core: coreSha256(wasm) };
  const packed: Readonly<Record<Block, Buffer>> = {
    log: gzipSync(encodeLog(opened.log, about)),
    story: gzipSync(encodeStory(story)),
    trace: await packTrace(opened, path),
    core: gzipSync(wasm),
  };
  const script = built("page.js");
  const style = built("page.css");
  const parts: Readonly<Record<string, string>> = {
    policy: `<meta http-equiv="Content-Security-Policy" content="${policyOf(script, style)}">`,
    style: `<style>${style}</style>`,
    blocks: Object.entries(packed).map(blockText).join("\n"),
    script: `<script>${script}</script>`,
  };
  const page = built("page.html").replace(
    /<!-- (\w+) -->/g,
    (_, name: string) => parts[name] ?? "",
  );
  try {
    writeFileSync(out, page);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new LoopError("ERR_LOOP_ARGUMENT", `the page cannot be written: ${reason}`, { cause });
  }
}

function blockText([name, bytes]: readonly [string, Buffer]): string {
  return `<script type="application/gzip" id="${name}">${bytes.toString("base64")}</script>`;
}

/** Nothing is fetched, and nothing runs but what is written here. */
function policyOf(script: string, style: string): string {
  const hash = (text: string): string =>
    `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return [
    "default-src 'none'",
    `script-src ${hash(script)} 'wasm-unsafe-eval'`,
    `style-src ${hash(style)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

async function packTrace({ trace }: OpenedLog, path: string): Promise<Buffer> {
  const source =
    trace === undefined
      ? createReadStream(path)
      : Readable.from(trace.map((line) => Buffer.from(`${line}\n`)));
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of source.pipe(createGzip())) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes <= traceMax) continue;
    const limit = `${traceMax / 2 ** 20} MiB compressed`;
    throw new LoopError("ERR_LOOP_ARGUMENT", `the trace is too large for a page: over ${limit}`);
  }
  return Buffer.concat(pieces);
}
