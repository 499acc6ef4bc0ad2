/**
 * The lanes on screen: what part of them is looked at, pointer and keys. Only what is in view is
 * drawn, once a frame at most. Knows moments by their place, and not what choosing one leads to.
 */
import type { Moment } from "../explain/moments.ts";
import { byId, svg } from "./dom.ts";
import { drawLane, edgesOf, type Frame, placesIn, shapeOf, xAt, xOf } from "./draw.ts";
import type { Lane } from "./lanes.ts";
import { type Mode, Scale, type Span, ticksOf } from "./scale.ts";
import { around, moved, showing, zoomed } from "./view.ts";
import { lineText, timeText } from "./words.ts";

const axisHeight = 26;
/** Pixels: how far off a mark is still meant; how far a pointer moves before it drags. */
const reach = 9;
const dragFrom = 4;
const zoomStep = 1.5;

interface Placed {
  readonly lane: Lane;
  readonly top: number;
}

export class Chart {
  readonly #moments: readonly Moment[];
  readonly #choose: (place: number) => void;
  readonly #root = byId("chart");
  readonly #scroll = byId("lanes");
  readonly #tip = byId("tip");
  readonly #said = byId("said");
  readonly #axis = svg("svg", { "aria-hidden": true });
  readonly #plot = svg("svg", { "aria-hidden": true });
  #placed: Placed[] = [];
  #isShown: Uint8Array;
  #scale: Scale;
  #span: Span;
  #mode: Mode;
  #height = 0;
  #isDue = false;
  #chosen: number | undefined;
  #playhead: number | undefined;

  constructor(moments: readonly Moment[], mode: Mode, choose: (place: number) => void) {
    this.#moments = moments;
    this.#choose = choose;
    this.#mode = mode;
    this.#isShown = new Uint8Array(moments.length).fill(1);
    this.#scale = new Scale(moments, this.#isShown, mode);
    this.#span = this.#scale.whole;
    byId("axis").append(this.#axis);
    this.#scroll.append(this.#plot);
    this.#scroll.tabIndex = 0;
    this.#scroll.addEventListener("scroll", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.#root);
    this.#listen();
  }

  /** What is looked at stays, as far as it is there. */
  show(lanes: readonly Lane[], isShown: Uint8Array, mode: Mode): void {
    const isSame = mode === this.#mode && this.#isShown === isShown;
    const { from, to } = this.#span;
    const [first, last] = [this.#scale.firstFrom(from), this.#scale.firstFrom(to)];
    const isWhole = from <= this.#scale.whole.from && to >= this.#scale.whole.to;
    this.#isShown = isShown;
    this.#mode = mode;
    this.#scale = new Scale(this.#moments, isShown, mode);
    if (!isSame) {
      const { positions, end } = this.#scale;
      const span = { from: positions[first] ?? 0, to: positions[last] ?? end };
      const { leastSpan } = this.#scale;
      const isTiny = span.to - span.from < leastSpan;
      this.#span = isWhole || isTiny ? this.#scale.whole : showing(span, this.#scale, span.from);
    }
    this.#placed = [];
    this.#height = 0;
    for (const lane of lanes) {
      this.#placed.push({ lane, top: this.#height });
      this.#height += shapeOf(lane).height;
    }
    this.#draw();
  }

  zoom(factor: number, anchor = 0.5): void {
    this.#look(zoomed(this.#span, this.#scale, factor, anchor));
  }

  pan(part: number): void {
    this.#look(moved(this.#span, this.#scale, part));
  }

  fit(): void {
    this.#look(this.#scale.whole);
  }

  /** From one moment to another, both in view. */
  jump(from: number, to: number): void {
    const { positions } = this.#scale;
    this.#look(around(positions[from], positions[to], this.#scale));
  }

  choose(place: number | undefined): void {
    this.#chosen = place;
    if (place !== undefined) this.#follow(place);
    this.#draw();
  }

  /** Where the machine stands. */
  play(place: number | undefined): void {
    this.#playhead = place;
    if (place !== undefined) this.#follow(place);
    this.#draw();
  }

  /** Brings it into view, and its lane. */
  #follow(place: number): void {
    this.#look(showing(this.#span, this.#scale, this.#scale.positions[place]));
    const found = this.#placed.find(({ lane }) => holds(lane, place));
    if (found === undefined) return;
    const { scrollTop, clientHeight } = this.#scroll;
    const lowest = found.top + shapeOf(found.lane).height - clientHeight;
    this.#scroll.scrollTop = Math.min(Math.max(scrollTop, lowest), found.top);
  }

  #look(span: Span): void {
    this.#span = span;
    this.#draw();
  }

  /* Drawing. */

