/**
 * The host in a browser: fetches core.wasm and the files of one set from where it was loaded from,
 * and posts what it found. Loads no Node module, as nothing of `diskseq/core` does.
 */
import { runFiles } from "./runner.ts";

/** What `/result` is sent. */
export async function runPage(): Promise<string> {
  const wasm = new Uint8Array(await (await fetch("/core.wasm")).arrayBuffer());
  const names = (await (await fetch("/files")).text()).split("\n");
  const files = [];
  for (const name of names) {
    files.push({ name, text: await (await fetch(`/files/${name}`)).text() });
  }
  const { lines, isGood } = runFiles("chromium", files, wasm);
  return [isGood ? 0 : 1, ...lines].join("\n");
}
