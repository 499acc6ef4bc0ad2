/** What happened in a few words, and the list of what is worth a look, which leads there. */
import { causeTexts } from "../explain/cause-text.ts";
import type { Flap } from "../explain/flaps.ts";
import { momentText, place as placeText, spanText } from "../explain/moment-text.ts";
import type { Moment } from "../explain/moments.ts";
import type { PageData } from "./data.ts";
import { byId, h } from "./dom.ts";
import { linePlaces } from "./lanes.ts";
import { count, flapText, lineText } from "./words.ts";

/** Entries that are listed at once. */
const pageSize = 200;

interface Finding {
  readonly kind: "flap" | "other" | "gap" | "refused" | "stale" | "missing";
  readonly from: number;
  readonly to: number;
  readonly text: string;
  readonly place: string;
  readonly because: readonly string[];
}

const kindTexts: Readonly<Record<Finding["kind"], string>> = {
  flap: "flap",
  other: "another instance",
  gap: "lost",
  refused: "refused",
  stale: "stale",
  missing: "never told",
};

export function showHeadline({ log, disks, gaps, refused, about }: PageData): void {
  const flaps = disks.flatMap((disk) => disk.flaps);
  const same = flaps.filter(({ isSameInstance }) => isSameInstance);
  const others = flaps.length - same.length;
  const instances = disks.flatMap((one) => one.instances.filter(({ isOccupied }) => isOccupied));
  const stale = disks.reduce((sum, disk) => sum + disk.stale.length, 0);
  const lost = gaps.reduce((sum, gap) => sum + (gap.lost ?? 0), 0);
  const first =
    same.length === 0
      ? "No partition of a living instance was plugged, dead, plugged."
      : `${count(same.length, "time")} partitions of a living instance were plugged, dead, ` +
        `plugged: ${causesText(same)}.`;
  const more = [
    others > 0 ? `${count(others, "time")} a name went to another instance.` : "",
    gaps.length > 0
      ? `${count(gaps.length, "gap")}, ${count(lost, "event")} known to be lost.`
      : "",
    stale > 0 ? `${count(stale, "stale event")}.` : "",
    refused.length > 0 ? `${count(refused.length, "datagram")} refused.` : "",
    log.isCut ? "The log is cut short: it has no end." : "",
    log.format !== "trace" ? "Whether events were lost, such a log does not say." : "",
  ].filter((text) => text !== "");
  const headline = byId("headline");
  headline.textContent = first;
  headline.classList.toggle("bad", same.length > 0);
  byId("more").textContent = more.join(" ");
  const name = about.path.slice(about.path.lastIndexOf("/") + 1);
  document.title = `${name}: explained by diskseq`;
  byId("file").textContent = name;
  const facts = Object.entries(log.facts).map(([key, value]) => `${key} ${value}`);
  const end = log.moments.at(-1)?.at ?? 0;
  byId("facts").textContent = [
    `${count(disks.length, "disk")}, ${count(instances.length, "instance")}`,
    `${count(log.moments.length, "moment")} in ${spanText(end)}`,
    ...facts,
  ].join(" · ");
}

function causesText(flaps: readonly Flap[]): string {
  const counts = new Map<string, number>();
  for (const { cause } of flaps) {
    const [what] = causeTexts[cause];
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([what, number]) => `${number.toLocaleString("en")} × ${what}`).join(", ");
}

export function listFindings(data: PageData, jump: (from: number, to: number) => void): void {
  const findings = findingsOf(data);
  const list = byId("findings");
  const chosen = byId<HTMLSelectElement>("finding-kind");
  for (const [kind, text] of Object.entries(kindTexts)) {
    const number = findings.filter((one) => one.kind === kind).length;
    if (number > 0) chosen.append(h("option", { value: kind }, `${text} (${number})`));
  }
  const show = (): void => {
    const shown = findings.filter(({ kind }) => chosen.value === "" || kind === chosen.value);
    list.replaceChildren();
    const more = (from: number): void => {
      for (const one of shown.slice(from, from + pageSize)) list.append(entry(one, jump));
      const rest = shown.length - from - pageSize;
      if (rest <= 0) return;
      const button = h("button", { type: "button" }, `${count(rest, "more", "more")}`);
      const item = h("li", {}, button);
      button.addEventListener("click", () => {
        item.remove();
        more(from + pageSize);
      });
      list.append(item);
    };
    more(0);
    if (shown.length === 0) list.append(h("li", { class: "none" }, "Nothing of that kind."));
  };
  chosen.addEventListener("change", show);
  show();
}

function entry(finding: Finding, jump: (from: number, to: number) => void): HTMLLIElement {
  const { kind, from, to, text, place, because } = finding;
  const button = h(
    "button",
    { type: "button", class: "finding", click: () => jump(from, to) },
    h("span", { class: `badge ${kind}` }, kindTexts[kind]),
    h("span", { class: "what" }, text),
    h("span", { class: "place" }, place),
  );
  const reasons = because.map((one) => h("li", {}, one));
  return h("li", {}, button, reasons.length > 0 ? h("ul", { class: "because" }, ...reasons) : null);
}

function findingsOf({ log, disks, gaps, refused }: PageData): Finding[] {
  const places = new Map<Moment, number>(log.moments.map((moment, place) => [moment, place]));
  const lines = linePlaces(log.moments);
  const at = (line: number): number => lines.get(line) ?? 0;
  const single = (kind: Finding["kind"], moment: Moment, text: string): Finding => {
    const place = places.get(moment) ?? 0;
    return { kind, from: place, to: place, text, place: placeText(moment), because: [] };
  };
  const found = disks.flatMap(({ disk, flaps, stale, missing }): Finding[] => [
    ...flaps.map((flap): Finding => {
      const { unplugged, plugged, isCertain, because, isSameInstance } = flap;
      const dead = `dead for ${spanText(plugged.at - unplugged.at)}`;
      return {
        kind: isSameInstance ? "flap" : "other",
        from: at(unplugged.line),
        to: at(plugged.line),
        text: `${flapText(flap)}${isCertain ? "" : ", likely"}`,
        place: `${dead}, lines ${unplugged.line} to ${plugged.line}`,
        because: isSameInstance ? because : [],
      };
    }),
    ...stale.map((moment) => single("stale", moment, lineText(moment))),
    ...missing.map(({ moment, action, partition }) =>
      single("missing", moment, `${disk} partition ${partition}: nobody told of '${action}'`),
    ),
  ]);
  for (const gap of gaps) found.push(single("gap", gap, `${gap.group}: ${momentText(gap)}`));
  for (const one of refused) found.push(single("refused", one, lineText(one)));
  return found.sort((a, b) => rank(a) - rank(b) || a.from - b.from);
}

/** Names that went to another instance are what is to be expected. */
function rank({ kind }: Finding): number {
  return kind === "other" ? 1 : 0;
}
