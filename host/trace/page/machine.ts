/**
 * The panel in which the real core runs through the trace: a slider, buttons, and what the machine
 * remembers, with what changed by the last record. Loads the trace when somebody asks for it.
 */
import type { CoreState, StateWords } from "../state.ts";
import { blockBytes } from "./blocks.ts";
import type { PageData } from "./data.ts";
import { byId, h } from "./dom.ts";
import { type Seen, Stepper } from "./stepper.ts";

/** Records of a page key; and a second while it plays. */
const pageRecords = 100;
const playMs = 140;

export class Machine {
  readonly #data: PageData;
  readonly #stands: (record: number) => void;
  readonly #slider = byId<HTMLInputElement>("record");
  #opening: Promise<Stepper | undefined> | undefined;
  #seen: Seen | undefined;
  /** Raised by whoever wants it elsewhere. */
  #wish = 0;
  #queue: Promise<void> = Promise.resolve();
  #target = -1;
  #playing: ReturnType<typeof setInterval> | undefined;

  constructor(data: PageData, stands: (record: number) => void) {
    this.#data = data;
    this.#stands = stands;
    const { moments } = data.log;
    this.#slider.max = String(moments.findLast(({ record }) => record !== null)?.record ?? 0);
    this.#slider.addEventListener("input", () => this.go(Number(this.#slider.value)));
    const acts: Record<string, () => void> = {
      first: () => this.go(0),
      "page-back": () => this.by(-pageRecords),
      back: () => this.by(-1),
      play: () => this.#toggle(),
      on: () => this.by(1),
      "page-on": () => this.by(pageRecords),
      last: () => this.go(Number.POSITIVE_INFINITY),
    };
    for (const [id, act] of Object.entries(acts)) byId(id).addEventListener("click", act);
    document.addEventListener("keydown", (event) => this.#key(event, acts));
  }

  by(records: number): void {
    this.go(Math.max(this.#target + records, 0));
  }

  /** To behind a record. */
  go(record: number): Promise<void> {
    this.#target = record;
    const wish = ++this.#wish;
    this.#queue = this.#queue
      .then(() => this.#run(wish))
      .catch((error: Error) => this.#say(`The machine stopped: ${error.message}`, "bad"));
    return this.#queue;
  }

  /** A record's line; undefined where there is no trace. */
  async text(record: number): Promise<string | undefined> {
    return (await this.#stepper())?.text(record);
  }

  #stepper(): Promise<Stepper | undefined> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<Stepper | undefined> {
    this.#say("unpacking the trace …");
    try {
      const [trace, wasm] = await Promise.all([blockBytes("trace"), blockBytes("core")]);
      if (trace === undefined || wasm === undefined) throw new Error("the page has no trace");
      const stepper = await Stepper.open(trace, wasm);
      this.#slider.max = String(stepper.records - 1);
      return stepper;
    } catch (error) {
      this.#say(`The machine cannot run here: ${(error as Error).message}`, "bad");
      return undefined;
    }
  }

  async #run(wish: number): Promise<void> {
    if (wish !== this.#wish) return;
    const stepper = await this.#stepper();
    if (stepper === undefined) return;
    const isWanted = (): boolean => wish === this.#wish;
    const to = Math.min(this.#target, stepper.records - 1);
    this.#target = to;
    // What the last record changed is told, wherever one comes from.
    if (this.#seen?.record !== to - 1 || stepper.record !== to - 1) {
      if (!(await stepper.seek(to - 1, isWanted))) return;
      this.#seen = stepper.see();
    }
    const before = this.#seen;
    await stepper.seek(to, isWanted);
    this.#seen = stepper.see();
    this.#show(stepper, before);
  }

  /* What is shown. */

  #say(text: string, name = ""): void {
    const verdict = byId("verdict");
    verdict.textContent = text;
    verdict.className = name;
  }

  #show(stepper: Stepper, before: Seen): void {
    const seen = this.#seen ?? before;
    const { record, hash, state } = seen;
    this.#slider.value = String(record);
    this.#slider.setAttribute("aria-valuetext", `record ${record}`);
    byId("where").textContent = `record ${record} of ${stepper.records - 1}`;
    byId("hash").textContent = hash;
    byId("record-text").textContent = record < 0 ? "" : summary(stepper.text(record));
    this.#judge(stepper);
    showState(state, before.state);
    const json = { records: record + 1, hash, state };
    byId("state-json").textContent = JSON.stringify(json, null, 2);
    this.#stands(record);
  }

  #judge(stepper: Stepper): void {
    const { failure, divergence, header } = stepper;
    const other =
      header.core === this.#data.about.core ? "" : " It was recorded with another core.";
    byId("difference").hidden = divergence === undefined;
    if (failure === undefined) {
      this.#say(`equal to the trace up to here.${other}`, "good");
      return;
    }
    this.#stop();
    const { expected = "", actual = "" } = divergence ?? {};
    this.#say(`Record ${failure.record}: ${failure.text}.${other}`, "bad");
    byId("difference").textContent = `trace ${expected}\ncore  ${actual}`;
  }

  /* Keys, and playing. */

  #key(event: KeyboardEvent, acts: Readonly<Record<string, () => void>>): void {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const { target } = event;
    if (!(target instanceof HTMLElement)) return;
    if (target.matches("select, summary, input:not([type=range])")) return;
    const names: Record<string, string> = {
      ArrowLeft: "back",
      ArrowRight: "on",
      PageUp: "page-back",
      PageDown: "page-on",
      Home: "first",
      End: "last",
      " ": "play",
    };
    const name = names[event.key];
    // A button's own key is its own.
    if (name === undefined || (name === "play" && target.matches("button"))) return;
    event.preventDefault();
    acts[name]();
  }

  #toggle(): void {
    if (this.#playing !== undefined) {
      this.#stop();
      return;
    }
    this.#playing = setInterval(() => {
      const isAtEnd = this.#target >= Number(this.#slider.max);
      if (isAtEnd) this.#stop();
      else this.by(1);
    }, playMs);
    this.#showPlaying(true);
  }

  #stop(): void {
    clearInterval(this.#playing);
    this.#playing = undefined;
    this.#showPlaying(false);
  }

  #showPlaying(isOn: boolean): void {
    byId("play").textContent = isOn ? "❚❚" : "▶";
    byId("play").setAttribute("aria-label", isOn ? "stop" : "play");
  }
}

