/**
 * How long the page of a log takes: to be written, and in a browser from its opening until it is
 * drawn and listens, and from there to the last record of its machine.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { explainTo, launch, openPage } from "../helpers/browser.ts";
import { recordEvents } from "../helpers/long-trace.ts";
import { missing } from "../helpers/needs.ts";
import type { Scale } from "./scale.ts";
import { figure, Rounds, type Section, skipped } from "./table.ts";

const written = "written, from the log";
const opened = "opened, drawn and listening";
const stepped = "its machine at the last record";

export async function page(scale: Scale, directory: string): Promise<Section> {
  const title = "the page of a log";
  const reason = await missing(["chromium"]);
  if (reason !== undefined) {
    const rows = [written, opened, stepped].map((name) => skipped(name, reason));
    return { title, columns: [], rows, notes: [] };
  }
  const { searches: rounds, pageEvents: events } = scale;
  const [log, out] = [join(directory, "page.ndjson"), join(directory, "page.html")];
  await recordEvents(log, events);
  const browser = await launch();
  const measured = new Rounds();
  try {
    for (let round = 0; round < rounds; round++) {
      const began = performance.now();
      await explainTo(out, log);
      measured.add(written, performance.now() - began);
      const { page: own, readyMs } = await openPage(browser, out);
      measured.add(opened, readyMs);
      const asked = performance.now();
      await own.locator("#last").click();
      await own.locator("#verdict.good").waitFor();
      measured.add(stepped, performance.now() - asked);
      await own.close();
    }
  } finally {
    await browser.close();
  }
  const rows = [written, opened, stepped].map((name) => {
    const ms = measured.median(name);
    return { name, cells: [figure(ms)], values: { ms } };
  });
  const sizes = [log, out].map((path) => `${figure(statSync(path).size / 2 ** 20)} MiB`);
  return {
    title,
    columns: ["ms"],
    rows,
    notes: [
      `${figure(events)} events: a trace of ${sizes[0]}, a page of ${sizes[1]};`,
      `medians of ${rounds} rounds.`,
    ],
  };
}
