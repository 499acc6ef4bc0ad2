/** The page: unpacks what lies in it, draws it, and has its parts know of one another. */
import { blockText } from "./blocks.ts";
import { Chart } from "./chart.ts";
import { decodePage, type PageData } from "./data.ts";
import { showBytes, showMoment } from "./details.ts";
import { byId } from "./dom.ts";
import { Filter } from "./filter.ts";
import { listFindings, showHeadline } from "./findings.ts";
import { lanesOf } from "./lanes.ts";
import { showLegend } from "./legend.ts";
import { Machine } from "./machine.ts";
import type { Mode } from "./scale.ts";
import { count } from "./words.ts";

const zoomStep = 1.6;

async function main(): Promise<void> {
  byId("theme").addEventListener("click", changeTheme);
  const data = decodePage(await blockText("log"), await blockText("story"));
  showHeadline(data);
  showLegend();
  drawAll(data);
  // Drawn, and ready for whoever comes.
  requestAnimationFrame(() =>
    setTimeout(() => {
      performance.mark("diskseq:ready");
      document.documentElement.classList.add("ready");
    }),
  );
}

function drawAll(data: PageData): void {
  const { moments } = data.log;
  const lanes = lanesOf(data);
  const chart = new Chart(moments, "order", (place) => choose(place));
  const machine = new Machine(data, (record) => chart.play(lastUntil(data, record)));
  const choose = chooser(data, chart, machine);
  let mode: Mode = "order";
  const filter = new Filter(data, () => apply());
  const apply = (): void => {
    const isShown = filter.isShown;
    chart.show(filter.lanes(lanes, isShown), isShown, mode);
    const shown = isShown.reduce((sum, one) => sum + one, 0);
    byId("shown").textContent =
      `${shown.toLocaleString("en")} of ${count(moments.length, "moment")}`;
  };
  for (const own of ["order", "time"] as const) {
    byId(own).addEventListener("change", () => {
      mode = own;
      apply();
    });
  }
  byId("zoom-in").addEventListener("click", () => chart.zoom(1 / zoomStep));
  byId("zoom-out").addEventListener("click", () => chart.zoom(zoomStep));
  byId("fit").addEventListener("click", () => chart.fit());
  listFindings(data, (from, to) => {
    chart.jump(from, to);
    choose(from);
  });
  apply();
}

/** Shows a moment, its bytes, and the machine as it is after it. */
function chooser({ log }: PageData, chart: Chart, machine: Machine): (place: number) => void {
  let latest = -1;
  return async (place) => {
    latest = place;
    const moment = log.moments[place];
    chart.choose(place);
    byId("moment").hidden = false;
    byId<HTMLDetailsElement>("marks").open = false;
    showMoment(moment);
    const own = moment.record;
    // What is no part of the trace comes behind the record before it.
    const record =
      own ?? log.moments.slice(0, place).findLast((one) => one.record !== null)?.record;
    if (record === null || record === undefined) return;
    if (own !== null) {
      const text = await machine.text(own);
      if (latest === place && text !== undefined) showBytes(text);
    }
    if (latest === place) machine.go(record);
  };
}

/** The last moment that is over when a record is. */
function lastUntil({ log }: PageData, record: number): number | undefined {
  const { moments } = log;
  let [low, high] = [0, moments.length];
  const known = (at: number): number => {
    for (let back = at; back >= 0; back--) {
      const own = moments[back].record;
      if (own !== null) return own;
    }
    return -1;
  };
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (known(middle) <= record) low = middle + 1;
    else high = middle;
  }
  return low > 0 ? low - 1 : undefined;
}

function changeTheme(): void {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
}

main().catch((error: unknown) => {
  byId("headline").textContent = `This page cannot be shown: ${(error as Error).message}`;
});
