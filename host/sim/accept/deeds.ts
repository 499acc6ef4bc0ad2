/**
 * What others may have done to a device while the traced process was at work: a small closed set,
 * each a thing that real processes do. Whether one of them did it is the search's to suppose.
 */
import { Routine } from "../../../assembly/kernel/routines.ts";
import { Lock, OpenFlag } from "../../../assembly/wire/linux.ts";
import { type Model, type ModelCall, type ModelDisk, Step } from "../model.ts";
import type { Branch, Held, Underway } from "./branch.ts";
import { nameOf } from "./events.ts";
import { OTHERS, type Outsiders } from "./outsiders.ts";

/** What one of the others can do next to one device; false: not now, or in vain. */
export interface Deed {
  readonly name: string;
  readonly act: (branch: Branch) => boolean;
}

/** A deed that is one call for the most part, and can be seen half done. */
export interface CallDeed {
  readonly name: string;
  /** undefined: not now */
  readonly begin: (branch: Branch) => Underway | undefined;
}

export class Deeds {
  readonly #model: Model;
  readonly #outsiders: Outsiders;

  constructor(model: Model, outsiders: Outsiders) {
    this.#model = model;
    this.#outsiders = outsiders;
  }

  /** All that they can do to a device now, the likely first. */
  of(branch: Branch, number: number): Deed[] {
    const disk = this.#model.disk(number);
    if (disk === undefined) return [];
    const calls = this.#calls(branch, number, disk).map(({ name, begin }) => ({
      name,
      act: (on: Branch) => this.#perform(on, begin),
    }));
    return [
      ...(disk.isBound ? [] : this.#attached(number)),
      ...calls,
      {
        name: `${nameOf(number)}: opened for itself alone`,
        act: (on: Branch) => this.#outsiders.hold(on, number, OpenFlag.O_EXCL),
      },
      ...this.#completed(branch, number),
      {
        name: `${nameOf(number)}: partitions removed`,
        act: () => this.#outsiders.sweep(number),
      },
      // A scan that was put off as long as they were open.
      ...(branch.held.some((one) => one.number === number && one.partition > 0)
        ? [
            {
              name: `${nameOf(number)}: partitions closed, and removed`,
              act: (on: Branch) => this.#outsiders.letGoAndSweep(on, number),
            },
          ]
        : []),
    ];
  }

  /** Those that can be under way when the traced process does or sees something. */
  calls(branch: Branch, number: number): CallDeed[] {
    const disk = this.#model.disk(number);
    return disk === undefined ? [] : this.#calls(branch, number, disk);
  }

  /** Goes so many steps on with what is under way; false: it has not so many, or waits. */
  goOn(branch: Branch, steps: number): boolean {
    for (let step = 1; step <= steps; step++) {
      const { underway } = branch;
      if (underway === undefined) return false;
      const ran = this.#model.step(underway.task);
      if (ran === Step.Blocked) return false;
      if (ran === Step.Done) this.#end(branch, underway);
    }
    return true;
  }

  #calls(branch: Branch, number: number, disk: ModelDisk): CallDeed[] {
    const name = nameOf(number);
    const held = branch.held.filter((one) => one.number === number);
    return [
      { name: `${name}: opened and closed`, begin: () => this.#visit(number) },
      ...held.map((one) => ({
        name: `${nameOf(number, one.partition)}: closed`,
        begin: (on: Branch) => this.#close(on, one),
      })),
      ...nodesOf(disk).map((partition) => ({
        name: `${nameOf(number, partition)}: opened`,
        begin: () => this.#open(number, partition),
      })),
      { name: `${name}: table read again`, begin: () => this.#reread(number) },
      ...(disk.isBound ? [{ name: `${name}: detached`, begin: () => this.#clear(number) }] : []),
    ];
  }

  #visit(number: number): Underway | undefined {
    return this.#begin(Routine.Open, { a: number, b: OpenFlag.O_RDONLY }, (_, file) =>
      this.#letGo(file),
    );
  }

  #open(number: number, partition: number): Underway | undefined {
    const call = { a: number, b: OpenFlag.O_RDONLY, c: partition };
    return this.#begin(Routine.Open, call, (branch, file) => {
      if (file >= 0) branch.held = [...branch.held, { number, partition, file }];
    });
  }

  #close(branch: Branch, { file }: Held): Underway | undefined {
    branch.held = branch.held.filter((one) => one.file !== file);
    return this.#begin(Routine.Close, { a: file }, () => undefined);
  }

  /** As udevd does: only where nobody has a lock. */
  #reread(number: number): Underway | undefined {
    return this.#onDisk(number, Routine.Reread, (file) => {
      return this.#model.flock(OTHERS, file, Lock.LOCK_EX | Lock.LOCK_NB) === 0;
    });
  }

  #clear(number: number): Underway | undefined {
    return this.#onDisk(number, Routine.ClearFd, () => true);
  }

  /** A call on a descriptor of the device, which they close then. */
  #onDisk(number: number, routine: Routine, prepare: (file: number) => boolean) {
    const file = this.#outsiders.call(Routine.Open, { a: number, b: OpenFlag.O_RDONLY });
    if (file < 0 || !prepare(file)) return undefined;
    return this.#begin(routine, { a: file }, () => this.#letGo(file));
  }

  #letGo(file: number): void {
    if (file >= 0) this.#outsiders.call(Routine.Close, { a: file });
  }

  #begin(routine: Routine, call: ModelCall, end: Underway["end"]): Underway | undefined {
    const task = this.#model.begin(OTHERS, routine, call);
    return task < 0 ? undefined : { task, end };
  }

  #perform(branch: Branch, begin: CallDeed["begin"]): boolean {
    const underway = begin(branch);
    if (underway === undefined || this.#model.run(underway.task) !== Step.Done) return false;
    const result = this.#model.finish(underway.task);
    underway.end(branch, result);
    return result >= 0;
  }

  #end(branch: Branch, { task, end }: Underway): void {
    const result = this.#model.finish(task);
    branch.underway = undefined;
    end(branch, result);
  }

  #completed(branch: Branch, number: number): Deed[] {
    const name = this.#outsiders.missing(branch, number);
    if (name === undefined) return [];
    const act = (on: Branch): boolean => {
      this.#outsiders.complete(on, number);
      return true;
    };
    return [{ name, act }];
  }

  /** As the trace shows it next, or something that is in no trace. */
  #attached(number: number): Deed[] {
    const name = `${nameOf(number)}: attached`;
    const isBound = (): boolean => this.#model.disk(number)?.isBound === true;
    const occupy = (): boolean => {
      this.#outsiders.occupy(number);
      return isBound();
    };
    return [
      { name, act: (on) => this.#outsiders.take(on, number) && isBound() },
      { name, act: occupy },
    ];
  }
}

/** The disk and its partitions. */
function nodesOf({ partitions }: ModelDisk): number[] {
  return [0, ...partitions.map((one) => one.number)];
}
