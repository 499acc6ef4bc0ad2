/**
 * The story of a path: every deed in words, what came of it, the uevents that it sent, and what the
 * core told. Goes the path on a trial of its own, with a listener that hears all.
 */

import { DeedNumber, Told, Violation } from "../../../assembly/explore/words.ts";
import { Step as KernelStep } from "../../../assembly/kernel/tasks.ts";
import { ActorKind, Deed } from "../../../assembly/world/layout.ts";
import { Call, Group, Step } from "../../core.ts";
import { errnoName } from "../../errno.ts";
import { LoopError } from "../../errors.ts";
import { eventText } from "../../event-words.ts";
import { kebab, syscallName } from "../../names.ts";
import { type Build, type OpenTrial, openTrial } from "./open.ts";
import { type Follower, follow, type PathElement } from "./path.ts";
import type { TrialSetup } from "./setup.ts";
import type { Choices } from "./trial.ts";

export interface StoryStep {
  readonly deed: number;
  /** it would happen by itself */
  readonly isCalm: boolean;
  /** "program", "core", a rival */
  readonly who: string;
  readonly what: string;
  /** uevents that were sent */
  readonly uevents: readonly string[];
  /** what the core told the program */
  readonly told: readonly string[];
}

export interface PathStory {
  readonly steps: readonly StoryStep[];
  readonly violation: Violation;
  /** all is over */
  readonly isOver: boolean;
}

/** Goes a path; refuses a deed that is not possible where it comes. */
export async function tellPath(
  setup: TrialSetup,
  path: readonly PathElement[],
  build: Build = {},
): Promise<PathStory> {
  const open = await openTrial(setup, build, { isObserved: true, keepsAll: true });
  const teller = new Teller(open);
  const violation = follow(open.trial, path, teller);
  return { steps: teller.steps, violation, isOver: open.trial.isOver };
}

class Teller implements Follower {
  readonly steps: StoryStep[] = [];
  readonly #open: OpenTrial;
  /** what each deed would be, and which are calm */
  #plans = new Map<number, readonly [who: string, what: string]>();
  #calm: readonly number[] = [];

  constructor(open: OpenTrial) {
    this.#open = open;
    this.#heard();
  }

  onChoice({ deeds, calm }: Choices): void {
    this.#plans = new Map(deeds.map((deed) => [deed, this.#plan(deed)]));
    this.#calm = deeds.slice(0, calm);
  }

  onDeed(deed: number): void {
    this.#tell(deed, this.#calm.includes(deed), this.#plans.get(deed) ?? ["", ""]);
  }

  onImpossible(deed: number, { deeds }: Choices): never {
    throw new LoopError(
      "ERR_LOOP_ARGUMENT",
      `path: after ${this.steps.length} steps deed ${deed} is not possible; ` +
        `these are: ${deeds.join(" ")}`,
    );
  }

  /** Who does a deed and what it is, as far as can be said before it is done. */
  #plan(deed: number): [who: string, what: string] {
    if (deed >= DeedNumber.Actor) {
      const actor = (deed - DeedNumber.Actor) >> 3;
      const kind = this.#open.actors[actor] ?? ActorKind.None;
      const own = this.#open.trial.world.deed(actor, (deed - DeedNumber.Actor) & 7);
      return [actorName(kind), deedWords[own] ?? kebab(Deed[own] ?? "")];
    }
    if (deed >= DeedNumber.Abort) return ["program", "gives the operation up"];
    if (deed >= DeedNumber.AskUdev) return ["core", "looks again, and is about to ask udev"];
    if (deed >= DeedNumber.Look) return ["core", "looks again"];
    if (deed >= DeedNumber.Grace) return ["core", "its time to give back is over"];
    if (deed >= DeedNumber.Deadline) return ["core", "its deadline has come"];
    if (deed >= DeedNumber.GiveUp) return ["core", "tries for the last time"];
    if (deed >= DeedNumber.Wake) return ["core", "tries again"];
    const isUdev = deed === DeedNumber.Receive + Group.Udev;
    if (deed >= DeedNumber.Receive) {
      return ["core", isUdev ? "receives a message of udev" : "receives a uevent"];
    }
    return ["core", ""];
  }

  #tell(deed: number, isCalm: boolean, [who, what]: readonly [string, string]): void {
    const text = what === "" || deed < DeedNumber.Receive ? this.#call() : what;
    const isWaiting = this.#word(Told.Status) === KernelStep.Blocked;
    this.steps.push({
      deed,
      isCalm,
      who,
      what: isWaiting && deed >= DeedNumber.Actor ? `${text} (waits)` : text,
      uevents: this.#heard(),
      told: this.#told(),
    });
  }

  #word(word: number): number {
    return this.#open.trial.told.getInt32(word * 4, true);
  }

  /** Of the core: which call, and what came of it. */
  #call(): string {
    const call = this.#word(Told.Call);
    const status = this.#word(Told.Status);
    const result = this.#word(Told.Result);
    const step = kebab(Step[this.#word(Told.Step)] ?? "");
    const name = call === Call.None ? "goes on" : syscallName(call, this.#word(Told.Request) >>> 0);
    const begun = call === Call.None ? name : `${name} (${step})`;
    if (status === KernelStep.Blocked) return `${begun}: waits`;
    if (status === KernelStep.Ran) return begun;
    return `${begun}: ${result < 0 ? errnoName(-result) : result}`;
  }

  #told(): string[] {
    const count = this.#word(Told.Events);
    return Array.from({ length: count }, (_, index) => {
      const at = Told.FirstEvent + index * 4;
      return eventText(this.#word(at), this.#word(at + 1), this.#word(at + 3));
    });
  }

  /** What the listener heard since. */
  #heard(): string[] {
    const { trial, observer } = this.#open;
    const heard: string[] = [];
    for (;;) {
      const received = trial.world.model.receive(observer);
      if (typeof received === "number") return heard;
      const texts = new TextDecoder().decode(received.bytes).split("\0");
      const value = (key: string) =>
        texts.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1);
      const media = value("DISK_MEDIA_CHANGE") === undefined ? "" : ", media change";
      const number = value("DISKSEQ") === undefined ? "" : ` diskseq ${value("DISKSEQ")}`;
      heard.push(`${value("ACTION")} ${value("DEVNAME") ?? value("DEVPATH")}${number}${media}`);
    }
  }
}

