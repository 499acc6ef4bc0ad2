/**
 * Runs the page in headless Chromium: serves it on the loopback, waits for what it posts, ends the
 * browser. Needs no library: a page can tell its result by itself.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { scratchRoot } from "../helpers/root.ts";
import type { VectorFile } from "./runner.ts";

/** What a host printed, and how it ended. */
export interface Printed {
  readonly status: number;
  readonly text: string;
}

const deadlineMs = 60_000;

const html = `<!doctype html>
<script type="importmap">
  {"imports": {"diskseq/core": "/node_modules/diskseq/build/host/core.js"}}
</script>
<script type="module">
  const post = (text) => fetch("/result", { method: "POST", body: text });
  import("/page.js").then(({ runPage }) => runPage()).then(post, (error) => post("1\\n" + error));
</script>`;

/** `directory`: where the page's modules and the package lie. */
export async function runInChromium(
  browser: string,
  directory: string,
  core: string,
  files: readonly VectorFile[],
): Promise<Printed> {
  const site = new Site(directory, readFileSync(core), files);
  const port = await site.open();
  const profile = mkdtempSync(join(scratchRoot, "chromium-"));
  const child = spawn(
    browser,
    [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
      ...["--no-first-run", "--disable-background-networking", "--disable-component-update"],
      `--user-data-dir=${profile}`,
      `http://127.0.0.1:${port}/`,
    ],
    { stdio: "ignore", detached: true },
  );
  const gone = once(child, "exit").then(
    ([status]) => `1\nthe browser ended by itself: ${status}`,
    (error: Error) => `1\n${error.message}`,
  );
  const late = sleep(deadlineMs, `1\nno result within ${deadlineMs} ms`, { ref: false });
  try {
    const [status = "", ...lines] = (await Promise.race([site.result, gone, late])).split("\n");
    return { status: Number(status), text: lines.join("\n") };
  } finally {
    endGroup(child.pid);
    await gone;
    site.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** The browser and the processes that it started. */
function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It is gone.
  }
}

class Site {
  readonly result: Promise<string>;
  readonly #directory: string;
  readonly #core: Uint8Array;
  readonly #files: readonly VectorFile[];
  readonly #server: Server;
  #settle: (text: string) => void = () => {};

  constructor(directory: string, core: Uint8Array, files: readonly VectorFile[]) {
    this.#directory = directory;
    this.#core = core;
    this.#files = files;
    this.result = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** The port that it listens on. */
  async open(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (pathname === "/result") {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      response.end();
      this.#settle(Buffer.concat(pieces).toString());
      return;
    }
    const body = this.#read(pathname);
    response.writeHead(body === undefined ? 404 : 200, { "content-type": typeOf(pathname) });
    response.end(body);
  }

  #read(pathname: string): string | Uint8Array | undefined {
    if (pathname === "/") return html;
    if (pathname === "/core.wasm") return this.#core;
    if (pathname === "/files") return this.#files.map(({ name }) => name).join("\n");
    const file = this.#files.find(({ name }) => pathname === `/files/${name}`);
    if (file) return file.text;
    // A pathname has no step up in it.
    return pathname.endsWith(".js") ? readFileSync(join(this.#directory, pathname)) : undefined;
  }
}

function typeOf(pathname: string): string {
  if (pathname === "/") return "text/html";
  return pathname.endsWith(".js") ? "text/javascript" : "application/octet-stream";
}
