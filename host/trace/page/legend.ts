/** What the marks mean, for one who sees the page first: drawn as the lanes draw them. */
import { byId, h, svg } from "./dom.ts";
import { classOf, type Glyph, pathOf } from "./marks.ts";

type Entry = readonly [shape: Glyph["shape"], tone: Glyph["tone"], isHollow: boolean, text: string];

const marks: readonly Entry[] = [
  ["up", "mine", false, "add: a partition or disk came"],
  ["down", "mine", false, "remove: it went"],
  ["disc", "mine", false, "change"],
  ["diamond", "mine", false, "another action"],
  ["disc", "mine", true, "hollow: udev has processed it"],
  ["disc", "later", false, "of a newer instance"],
  ["disc", "best-effort", false, "without a number to tell by"],
  ["disc", "odd", false, "synthetic, or out of order"],
  ["disc", "stale", false, "stale: of an instance that is over"],
  ["cross", "bad", false, "lost or refused"],
  ["play", "mine", false, "a program asks the core"],
  ["square", "plain", false, "the core answers"],
  ["tick", "plain", false, "a look at sysfs"],
];

const bars: readonly (readonly [name: string, text: string])[] = [
  ["bar instance", "an instance, by its diskseq"],
  ["bar plug", "a partition is plugged"],
  ["flap", "flap: dead, and plugged again"],
  ["flap other", "plugged again by another instance"],
  ["bar call", "a call, as long as it took"],
  ["bar failed", "a call that failed"],
  ["bar operation", "an operation of the core's"],
  ["mark many mine", "several at once: zoom in"],
];

export function showLegend(): void {
  const entry = (name: string, d: string, text: string): HTMLElement => {
    const picture = svg("svg", { width: 26, height: 16, "aria-hidden": true });
    picture.append(svg("path", { class: name, d }));
    return h("li", {}, picture, text);
  };
  byId("legend").append(
    ...bars.map(([name, text]) => {
      const isLine = name === "flap other";
      return entry(name, isLine ? "M3 8h20" : "M3 3h20v10h-20z", text);
    }),
    ...marks.map(([shape, tone, isHollow, text]) => {
      const glyph = { shape, tone, isHollow };
      return entry(classOf(glyph), pathOf(glyph, 13, 8), text);
    }),
  );
}