const deedWords: Partial<Record<Deed, string>> = {
  [Deed.GoOn]: "goes on",
  [Deed.OpenDisk]: "opens the disk",
  [Deed.OpenPartition]: "opens the partition",
  [Deed.Close]: "closes it",
  [Deed.Configure]: "LOOP_CONFIGURE with an image of its own",
  [Deed.SetFd]: "LOOP_SET_FD with an image of its own",
  [Deed.ClearFd]: "LOOP_CLR_FD",
  [Deed.Leave]: "leaves the device bound, closes it",
  [Deed.ForgeLater]: "sends a forged change with the next diskseq",
  [Deed.ForgeRemove]: "sends a forged remove",
  [Deed.ForgeLaterInjected]: "injects a forged change with the next diskseq through port 0",
  [Deed.ForgeRemoveInjected]: "injects a forged remove through port 0",
  [Deed.ForgeLaterUdev]: "sends a forged change in udev's name",
  [Deed.ForgeRemoveUdev]: "sends a forged remove in udev's name",
  [Deed.Trigger]: "a synthetic change",
  [Deed.Die]: "SIGKILL",
  [Deed.LoseKernel]: "a uevent on its way is lost",
  [Deed.LoseUdev]: "a message of udev on its way is lost",
  [Deed.Skip]: "skips an event",
  [Deed.LockShared]: "LOCK_SH, takes its watch away",
  [Deed.Retry]: "tries the parked event again",
  [Deed.Record]: "writes its record, watches again, closes the disk",
  [Deed.Tell]: "sends its message",
  [Deed.LockExclusive]: "LOCK_EX, to read the table anew",
  [Deed.Reread]: "BLKRRPART",
  [Deed.Compare]: "compares table and partitions",
  [Deed.Exit]: "the process ends: its descriptors are closed",
};

const actorNames: Partial<Record<ActorKind, string>> = {
  [ActorKind.UdevdDrops]: "udevd-258",
  [ActorKind.UdevdKeeps]: "udevd-259",
  [ActorKind.Loss]: "socket",
};

function actorName(kind: ActorKind): string {
  return actorNames[kind] ?? kebab(ActorKind[kind] ?? "");
}

/** What a violation means, for a reader. */
export const violationTexts: Readonly<Record<Violation, string>> = {
  [Violation.None]: "nothing is violated",
  [Violation.Believed]: "an event of another instance was told as mine, or mine as stale",
  [Violation.FalseEnd]: "a wait or a detach ended with what is not so",
  [Violation.Flap]: "a partition was plugged, dead, plugged",
  [Violation.ForeignClear]: "a device was cleared that another had bound",
  [Violation.NotReady]: "attached, and a partition is missing",
  [Violation.Refused]: "an operation failed though nobody was in its way",
  [Violation.NotGone]: "detached, and the instance is still there",
  [Violation.LeftBound]: "a device is left bound that nobody keeps",
  [Violation.LeftLocked]: "a lock is left",
  [Violation.LeftOpen]: "a descriptor is left open",
  [Violation.LeftNodes]: "a node is left in /dev",
  [Violation.LeftSockets]: "a socket is left open",
  [Violation.Stuck]: "something is not over, and nothing can happen",
  [Violation.Livelock]: "undisturbed, and yet it never ends",
};
