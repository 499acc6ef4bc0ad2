/**
 * What one kernel says of an attach, and what an opener can do to it: the same attach made in one
 * call and split as the core splits it, with an opener that comes at every moment there is.
 */
import { Group } from "../../assembly/abi.ts";
import { AttachEvents, Switch } from "../../assembly/kernel/eras.ts";
import { Routine } from "../../assembly/kernel/routines.ts";
import { TableKind } from "../../assembly/kernel/setup.ts";
import { LoFlag, OpenFlag } from "../../assembly/wire/linux.ts";
import { loadDefaultModel } from "./kernel-file.ts";
import { type Model, type ModelCall, type ModelImage, Step } from "./model.ts";

export interface Race {
  /** moments at which an opener can come */
  readonly moments: number;
  /** those at which partitions were unplugged that had been plugged */
  readonly blinks: number;
  /** what is heard at one of them: that which is told most of */
  readonly example: readonly string[];
}

export interface Way {
  /** what each call sends */
  readonly calls: readonly { readonly name: string; readonly events: readonly string[] }[];
  readonly race: Race;
}

export interface Story {
  readonly version: string;
  readonly regime: "PLAIN" | "LOUD" | "MUTE" | "TABLE" | "ONE";
  readonly hasDiskseq: boolean;
  /** the number rises at an attach */
  readonly isNumbered: boolean;
  /** an opener may find a scan pending, and does it */
  readonly isScanLeft: boolean;
  readonly direct: Way;
  readonly split: Way;
  readonly detach: readonly string[];
}

const partitions = 3;
const image: ModelImage = {
  bytes: 8 << 20,
  table: TableKind.Gpt,
  sectorsMin: 16351n,
  entries: Array.from({ length: partitions }, (_, index) => ({
    number: index + 1,
    start: BigInt(2048 * (index + 1)),
    size: 2048n,
  })),
};
const reading = OpenFlag.O_RDONLY | OpenFlag.O_NONBLOCK;
const opener = 1;

interface Deed {
  readonly name: string;
  readonly routine: Routine;
  readonly call: (files: Files) => ModelCall;
  /** Not done where the partitions are there already. */
  readonly isScan?: boolean;
}

interface Files {
  readonly image: number;
  readonly device: number;
  /** what the call before answered */
  result: number;
}

export function tellStory(version: string): Story {
  const stage = new Stage(version);
  const { model } = stage;
  const direct = stage.way(stage.direct());
  const split = stage.way(stage.split());
  const regime = AttachEvents[model.switchValue(Switch.AttachEvents)] ?? "One";
  return {
    version,
    regime: regime.toUpperCase() as Story["regime"],
    hasDiskseq: model.switchValue(Switch.HasDiskseq) === 1,
    isNumbered: model.switchValue(Switch.SeqOnChange) === 1,
    isScanLeft: model.switchValue(Switch.NeedOnChange) === 1,
    direct,
    split,
    detach: stage.detach(),
  };
}

class Stage {
  readonly model: Model;
  readonly #files: Files;
  readonly #socket: number;
  readonly #start: Uint8Array;

  constructor(version: string) {
    const own = { version, maxLoop: 1, images: [image], queue: 64 };
    this.model = loadDefaultModel(own);
    this.#socket = this.model.openSocket(2, Group.Kernel, 1 << 24);
    const file = this.model.openImage(0, 0, OpenFlag.O_RDWR);
    const device = this.model.call(0, Routine.Open, { a: 0, b: OpenFlag.O_RDWR });
    this.#files = { image: file, device, result: 0 };
    this.#start = this.model.state.slice();
  }

  direct(): Deed[] {
    return this.#bind(LoFlag.LO_FLAGS_PARTSCAN);
  }

  /** Without PARTSCAN, then what is pending is drained, then the one scan is asked for. */
  split(): Deed[] {
    return [
      ...this.#bind(0),
      { name: "open", routine: Routine.Open, call: () => ({ a: 0, b: reading }) },
      { name: "close", routine: Routine.Close, call: ({ result }) => ({ a: result }) },
      { ...status(LoFlag.LO_FLAGS_PARTSCAN), isScan: true },
    ];
  }

