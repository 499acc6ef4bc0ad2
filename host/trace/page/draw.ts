/**
 * Draws lanes: what of them lies in a span, dense marks merged into one, in as few elements as
 * there are kinds of them. Knows pixels and a scale; listens to nobody.
 */
import type { Moment } from "../explain/moments.ts";
import { svg } from "./dom.ts";
import type { Bar, Lane } from "./lanes.ts";
import { classOf, type Glyph, glyphOf, pathOf, round, tones } from "./marks.ts";
import { firstAtLeast, type Scale, type Span } from "./scale.ts";

/** Pixels that two marks have for themselves at least. */
const bucketWidth = 10;
const letterWidth = 6.4;

export interface Frame {
  readonly moments: readonly Moment[];
  readonly isShown: Uint8Array;
  readonly scale: Scale;
  readonly span: Span;
  /** of the lanes, beside their names */
  readonly width: number;
}

/** Where the parts of a lane are. */
export function shapeOf({ kind, rows, marks }: Lane) {
  const row = kind === "disk" ? 16 : kind === "partition" ? 10 : 14;
  const bars = kind === "actor" && marks.length > 0 && rows === 1 ? 0 : row * rows;
  const hasBars = kind !== "actor" || bars > 0;
  const markHeight = marks.length > 0 || kind !== "actor" ? 14 : 0;
  return { row, barsAt: 3, marksAt: 3 + (hasBars ? bars : 0) + 7, height: 6 + bars + markHeight };
}

export function xOf({ scale, span, width }: Frame, place: number): number {
  return xAt({ span, width }, scale.positions[place]);
}

export function xAt({ span, width }: Pick<Frame, "span" | "width">, position: number): number {
  return ((position - span.from) / (span.to - span.from)) * width;
}

/** Where a bar begins and ends. */
export function edgesOf(frame: Frame, bar: Bar): readonly [number, number] {
  const from = bar.from < 0 ? 0 : xOf(frame, bar.from);
  const to = bar.to === null ? endOf(frame, bar) : xOf(frame, bar.to);
  return [from, Math.max(to, from)];
}

function endOf(frame: Frame, { from, tookNs }: Bar): number {
  return xAt(frame, frame.scale.endOf(Math.max(from, 0), tookNs));
}

export function drawLane(lane: Lane, top: number, frame: Frame): SVGGElement {
  const group = svg("g", { transform: `translate(0 ${top})` });
  drawBars(group, lane, frame);
  drawFlaps(group, lane, frame);
  drawMarks(group, lane, frame);
  return group;
}

function drawBars(group: SVGGElement, lane: Lane, frame: Frame): void {
  const { row: height, barsAt } = shapeOf(lane);
  const paths = new Map<string, string>();
  /** how far each row is painted */
  const painted: number[] = [];
  for (const bar of lane.bars) {
    if (bar.kind !== "instance" && bar.kind !== "plug" && frame.isShown[bar.from] === 0) continue;
    const [from, to] = edgesOf(frame, bar);
    if (to < 0 || from > frame.width) continue;
    const x = round(Math.max(from, -2));
    const width = round(Math.max(Math.min(to, frame.width + 2) - x, 1.5));
    // Bars that are no wider than what is painted there already are not seen.
    if (x + width <= (painted[bar.row] ?? -3)) continue;
    painted[bar.row] = x + width;
    const y = barsAt + bar.row * height;
    const gap = width > 3 ? 1 : 0;
    const path = `M${x} ${y}h${width - gap}v${height - 3}h${gap - width}z`;
    paths.set(bar.kind, (paths.get(bar.kind) ?? "") + path);
    if (bar.kind === "plug" || bar.text.length * letterWidth + 6 > width) continue;
    const label = svg("text", { x: x + 4, y: y + height - 6, class: `on ${bar.kind}` }, bar.text);
    group.append(label);
  }
  for (const [kind, d] of paths) group.prepend(svg("path", { class: `bar ${kind}`, d }));
}

function drawFlaps(group: SVGGElement, lane: Lane, frame: Frame): void {
  const { barsAt, row } = shapeOf(lane);
  const paths = { same: "", other: "" };
  let painted = -3;
  for (const { flap, from, to } of lane.flaps) {
    const [begin, end] = [xOf(frame, from), xOf(frame, to)];
    if (end < 0 || begin > frame.width) continue;
    const x = round(Math.max(begin, -2));
    const width = round(Math.max(Math.min(end, frame.width + 2) - x, 3));
    if (x + width <= painted) continue;
    painted = x + width;
    const [y, height] = [barsAt - 1, row - 1];
    if (flap.isSameInstance) paths.same += `M${x} ${y}h${width}v${height}h${-width}z`;
    else paths.other += `M${x} ${y + height / 2}h${width}`;
  }
  if (paths.other !== "") group.append(svg("path", { class: "flap other", d: paths.other }));
  if (paths.same !== "") group.append(svg("path", { class: "flap", d: paths.same }));
}

function drawMarks(group: SVGGElement, lane: Lane, frame: Frame): void {
  const y = shapeOf(lane).marksAt;
  const paths = new Map<string, string>();
  const put = (name: string, path: string) => paths.set(name, (paths.get(name) ?? "") + path);
  let bucket = -1;
  let many: { count: number; first: Glyph; x: number; tone: number } | undefined;
  const flush = (): void => {
    if (many === undefined) return;
    const { count, first, x, tone } = many;
    if (count === 1) {
      put(classOf(first), pathOf(first, x, y));
      return;
    }
    const height = Math.min(14, 5 + 2 * Math.log2(count));
    const [left, width] = [bucket * bucketWidth + 1, bucketWidth - 2];
    const box = `M${left} ${round(y - height / 2)}h${width}v${round(height)}h${-width}z`;
    put(`mark many ${tones[tone]}`, box);
  };
  for (const place of placesIn(lane, frame)) {
    const x = xOf(frame, place);
    const glyph = glyphOf(frame.moments[place]);
    const tone = tones.indexOf(glyph.tone);
    const own = Math.floor(x / bucketWidth);
    if (own === bucket && many !== undefined) {
      many.count += 1;
      many.tone = Math.max(many.tone, tone);
      continue;
    }
    flush();
    bucket = own;
    many = { count: 1, first: glyph, x, tone };
  }
  flush();
  for (const [name, d] of paths) group.append(svg("path", { class: name, d }));
}

/** Marks of a lane that are shown and in view, a little beyond its edges. */
export function* placesIn({ marks }: Lane, frame: Frame): Generator<number> {
  const { scale, span, isShown, width } = frame;
  const edge = ((span.to - span.from) / width) * 6;
  const first = scale.firstFrom(span.from - edge);
  const end = scale.firstFrom(span.to + edge);
  for (let index = firstAtLeast(marks, first); index < marks.length; index++) {
    const place = marks[index];
    if (place > end || scale.positions[place] > span.to + edge) return;
    if (isShown[place] === 1) yield place;
  }
}
