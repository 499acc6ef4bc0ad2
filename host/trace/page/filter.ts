/** What is shown: by disk, by kind, by text, or only around flaps. Reads its own controls. */
import type { Flap } from "../explain/flaps.ts";
import type { Moment } from "../explain/moments.ts";
import type { PageData } from "./data.ts";
import { byId, h } from "./dom.ts";
import { type Lane, linePlaces } from "./lanes.ts";
import { lineText } from "./words.ts";

/** Kinds as one chooses them, and what of each is in the log. */
const kinds: readonly (readonly [name: string, of: readonly Moment["kind"][], isOn: boolean])[] = [
  ["uevents", ["uevent"], true],
  ["calls", ["call"], true],
  ["the core's", ["command", "event"], true],
  ["losses", ["gap", "refused"], true],
  ["looks at sysfs", ["look"], false],
  ["titles", ["title"], true],
];

/** Moments around a flap: before it, where its cause is, and after. */
const before = 16;
const after = 4;

export class Filter {
  readonly #data: PageData;
  readonly #changed: () => void;
  readonly #disk = byId<HTMLSelectElement>("disk");
  readonly #text = byId<HTMLInputElement>("text");
  readonly #onlyFlaps = byId<HTMLInputElement>("only-flaps");
  readonly #hidden = new Set<Moment["kind"]>();
  readonly #flaps: readonly { readonly from: number; readonly to: number }[];

  constructor(data: PageData, changed: () => void) {
    this.#data = data;
    this.#changed = changed;
    const lines = linePlaces(data.log.moments);
    this.#flaps = data.disks.flatMap(({ flaps }) =>
      flaps.filter(isFlap).map(({ unplugged, plugged }) => ({
        from: (lines.get(unplugged.line) ?? 0) - before,
        to: (lines.get(plugged.line) ?? 0) + after,
      })),
    );
    for (const { disk } of data.disks) this.#disk.append(h("option", { value: disk }, disk));
    this.#offerKinds();
    for (const control of [this.#disk, this.#onlyFlaps]) {
      control.addEventListener("change", changed);
    }
    this.#text.addEventListener("input", changed);
    this.#onlyFlaps.disabled = this.#flaps.length === 0;
  }

  #offerKinds(): void {
    const there = new Set(this.#data.log.moments.map(({ kind }) => kind));
    for (const [name, of, isOn] of kinds) {
      if (!of.some((kind) => there.has(kind))) continue;
      const box = h("input", { type: "checkbox", checked: isOn });
      const apply = (): void => {
        for (const kind of of) {
          if (box.checked) this.#hidden.delete(kind);
          else this.#hidden.add(kind);
        }
      };
      apply();
      box.addEventListener("change", () => {
        apply();
        this.#changed();
      });
      byId("kinds").append(h("label", {}, box, name));
    }
  }

  /** 1 for each moment that is shown, by its place. */
  get isShown(): Uint8Array {
    const { moments } = this.#data.log;
    const isNear = this.#onlyFlaps.checked ? this.#nearFlaps() : undefined;
    const disk = this.#disk.value;
    const text = this.#text.value.trim().toLowerCase();
    return Uint8Array.from(moments, (moment, place) => {
      if (this.#hidden.has(moment.kind) || isNear?.[place] === 0) return 0;
      if (disk !== "" && "disk" in moment && moment.disk !== disk) return 0;
      return text === "" || textOf(moment).includes(text) ? 1 : 0;
    });
  }

  #nearFlaps(): Uint8Array {
    const isNear = new Uint8Array(this.#data.log.moments.length);
    for (const { from, to } of this.#flaps) isNear.fill(1, Math.max(from, 0), to + 1);
    return isNear;
  }

  /** Those that have something to show then. */
  lanes(lanes: readonly Lane[], isShown: Uint8Array): Lane[] {
    const disk = this.#disk.value;
    const flapping = new Set(
      lanes.flatMap((lane) => (hasFlap(lane) && lane.disk !== null ? [lane.disk] : [])),
    );
    return lanes.filter((lane) => {
      if (lane.kind === "actor") {
        return [...lane.marks, ...lane.bars.map(({ from }) => from)].some((at) => isShown[at]);
      }
      if (disk !== "" && lane.disk !== disk) return false;
      if (!this.#onlyFlaps.checked) return true;
      return lane.kind === "disk" ? flapping.has(lane.name) : hasFlap(lane);
    });
  }
}

/** Another instance is no flap. */
function isFlap({ isSameInstance }: Flap): boolean {
  return isSameInstance;
}

function hasFlap({ flaps }: Lane): boolean {
  return flaps.some(({ flap }) => isFlap(flap));
}

function textOf(moment: Moment): string {
  const more =
    moment.kind === "uevent" ? ` ${moment.devpath} #${moment.diskseq} ${moment.verdict}` : "";
  return `${lineText(moment)}${more} line ${moment.line}`.toLowerCase();
}
