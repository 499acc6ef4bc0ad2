/** What a monitor of both groups has told so far. */
import { writeFileSync } from "node:fs";
import type { Monitor, MonitorItem, Uevent, UeventGroup } from "../../host/stream-types.ts";
import { until } from "./devices.ts";
import type { Scene } from "./scene.ts";

/** How long udevd is waited for, and a monitor on a machine with many uevents. */
export const patientMs = 100_000;

export class Heard {
  readonly items: MonitorItem[] = [];

  /** From when it resolves on, to the end of the scene. */
  static async start(scene: Scene, monitor: Monitor): Promise<Heard> {
    scene.defer(() => monitor.close());
    await monitor.ready;
    return new Heard(monitor);
  }

  private constructor(monitor: Monitor) {
    void this.#collect(monitor);
  }

  async #collect(monitor: Monitor): Promise<void> {
    for await (const item of monitor) this.items.push(item);
  }

  /** Events of a group, of these actions where any are named. */
  uevents(group: UeventGroup, ...actions: readonly string[]): Uevent[] {
    return this.items
      .filter((item): item is Uevent => item.type === "uevent" && item.group === group)
      .filter(({ action }) => actions.length === 0 || actions.includes(action));
  }

  /**
   * Until it has heard what has happened to a disk so far: what comes last is an event that is made
   * here, and left out. udev tells of it when it has told of all before.
   */
  async catchUp(disk: string, groups: readonly UeventGroup[] = ["kernel", "udev"]): Promise<void> {
    const uuid = crypto.randomUUID();
    writeFileSync(`/sys/class/block/${disk}/uevent`, `change ${uuid}`);
    const isMark = (item: MonitorItem) =>
      item.type === "uevent" && item.properties.SYNTH_UUID === uuid;
    const marks = () => this.items.filter(isMark).length;
    await until(`the monitor of ${disk} to catch up`, () => marks() === groups.length, patientMs);
    this.items.splice(0, this.items.length, ...this.items.filter((item) => !isMark(item)));
  }
}

/** `add loop960p1`: what happened to which. */
export function spelled(events: readonly Uevent[]): string[] {
  return events.map(({ action, device }) => `${action} ${device?.slice("/dev/".length)}`);
}

/** Written to sysfs: by udevd, by diskseq, by anybody. */
export function isSynthetic({ marks }: Uevent): boolean {
  return marks.includes("synthetic");
}
