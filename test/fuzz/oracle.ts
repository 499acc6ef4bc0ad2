/**
 * What must come of a datagram: whether it counts, and what it is to every subscription. Made of
 * the naive reader and of the judges, by sets and maps; it shares nothing with the core but the
 * names of the numbers.
 */
import {
  CommandFlag,
  DatagramFlag,
  DeviceType,
  Fault,
  Group,
  Limit,
  Mark,
  Verdict,
} from "../../assembly/abi.ts";
import type { Datagram } from "../helpers/datagrams.ts";
import { InstanceJudge, type Judgement, NewestJudge, type Shown } from "../helpers/judge.ts";
import type { Facts, readNaively } from "../helpers/naive-uevent.ts";

/** SEQNUMs that are remembered below the highest one. */
const window = 16384n;

export interface Subscription {
  /** the core's number of it */
  readonly number: number;
  /** "": all disks */
  readonly name: string;
  /** 0n: none is named */
  readonly diskseq: bigint;
  /** `CommandFlag` bits */
  readonly flags: number;
}

export interface Input {
  readonly datagram: Datagram;
  readonly slot: number;
}

export interface Expected {
  readonly fault: Fault;
  /** of one that counts */
  readonly facts?: Facts;
  /** what it is to each subscription; undefined: it is not told */
  readonly told: readonly (Judgement | undefined)[];
}

interface Stream {
  highest: bigint;
  readonly seen: Set<bigint>;
}

export class Oracle {
  readonly #subscriptions: readonly Subscription[];
  readonly #judges: readonly InstanceJudge[];
  readonly #read: typeof readNaively;
  readonly #newest = new NewestJudge();
  readonly #streams = new Map<Group, Stream>();
  /** disks that nobody watches, the one that was silent longest first */
  readonly #idle = new Set<string>();
  readonly #idleMax: number;
  readonly #watched: ReadonlySet<string>;
  readonly #silent: readonly undefined[];

  /** `idleMax`: how many disks are remembered that nobody watches. */
  constructor(subscriptions: readonly Subscription[], idleMax: number, read: typeof readNaively) {
    this.#subscriptions = subscriptions;
    this.#judges = subscriptions.map(({ diskseq }) => new InstanceJudge(diskseq));
    this.#read = read;
    this.#idleMax = idleMax;
    this.#watched = new Set(subscriptions.map(({ name }) => name));
    this.#silent = subscriptions.map(() => undefined);
  }

  /** A look at a watched disk has ended. */
  looked(name: string, shown: Shown, isLossy: boolean): void {
    this.#newest.looked(name, shown, isLossy);
    for (const [index, judge] of this.#judges.entries()) {
      if (this.#subscriptions[index]?.name === name) judge.looked(shown, isLossy);
    }
  }

  /** What must come of it; it is taken as handed in. */
  expect({ datagram, slot }: Input): Expected {
    const told = this.#silent;
    const fault = faultOf(datagram, slot);
    if (fault !== Fault.Ok) return { fault, told };
    const group = datagram.group as Group;
    const facts = this.#read(group, datagram.bytes);
    if (!facts) return { fault: Fault.Malformed, told };
    const stream = this.#streams.get(group) ?? { highest: 0n, seen: new Set() };
    this.#streams.set(group, stream);
    const { seqnum } = facts;
    const isNear = seqnum + window > stream.highest;
    if (isNear && stream.seen.has(seqnum)) return { fault: Fault.Duplicate, told };
    stream.seen.add(seqnum);
    let marks = seqnum < stream.highest ? Mark.OutOfOrder : 0;
    if (seqnum > stream.highest) stream.highest = seqnum;
    if (facts.isMediaChange) marks |= Mark.MediaChange;
    if (facts.isSynthetic) marks |= Mark.Synthetic;
    return { fault, facts, told: this.#judge(group, facts, marks) };
  }

  #judge(group: Group, facts: Facts, marks: number): (Judgement | undefined)[] {
    if (facts.deviceType !== DeviceType.None) this.#remember(facts.disk);
    const newest = this.#newest.judge(group, facts);
    return this.#subscriptions.map(({ name, diskseq, flags }, index) => {
      const isWanted =
        group === Group.Udev
          ? (flags & CommandFlag.Udev) !== 0
          : (flags & CommandFlag.NoKernelGroup) === 0;
      if (!isWanted || (name !== "" && name !== facts.disk)) return undefined;
      if (name !== "" && (flags & CommandFlag.BestEffort) !== 0) {
        return { verdict: Verdict.BestEffort, marks };
      }
      const judgement =
        name === "" || diskseq === 0n ? newest : this.#judges[index]?.judge(group, facts);
      return judgement && { verdict: judgement.verdict, marks: judgement.marks | marks };
    });
  }

  #remember(name: string): void {
    if (this.#watched.has(name)) return;
    if (!this.#idle.delete(name) && this.#idle.size === this.#idleMax) {
      const [oldest = ""] = this.#idle;
      this.#idle.delete(oldest);
      this.#newest.forget(oldest);
    }
    this.#idle.add(name);
  }
}

/** Why it counts for nothing, whatever it says. */
function faultOf({ group, bytes, portId, pid, uid, flags }: Datagram, slot: number): Fault {
  if (slot < 0 || slot >= Limit.DatagramSlots) return Fault.BadArgument;
  if (group !== Group.Kernel && group !== Group.Udev) return Fault.BadArgument;
  if (bytes.length > (Limit.DatagramSlots - slot) * Limit.DatagramBytes) return Fault.BadArgument;
  const isFromRoot = (flags & DatagramFlag.Credentials) !== 0 && uid === 0;
  const isFromKernel = portId === 0 && pid === 0;
  if (!isFromRoot || isFromKernel !== (group === Group.Kernel)) return Fault.Forged;
  return (flags & DatagramFlag.Truncated) !== 0 ? Fault.Truncated : Fault.Ok;
}
