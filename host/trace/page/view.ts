/** What part of the axis is looked at: zoomed, moved, never beyond its ends. Knows no pixels. */
import type { Scale, Span } from "./scale.ts";

/** Around a point that stays where it is, given as a part of the span. */
export function zoomed({ from, to }: Span, scale: Scale, factor: number, anchor: number): Span {
  const point = from + (to - from) * anchor;
  const least = Math.max((to - from) * factor, scale.leastSpan);
  const length = Math.min(least, scale.whole.to - scale.whole.from);
  return within({ from: point - length * anchor, to: point + length * (1 - anchor) }, scale);
}

/** By a part of itself. */
export function moved({ from, to }: Span, scale: Scale, part: number): Span {
  const by = (to - from) * part;
  return within({ from: from + by, to: to + by }, scale);
}

/** What lies from one position to another, with room on both sides. */
export function around(from: number, to: number, scale: Scale): Span {
  const room = Math.max((to - from) * 1.2, scale.leastSpan * 4);
  return within({ from: from - room, to: to + room }, scale);
}

/** Moved so far that a position is well in view. */
export function showing(span: Span, scale: Scale, position: number): Span {
  const length = span.to - span.from;
  const edge = length * 0.05;
  if (position >= span.from + edge && position <= span.to - edge) return span;
  return within({ from: position - length / 2, to: position + length / 2 }, scale);
}

function within({ from, to }: Span, { whole }: Scale): Span {
  const length = Math.min(to - from, whole.to - whole.from);
  const begin = Math.min(Math.max(from, whole.from), whole.to - length);
  return { from: begin, to: begin + length };
}
