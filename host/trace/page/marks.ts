/** How a moment is marked: its shape says what happened, its colour what it is to the instance. */
import type { Moment } from "../explain/moments.ts";

type Shape = (x: number, y: number) => string;

const r = 4;

const shapes = {
  up: (x, y) => `M${x - r} ${y + r}h${2 * r}l${-r} ${-2 * r}z`,
  down: (x, y) => `M${x - r} ${y - r}h${2 * r}l${-r} ${2 * r}z`,
  disc: (x, y) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
  diamond: (x, y) => `M${x - r} ${y}l${r} ${-r}l${r} ${r}l${-r} ${r}z`,
  square: (x, y) => `M${x - 3} ${y - 3}h6v6h-6z`,
  play: (x, y) => `M${x - 3} ${y - r}l7 ${r}l-7 ${r}z`,
  cross: (x, y) => `M${x - r} ${y - r}l${2 * r} ${2 * r}M${x + r} ${y - r}l${-2 * r} ${2 * r}`,
  tick: (x, y) => `M${x} ${y - r}v${2 * r}`,
  flag: (x, y) => `M${x} ${y + 5}v-10h7l-2 2.5l2 2.5h-7`,
} satisfies Record<string, Shape>;

export interface Glyph {
  readonly shape: keyof typeof shapes;
  /** of CSS; the later ones of `tones` go first where marks are merged */
  readonly tone: (typeof tones)[number];
  readonly isHollow: boolean;
}

export const tones = ["plain", "best-effort", "odd", "later", "mine", "stale", "bad"] as const;

export function glyphOf(moment: Moment): Glyph {
  switch (moment.kind) {
    case "uevent": {
      const { action, verdict, marks, group, isSynthetic } = moment;
      const isOdd = marks.includes("out-of-order") || isSynthetic;
      const tone = verdict === "stale" ? verdict : isOdd ? "odd" : (verdict ?? "plain");
      return { shape: shapeOf(action), tone, isHollow: group === "udev" };
    }
    case "refused":
      return { shape: "cross", tone: "bad", isHollow: false };
    case "gap":
      return { shape: "cross", tone: "bad", isHollow: false };
    case "look":
      return { shape: "tick", tone: "plain", isHollow: false };
    case "command":
      return { shape: "play", tone: "mine", isHollow: false };
    case "event": {
      const tone = /^(failed|warning)/.test(moment.text) ? "bad" : "plain";
      return { shape: "square", tone, isHollow: false };
    }
    case "call": {
      const tone = moment.errno === null ? "plain" : "bad";
      return { shape: "tick", tone, isHollow: false };
    }
    case "title":
      return { shape: "flag", tone: "plain", isHollow: false };
  }
}

function shapeOf(action: string): Glyph["shape"] {
  if (action === "add") return "up";
  if (action === "remove") return "down";
  return action === "change" ? "disc" : "diamond";
}

export function pathOf({ shape }: Pick<Glyph, "shape">, x: number, y: number): string {
  return shapes[shape](round(x), round(y));
}

export function classOf({ tone, isHollow, shape }: Glyph): string {
  const isLine = shape === "cross" || shape === "tick" || shape === "flag";
  return `mark ${tone}${isHollow ? " hollow" : ""}${isLine ? " line" : ""}`;
}

/** Half a pixel is not seen. */
export function round(value: number): number {
  return Math.round(value * 2) / 2;
}