  #draw(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#drawNow();
    });
  }

  get #namesWidth(): number {
    return this.#root.clientWidth < 700 ? 84 : 132;
  }

  get #frame(): Frame {
    const width = Math.max(this.#scroll.clientWidth - this.#namesWidth, 50);
    const [moments, isShown] = [this.#moments, this.#isShown];
    return { moments, isShown, scale: this.#scale, span: this.#span, width };
  }

  #drawNow(): void {
    const frame = this.#frame;
    const names = this.#namesWidth;
    const whole = names + frame.width;
    const height = Math.max(this.#height, this.#scroll.clientHeight - 2);
    put(this.#plot, { width: whole, height });
    put(this.#axis, { width: whole, height: axisHeight });
    const { scrollTop, clientHeight } = this.#scroll;
    const inView = this.#placed.filter(
      ({ lane, top }) =>
        top + shapeOf(lane).height > scrollTop && top < scrollTop + clientHeight + 1,
    );
    const clip = svg("svg", { x: names, width: frame.width, height });
    const ticks = ticksOf(frame.span, Math.max(2, Math.floor(frame.width / 110)));
    const lines = ticks.map((tick) => {
      const x = xAt(frame, tick);
      return svg("line", { x1: x, x2: x, y1: 0, y2: height, class: "grid" });
    });
    clip.append(...lines, ...this.#gaps(frame, height));
    const backs: SVGElement[] = [];
    for (const { lane, top } of inView) {
      const { height: tall } = shapeOf(lane);
      backs.push(
        svg("rect", { x: 0, y: top, width: whole, height: tall, class: `lane ${lane.kind}` }),
      );
      const x = lane.kind === "partition" ? 24 : 8;
      const name = svg("text", { x, y: top + tall / 2 + 4, class: `name ${lane.kind}` }, lane.name);
      backs.push(name);
      clip.append(drawLane(lane, top, frame));
    }
    clip.append(...this.#cursors(frame, height));
    this.#plot.replaceChildren(...backs, clip);
    this.#drawAxis(frame, ticks, names);
  }

  #drawAxis(frame: Frame, ticks: readonly number[], names: number): void {
    const { scale, span } = frame;
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : span.to - span.from;
    const title = scale.mode === "time" ? "time" : "in order";
    const label = svg("text", { x: 8, y: 17, class: "axis" }, title);
    const texts = ticks
      .filter((tick) => tick >= 0)
      .map((tick) => {
        const x = names + xAt(frame, tick);
        const near = Math.abs(scale.timeAt(tick + step) - scale.timeAt(tick));
        const text = `+${timeText(scale.timeAt(tick), scale.mode === "time" ? step : near)}`;
        return svg("text", { x: x + 3, y: 17, class: "axis" }, text);
      });
    this.#axis.replaceChildren(label, ...texts);
  }

  /** Losses go through all lanes. */
  #gaps(frame: Frame, height: number): SVGElement[] {
    const lines: SVGElement[] = [];
    let last = -9;
    for (const { lane } of this.#placed) {
      if (lane.kind !== "actor") continue;
      for (const place of placesIn(lane, frame)) {
        if (this.#moments[place].kind !== "gap") continue;
        const x = xOf(frame, place);
        if (x - last < 2) continue;
        last = x;
        lines.push(svg("rect", { x: x - 1.5, y: 0, width: 3, height, class: "gap" }));
      }
      last = -9;
    }
    return lines;
  }

  #cursors(frame: Frame, height: number): SVGElement[] {
    const line = (place: number | undefined, name: string): SVGElement[] => {
      if (place === undefined) return [];
      const x = xOf(frame, place);
      return [svg("line", { x1: x, x2: x, y1: 0, y2: height, class: name })];
    };
    const rings = this.#placed
      .filter(({ lane }) => this.#chosen !== undefined && holds(lane, this.#chosen))
      .map(({ lane, top }) => {
        const cx = xOf(frame, this.#chosen ?? 0);
        const { marksAt, barsAt, row } = shapeOf(lane);
        const isMark = lane.marks.length > 0;
        return svg("circle", { cx, cy: top + (isMark ? marksAt : barsAt + row / 2), r: 8 });
      });
    for (const ring of rings) ring.classList.add("ring");
    return [...line(this.#playhead, "playhead"), ...line(this.#chosen, "chosen"), ...rings];
  }

  /* Pointer. */

  #listen(): void {
    const scroll = this.#scroll;
    const onWheel = (event: WheelEvent): void => {
      const { x, width } = this.#at(event);
      // Over the names, lanes are scrolled.
      if (x < 0) return;
      event.preventDefault();
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
        this.pan(sideways / width);
      } else if (event.deltaY !== 0) {
        this.zoom(1.0018 ** event.deltaY, x / width);
      }
    };
    scroll.addEventListener("wheel", onWheel, { passive: false });
    let drag: { readonly x: number; readonly span: Span; isMoving: boolean } | undefined;
    scroll.addEventListener("pointerdown", (event) => {
      const { x } = this.#at(event);
      if (event.button !== 0 || x < 0 || x > this.#frame.width) return;
      drag = { x, span: this.#span, isMoving: false };
      scroll.setPointerCapture(event.pointerId);
    });
    scroll.addEventListener("pointermove", (event) => {
      const { x, width } = this.#at(event);
      if (drag === undefined) {
        this.#hint(event);
        return;
      }
      drag.isMoving ||= Math.abs(x - drag.x) > dragFrom;
      if (drag.isMoving) this.#look(moved(drag.span, this.#scale, (drag.x - x) / width));
    });
    scroll.addEventListener("pointerup", (event) => {
      const place = drag?.isMoving === false ? this.#find(event) : undefined;
      drag = undefined;
      if (place !== undefined) this.#choose(place);
    });
    scroll.addEventListener("pointercancel", () => {
      drag = undefined;
    });
    scroll.addEventListener("pointerleave", () => {
      this.#tip.hidden = true;
    });
    scroll.addEventListener("keydown", (event) => this.#key(event));
  }

  #at(event: MouseEvent): { x: number; y: number; width: number } {
    const { left, top } = this.#plot.getBoundingClientRect();
    const x = event.clientX - left - this.#namesWidth;
    return { x, y: event.clientY - top, width: this.#frame.width };
  }

  /** The moment that is meant by a place on screen. */
  #find(event: MouseEvent): number | undefined {
    const { x, y } = this.#at(event);
    const placed = this.#placed.findLast(({ top }) => top <= y);
    if (placed === undefined || x < -reach) return undefined;
    const frame = this.#frame;
    let best: { readonly place: number; readonly far: number } | undefined;
    for (const place of placesIn(placed.lane, frame)) {
      const far = Math.abs(xOf(frame, place) - x);
      if (far <= reach && (best === undefined || far < best.far)) best = { place, far };
    }
    if (best !== undefined) return best.place;
    const { barsAt, row } = shapeOf(placed.lane);
    const own = Math.floor((y - placed.top - barsAt) / row);
    const bar = placed.lane.bars.find((one) => {
      const [from, to] = edgesOf(frame, one);
      return one.row === own && one.from >= 0 && x >= from - 2 && x <= to + 2;
    });
    return bar?.from;
  }

  #hint(event: PointerEvent): void {
    const place = this.#find(event);
    this.#tip.hidden = place === undefined;
    if (place === undefined) return;
    this.#tip.textContent = lineText(this.#moments[place]);
    const box = this.#root.getBoundingClientRect();
    const left = Math.min(event.clientX - box.left + 12, box.width - this.#tip.offsetWidth - 4);
    this.#tip.style.left = `${Math.max(left, 0)}px`;
    this.#tip.style.top = `${event.clientY - box.top + 16}px`;
  }

  /* Keys. */

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const isShift = event.shiftKey;
    const acts: Record<string, () => void> = {
      ArrowLeft: () => (isShift ? this.#walk(-1) : this.pan(-0.15)),
      ArrowRight: () => (isShift ? this.#walk(1) : this.pan(0.15)),
      ArrowUp: () => (isShift ? this.#climb(-1) : this.#scroll.scrollBy(0, -40)),
      ArrowDown: () => (isShift ? this.#climb(1) : this.#scroll.scrollBy(0, 40)),
      "+": () => this.zoom(1 / zoomStep),
      "=": () => this.zoom(1 / zoomStep),
      "-": () => this.zoom(zoomStep),
      "0": () => this.fit(),
      Enter: () => this.#chosen !== undefined && this.#choose(this.#chosen),
    };
    const act = acts[event.key];
    if (act === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  get #current(): Placed | undefined {
    const { scrollTop } = this.#scroll;
    const chosen = this.#chosen;
    const own = this.#placed.find(({ lane }) => chosen !== undefined && holds(lane, chosen));
    return own ?? this.#placed.find(({ top }) => top >= scrollTop);
  }

  /** To the next moment of the lane. */
  #walk(by: 1 | -1): void {
    const lane = this.#current?.lane;
    if (lane === undefined) return;
    const places = stops(lane).filter((place) => this.#isShown[place] === 1);
    const from = this.#chosen ?? this.#scale.firstFrom(this.#span.from) - by;
    const next = by > 0 ? places.find((one) => one > from) : places.findLast((one) => one < from);
    this.#point(next);
  }

  /** To the nearest moment of another lane. */
  #climb(by: 1 | -1): void {
    const current = this.#current;
    if (current === undefined) return;
    const from = this.#chosen ?? this.#scale.firstFrom(this.#span.from);
    for (let at = this.#placed.indexOf(current) + by; this.#placed[at]; at += by) {
      const places = stops(this.#placed[at].lane).filter((place) => this.#isShown[place] === 1);
      const next = places.find((place) => place >= from && place !== this.#chosen);
      const found = next ?? places.findLast((place) => place !== this.#chosen);
      if (found === undefined) continue;
      this.#point(found);
      return;
    }
  }

  #point(place: number | undefined): void {
    if (place === undefined) return;
    this.choose(place);
    this.#said.textContent = lineText(this.#moments[place]);
  }
}

function holds({ marks, bars }: Lane, place: number): boolean {
  return marks.includes(place) || bars.some((bar) => bar.from === place);
}

/** Where keys stop in a lane. */
function stops({ marks, bars }: Lane): readonly number[] {
  return marks.length > 0 ? marks : bars.map(({ from }) => from).filter((place) => place >= 0);
}

function put(element: Element, attributes: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, String(value));
  }
}
