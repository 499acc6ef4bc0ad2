/**
 * udev as `ScriptedKernel` has it: its records with their stamps, and its word for every event that
 * it has processed. A test double: it processes a device a fixed time after the event, or never.
 */
import { Group } from "../../assembly/abi.ts";
import type { Uevent } from "./uevents.ts";
import { udevEvent } from "./uevents.ts";

/** What udev works with. */
export interface Around {
  readonly subscribed: ReadonlySet<Group>;
  later(delayNs: bigint, run: () => void): void;
  hear(datagram: ReturnType<typeof udevEvent>): void;
}

export class ScriptedUdev {
  /** off: the group can be subscribed to, but nothing will come */
  isRunning = false;
  /** Which events it processes. */
  processes: "all" | "synthetic" | "none" = "all";
  /** It writes its records, and what it says of them is lost. */
  isUnheard = false;
  delayNs = 3_000_000n;
  /** stamps of its records, by `major:minor` */
  readonly records = new Map<string, bigint>();
  readonly #around: Around;
  #stamp = 1_000n;

  constructor(around: Around) {
    this.#around = around;
  }

  /** The kernel has told an event. */
  take(uevent: Uevent): void {
    const isSynthetic = "SYNTH_UUID" in uevent.extras;
    if (!this.isRunning || this.processes === "none") return;
    if (this.processes === "synthetic" && !isSynthetic) return;
    this.#around.later(this.delayNs, () => this.process(uevent));
  }

  /** Writes the record, then says so. */
  process(uevent: Uevent): void {
    this.write(uevent);
    if (!this.isUnheard) this.say(uevent);
  }

  /** A record rewritten, or removed, without a word. */
  write({ action, major, minor }: Pick<Uevent, "action" | "major" | "minor">): void {
    const devnum = `${major}:${minor}`;
    if (action === "remove") this.records.delete(devnum);
    else this.records.set(devnum, ++this.#stamp);
  }

  /** A word without a record. */
  say(uevent: Uevent): void {
    if (this.#around.subscribed.has(Group.Udev)) this.#around.hear(udevEvent(uevent));
  }
}