/** What a record is, in a line. */
function summary(text: string): string {
  try {
    const { n: _, t: __, h: ___, crc: ____, data, in: input, out, ...rest } = JSON.parse(text);
    const words = Object.entries(rest).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
    const way = input === undefined ? "the core says" : "the core is told";
    const bytes = data === undefined ? "" : `, ${Math.floor((data.length * 3) / 4)} bytes`;
    return `${way}: ${input ?? out}${bytes} · ${words.join(" · ")}`;
  } catch {
    return text;
  }
}

function showState(state: CoreState, before: CoreState): void {
  const names = Object.keys({ ...before.operations, ...state.operations });
  const cards = names.map((name) => {
    const title = name === "lookout" ? "the lookout" : `operation ${name}`;
    return card(title, state.operations[name], before.operations[name]);
  });
  byId("state").replaceChildren(card("the core", state.globals, before.globals), ...cards);
}

/** What is there, what changed, and what went. */
function card(title: string, now: StateWords = {}, before: StateWords = {}): HTMLElement {
  const rows = Object.keys({ ...now, ...before }).map((key) => {
    const [value, was] = [now[key], before[key]];
    const isChanged = value !== was;
    const old = isChanged ? h("span", { class: "was" }, ` was ${was ?? "0"}`) : null;
    return h(
      "tr",
      { class: isChanged ? "changed" : "" },
      h("th", { scope: "row" }, key),
      h("td", {}, value ?? "0", old),
    );
  });
  const isOver = Object.keys(now).length === 0;
  return h(
    "section",
    { class: isOver ? "card over" : "card" },
    h("h3", {}, isOver ? `${title} is over` : title),
    h("table", {}, h("tbody", {}, ...rows)),
  );
}
