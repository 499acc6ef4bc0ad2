/**
 * `explain --html` in a real browser: the page asks for nothing, its machine is the one of `replay`
 * forth and back, whatever a log holds stays text, and all of it works by keys.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { coreSha256, loadDefaultCore } from "../../host/core-file.ts";
import { record } from "../../host/trace/index.ts";
import { linesOf } from "../../host/trace/reader.ts";
import { replay } from "../../host/trace/replay.ts";
import { type CoreState, describeState } from "../../host/trace/state.ts";
import { explainTo, launch, openPage } from "../helpers/browser.ts";
import { recordEvents } from "../helpers/long-trace.ts";
import { missing } from "../helpers/needs.ts";
import { command } from "../helpers/process.ts";
import { packageRoot, scratchRoot } from "../helpers/root.ts";
import { recordAttach } from "../helpers/simulations.ts";
import { skip } from "../helpers/skip.ts";
import { traceNames } from "../helpers/traces.ts";

const directory = mkdtempSync(join(scratchRoot, "diskseq-page-"));
let browser: Browser | undefined;

test.after(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A test of pages; skipped where there is no browser. */
function pageTest(name: string, run: (own: Browser) => Promise<void>): void {
  test(name, async () => {
    const reason = await missing(["chromium"]);
    if (reason !== undefined) {
      skip(`${name}: ${reason}`);
      return;
    }
    browser ??= await launch();
    await run(browser);
  });
}

/** The file with the trace of an attach. */
async function attachTrace(name: string): Promise<string> {
  const path = join(directory, `${name}.ndjson`);
  await recordAttach(path, "6.1.192");
  return path;
}

interface Shown {
  readonly records: number;
  readonly hash: string;
  readonly state: CoreState;
}

async function replayed(path: string, to: number): Promise<Shown> {
  let state: CoreState | undefined;
  const { records, hash } = await replay(linesOf(path), loadDefaultCore, {
    to,
    onEnd: ({ operations, partitions }, core) => {
      state = describeState(core, operations, partitions);
    },
  });
  assert.ok(state);
  return { records, hash, state };
}

/** What the page's machine shows once it stands behind a record. */
async function shown(page: Page, record: number): Promise<Shown> {
  await page.locator("#where", { hasText: new RegExp(`^record ${record} of `) }).waitFor();
  return JSON.parse((await text(page, "#state-json")) ?? "");
}

async function text(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? "";
}

async function texts(page: Page, selector: string): Promise<string[]> {
  return await page.locator(selector).allTextContents();
}

/** The page draws once a frame. */
async function drawn(page: Page): Promise<void> {
  await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))");
}

for (const name of traceNames) {
  pageTest(`${name}: opens, says what happened, asks for nothing`, async (own) => {
    const out = join(directory, `${name}.html`);
    const log = join(packageRoot, `test/traces/${name}.ndjson.gz`);
    const { status, stderr } = await command(["explain", log, "--html", out]);
    assert.is(status, 0, stderr);
    const { page, complaints } = await openPage(own, out);
    assert.match(await text(page, "#headline"), "were plugged, dead, plugged");
    assert.ok((await texts(page, "#lanes text.name")).includes("loop300"));
    // An imported log has a trace that was made of it.
    await page.locator("#findings button.finding").first().click();
    await page.locator("#verdict.good").waitFor();
    assert.match(await text(page, "#strings"), "SUBSYSTEM=block");
    assert.equal(complaints, []);
    await page.close();
  });
}

pageTest("forth and back, the machine is that of replay", async (own) => {
  const path = await attachTrace("attach");
  const out = join(directory, "attach.html");
  await explainTo(out, path);
  const { page, complaints } = await openPage(own, out);
  const { records } = await replayed(path, Number.MAX_SAFE_INTEGER);
  const slider = page.locator("#record");
  for (const record of [0, 40, records - 1, 41, 40, 39, 7, 100, 99]) {
    await slider.fill(String(record));
    assert.equal(await shown(page, record), await replayed(path, record), `record ${record}`);
  }
  const keys = { ArrowRight: 100, ArrowLeft: 99, PageUp: 0, End: records - 1, Home: 0 };
  for (const [key, record] of Object.entries(keys)) {
    await page.keyboard.press(key);
    assert.equal(await shown(page, record), await replayed(path, record), key);
  }
  await page.keyboard.press(" ");
  await page.locator("#where", { hasText: /^record ([3-9]|\d\d+) of/ }).waitFor();
  await page.locator("#play").click();
  await page.keyboard.press("Home");
  await shown(page, 0);
  assert.ok((await page.locator("#state tr.changed").count()) > 0, "what changed is marked");
  assert.is(await page.locator("#verdict").getAttribute("class"), "good");
  assert.equal(complaints, []);
  await page.close();
});

