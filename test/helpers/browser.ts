/**
 * Pages in a real browser without a window: the system's chromium, found by its name. Whatever a
 * page complains of or asks for is kept, so that a test can say there was nothing.
 */
import { execFileSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { coreSha256, loadDefaultCore } from "../../host/core-file.ts";
import { openLog } from "../../host/trace/explain/open.ts";
import { writePage } from "../../host/trace/explain/page.ts";

export interface OpenedPage {
  readonly page: Page;
  /** errors of the page and of its console, and every address but its own that it asked for */
  readonly complaints: readonly string[];
  /** milliseconds from navigation until it is drawn and listens */
  readonly readyMs: number;
}

export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
}

export async function launch(): Promise<Browser> {
  const path = execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
  // Tests run as root, where its sandbox does not work; the pages are ours.
  return await chromium.launch({ executablePath: path, args: ["--no-sandbox"] });
}

/** Writes a log's page as the command does. */
export async function explainTo(out: string, log: string): Promise<void> {
  await writePage(out, await openLog(log, loadDefaultCore, coreSha256()), log);
}

/** From the file, as people do. */
export async function openPage(
  browser: Browser,
  path: string,
  { width = 1280, height = 800 }: PageOptions = {},
): Promise<OpenedPage> {
  const page = await browser.newPage({ viewport: { width, height } });
  const own = pathToFileURL(path).href;
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (request.url() !== own) complaints.push(`asked for ${request.url()}`);
  });
  await page.goto(own);
  // The page itself must not evaluate texts, so nobody can ask it whether it is ready yet.
  await page.locator("html.ready").waitFor({ state: "attached", timeout: 60_000 });
  const mark = "performance.getEntriesByName('diskseq:ready')[0].startTime";
  return { page, complaints, readyMs: Number(await page.evaluate(mark)) };
}