  #bind(flags: number): Deed[] {
    const call = ({ device, image }: Files): ModelCall => ({ a: device, b: image });
    const configure = (files: Files): ModelCall => ({ ...call(files), c: flags });
    if (this.model.switchValue(Switch.HasConfigure) === 1) {
      return [{ name: "LOOP_CONFIGURE", routine: Routine.Configure, call: configure }];
    }
    const bind: Deed = { name: "LOOP_SET_FD", routine: Routine.SetFd, call };
    return flags === 0 ? [bind] : [bind, status(flags)];
  }

  way(deeds: readonly Deed[]): Way {
    this.#restart();
    const calls = deeds.map((deed) => {
      if (this.#isNeedless(deed))
        return { name: deed.name, events: ["not needed: the open made the partitions"] };
      const task = this.#begin(deed);
      this.#finish(task);
      return { name: deed.name, events: this.#heard() };
    });
    let [moments, blinks] = [0, 0];
    let example: readonly string[] = [];
    for (let isOver = false; !isOver; moments++) {
      const heard = this.#interrupted(deeds, moments);
      isOver = heard.isOver;
      if (!heard.events.some((event) => event.startsWith("remove"))) continue;
      if (heard.events.length > example.length) example = heard.events;
      blinks += 1;
    }
    return { calls, race: { moments, blinks, example } };
  }

  /** Of a device that was attached with PARTSCAN. */
  detach(): readonly string[] {
    this.#restart();
    for (const deed of this.direct()) this.#finish(this.#begin(deed));
    this.#heard();
    this.model.call(0, Routine.ClearFd, { a: this.#files.device });
    this.model.call(0, Routine.Close, { a: this.#files.device });
    return this.#heard();
  }

  #restart(): void {
    this.model.state.set(this.#start);
    this.#files.result = 0;
  }

  /** Some kernels make the partitions when the device is opened, asked for or not. */
  #isNeedless({ isScan = false }: Deed): boolean {
    return isScan && (this.model.disk(0)?.partitions.length ?? 0) > 0;
  }

  #begin(deed: Deed): number {
    return this.model.begin(0, deed.routine, deed.call(this.#files));
  }

  #finish(task: number): void {
    this.model.run(task);
    this.#files.result = this.model.finish(task);
  }

  /** The opener comes after so many steps, and does what it can whenever it can. */
  #interrupted(deeds: readonly Deed[], after: number): { events: string[]; isOver: boolean } {
    const { model } = this;
    this.#restart();
    let steps = 0;
    let visit = -1;
    const look = (): void => {
      if (steps === after) visit = model.begin(opener, Routine.Open, { a: 0, b: reading });
      if (visit < 0 || model.run(visit) !== Step.Done) return;
      const file = model.finish(visit);
      visit = -1;
      if (file >= 0) model.call(opener, Routine.Close, { a: file });
    };
    for (const deed of deeds) {
      if (this.#isNeedless(deed)) continue;
      const task = this.#begin(deed);
      for (let step = Step.Ran as Step; step !== Step.Done; ) {
        look();
        step = model.step(task);
        if (step !== Step.Blocked) steps += 1;
      }
      this.#files.result = model.finish(task);
    }
    const isOver = steps <= after;
    steps = Math.max(steps, after);
    look();
    return { events: this.#heard(), isOver };
  }

  /** Events in few words; partitions that follow one another are one. */
  #heard(): string[] {
    const heard: { what: string; parts: string[]; number: string }[] = [];
    for (;;) {
      const received = this.model.receive(this.#socket);
      if (typeof received === "number") break;
      const keys = new Map(new TextDecoder().decode(received.bytes).split("\0").map(splitKey));
      const media = keys.has("DISK_MEDIA_CHANGE") ? " (media change)" : "";
      const what = `${keys.get("ACTION")}${media}`;
      const number = keys.get("DISKSEQ") ?? "";
      const part = keys.get("PARTN");
      const last = heard.at(-1);
      const isSame = last?.what === what && last.number === number;
      if (part !== undefined && isSame && last.parts.length > 0) last.parts.push(`p${part}`);
      else heard.push({ what, number, parts: part === undefined ? [] : [`p${part}`] });
    }
    return heard.map(({ what, parts, number }) =>
      [what, ...parts, ...(number === "" ? [] : [`#${number}`])].join(" "),
    );
  }
}

function status(flags: number): Deed {
  return {
    name: "LOOP_SET_STATUS64",
    routine: Routine.SetStatus,
    call: ({ device }) => ({ a: device, c: flags }),
  };
}

function splitKey(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? ["", text] : [text.slice(0, at), text.slice(at + 1)];
}