pageTest("back over checkpoints of a longer trace", async (own) => {
  const path = join(directory, "longer.ndjson");
  await recordEvents(path, 3000);
  const out = join(directory, "longer.html");
  await explainTo(out, path);
  const { page } = await openPage(own, out);
  await page.locator("#first").click();
  await shown(page, 0);
  for (const record of [6003, 5999, 300, 2817, 256, 255, 4000]) {
    await page.locator("#record").fill(String(record));
    assert.equal(await shown(page, record), await replayed(path, record), `record ${record}`);
  }
  await page.close();
});

pageTest("where trace and core differ the machine stops and says so", async (own) => {
  const path = await attachTrace("changed");
  const lines = readFileSync(path, "utf8").split("\n");
  const index = lines.findIndex((line) => line.includes('"out":"call"'));
  const line = lines[index]?.replace(/"call":"\w+"/, '"call":"Fsync"') ?? "";
  writeFileSync(path, lines.with(index, line).join("\n"));
  const out = join(directory, "changed.html");
  await explainTo(out, path);
  const { page } = await openPage(own, out);
  await page.locator("#last").click();
  await page.locator("#verdict.bad").waitFor();
  assert.match(await text(page, "#verdict"), `line ${index + 1} differs`);
  assert.match(await text(page, "#difference"), /trace .*"Fsync".*\ncore {2}\{/);
  // Before that, all is well.
  await page.locator("#first").click();
  await page.locator("#verdict.good").waitFor();
  await page.close();
});

pageTest("a trace that was cut off in a line runs as far as it goes, and back", async (own) => {
  const path = join(directory, "cut.ndjson");
  const whole = readFileSync(await attachTrace("whole"), "utf8")
    .trimEnd()
    .split("\n");
  writeFileSync(path, whole.slice(0, 30).join("\n").slice(0, -9));
  const out = join(directory, "cut.html");
  await explainTo(out, path);
  const { page } = await openPage(own, out);
  await page.locator("#last").click();
  await page.locator("#verdict.bad").waitFor();
  assert.match(await text(page, "#verdict"), "not JSON; was it cut off");
  await page.keyboard.press("ArrowLeft");
  await page.locator("#verdict.good").waitFor();
  assert.match(await text(page, "#more"), "cut short");
  await page.close();
});

pageTest("where the core panics it says so, and another goes on from before", async (own) => {
  const path = join(directory, "panic.ndjson");
  const core = loadDefaultCore({ operations: 1 });
  const trace = record(path, core, { core: coreSha256(), facts: {} });
  core.handleTimeout(2_000n);
  // Time that runs backwards.
  assert.throws(() => core.handleTimeout(1_000n), /panicked/);
  assert.is(await trace.close(), undefined);
  const out = join(directory, "panic.html");
  await explainTo(out, path);
  const { page } = await openPage(own, out);
  await page.locator("#last").click();
  await page.locator("#verdict.bad").waitFor();
  assert.match(await text(page, "#verdict"), "the core panicked at");
  assert.equal(await shown(page, 0), await replayed(path, 0));
  await page.locator("#first").click();
  await page.locator("#verdict.good").waitFor();
  await page.close();
});

/** Would run if any of it were read as HTML. */
const hostile = "</script><img src=x onerror=hostile=1>";
/** No disk's name is longer, or has a slash. */
const hostileDisk = "<img src=x onerror=hostile=1>";

pageTest("names in a log stay text", async (own) => {
  const strings = [
    "ACTION=add",
    `DEVPATH=/devices/virtual/block/${hostileDisk}`,
    "SUBSYSTEM=block",
    "MAJOR=7",
    "MINOR=0",
    `DEVNAME=${hostileDisk}`,
    "DEVTYPE=disk",
    `PARTNAME=${hostile}`,
    "DISKSEQ=7",
    "SEQNUM=1",
  ];
  const head = `KERNEL[1.000001] add ${strings[1]?.slice(8)} (block)`;
  const log = join(directory, `${hostileDisk}.log`);
  const lines = ["KERNEL - the kernel uevent", "", head, ...strings, "", ""];
  writeFileSync(log, lines.join("\n"));
  const out = join(directory, "hostile.html");
  await explainTo(out, log);
  const { page, complaints } = await openPage(own, out);
  assert.ok((await texts(page, "#lanes text.name")).includes(hostileDisk));
  assert.ok((await texts(page, "#disk option")).includes(hostileDisk));
  await page.locator("#lanes").focus();
  await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("Enter");
  assert.match(await text(page, "#strings"), `PARTNAME=${hostile}`);
  assert.match(await text(page, "#file"), "<img src=x");
  assert.is(await page.evaluate("window.hostile"), undefined);
  assert.is(await page.locator("img").count(), 0);
  assert.equal(complaints, []);
  await page.close();
});

pageTest("keys lead through moments, and change what is looked at", async (own) => {
  const path = join(directory, "keys.ndjson");
  await recordEvents(path, 400);
  const out = join(directory, "keys.html");
  await explainTo(out, path);
  const { page } = await openPage(own, out);
  const axis = () => page.locator("#axis").innerHTML();
  const whole = await axis();
  await page.locator("#lanes").focus();
  for (const key of ["+", "+", "+", "ArrowLeft", "ArrowRight", "-"]) {
    const before = await axis();
    await page.keyboard.press(key);
    await drawn(page);
    assert.not.equal(await axis(), before, key);
  }
  await page.keyboard.press("0");
  await drawn(page);
  assert.equal(await axis(), whole);
  await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("Shift+ArrowRight");
  assert.match(await text(page, "#said"), "kernel loop");
  await page.keyboard.press("Shift+ArrowDown");
  assert.match(await text(page, "#said"), "partition 1");
  assert.is(await page.locator("#moment").isVisible(), false);
  await page.keyboard.press("Enter");
  await page.locator("#moment").waitFor();
  assert.match(await text(page, "#moment-title"), "partition 1");
  assert.match(await text(page, "#moment-facts"), "mine: of the instance");
  await page.locator("#strings").waitFor();
  await page.close();
});

pageTest("what is shown can be chosen", async (own) => {
  const path = join(directory, "filters.ndjson");
  await recordEvents(path, 400);
  const out = join(directory, "filters.html");
  await explainTo(out, path);
  const { page } = await openPage(own, out);
  const lanes = async () => {
    await drawn(page);
    return await texts(page, "#lanes text.name");
  };
  const shownMoments = async () => Number((await text(page, "#shown")).split(" ")[0]);
  const all = await shownMoments();
  await page.locator("#disk").selectOption("loop6");
  assert.equal((await lanes()).slice(0, 4), ["loop6", "p1", "p2", "p3"]);
  assert.not.ok((await lanes()).includes("loop7"));
  const ofDisk = await shownMoments();
  assert.ok(ofDisk < all);
  await page.locator("#text").fill("remove partition 3");
  const removed = await shownMoments();
  assert.ok(removed > 0 && removed < ofDisk, `${removed} of ${ofDisk}`);
  await page.locator("#text").fill("");
  await page.locator("#disk").selectOption("");
  await page.locator("#only-flaps").check();
  const near = await shownMoments();
  assert.ok(near > 0 && near < all, `${near} of ${all}`);
  await page.locator("#only-flaps").uncheck();
  await page.getByLabel("uevents").uncheck();
  assert.ok((await shownMoments()) < 10);
  await page.getByLabel("uevents").check();
  const byOrder = await texts(page, "#axis text");
  await page.getByLabel("by time").check();
  await drawn(page);
  assert.not.equal(await texts(page, "#axis text"), byOrder);
  await page.close();
});

pageTest("a mark that is clicked shows its moment", async (own) => {
  const path = join(directory, "click.ndjson");
  await recordEvents(path, 6);
  const out = join(directory, "click.html");
  await explainTo(out, path);
  const { page } = await openPage(own, out);
  const box = await page.locator("#lanes .mark").first().boundingBox();
  assert.ok(box);
  await page.mouse.click(box.x + 4, box.y + box.height / 2);
  await page.locator("#moment").waitFor();
  assert.is(await text(page, "#moment-title"), "change");
  await page.close();
});

pageTest("a page of 50 000 events opens, and draws only what is seen", async (own) => {
  const path = join(directory, "long.ndjson");
  await recordEvents(path, 50_000);
  const out = join(directory, "long.html");
  await explainTo(out, path);
  const { page, complaints } = await openPage(own, out);
  assert.match(await text(page, "#shown"), "50,003 of 50,003");
  const elements = await page.locator("#lanes *").count();
  assert.ok(elements < 2000, `${elements} elements`);
  await page.locator("#last").click();
  await page.locator("#where", { hasText: "record 100003 of 100003" }).waitFor();
  assert.is(await page.locator("#verdict").getAttribute("class"), "good");
  assert.equal(complaints, []);
  await page.close();
});

test.run();
