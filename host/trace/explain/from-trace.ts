/**
 * Moments of a trace of ours: what a core was told and said, as what happened to devices. Compares
 * nothing, that is replay's; whatever a line has too little of is ERR_TRACE_FORMAT.
 */
import {
  Call,
  Command,
  DiskWord,
  Event,
  Fault,
  Group,
  PartitionEntryWord,
  Place,
} from "../../../assembly/abi.ts";
import { Ioctl, OpenFlag } from "../../../assembly/wire/linux.ts";
import { LoopConfig, loopFlags } from "../../../assembly/wire/loop.ts";
import type { CoreCall } from "../../core-types.ts";
import { errnoName } from "../../errno.ts";
import { LoopError } from "../../errors.ts";
import { eventText, groupName, marksOf, refusals, verdicts } from "../../event-words.ts";
import type { Fields } from "../../fields.ts";
import { kebab, syscallName } from "../../names.ts";
import type { UeventGroup } from "../../stream-types.ts";
import { callOf, parseHeader, parseLine } from "../parse.ts";
import { badLine, type Line } from "../split.ts";
import type { CallMoment, Log, Moment, NoteMoment, UeventMoment } from "./moments.ts";
import { stringsOf, ueventMoment } from "./uevent.ts";

/** Who makes the calls of a trace. */
const actor = "diskseq";

/** What a descriptor or a call is about. */
interface About {
  readonly disk: string | null;
  readonly partition: number;
  readonly isWritable: boolean | null;
}

const nothing: About = { disk: null, partition: 0, isWritable: null };

interface Pending {
  readonly moment: CallMoment;
  readonly call: Call;
  readonly request: number;
  readonly descriptor: number;
}

export async function readTrace(
  batches: AsyncIterable<readonly Line[]> | Iterable<readonly Line[]>,
): Promise<Log> {
  const reader = new Reader();
  let last: Line | undefined;
  for await (const batch of batches) {
    for (const line of batch) {
      if (last !== undefined) reader.line(last);
      last = line;
    }
  }
  if (last === undefined) throw badLine(1, "empty");
  try {
    reader.line(last);
  } catch (error) {
    // Whoever wrote it may have been killed in the midst of a line.
    if (last.number === 1 || !(error instanceof LoopError)) throw error;
  }
  return reader.log;
}

class Reader {
  readonly #moments: Moment[] = [];
  readonly #pending = new Map<number, Pending>();
  readonly #files = new Map<number, About>();
  /** the disk that an operation is about */
  readonly #disks = new Map<number, string>();
  /** the last command of each operation */
  readonly #commands = new Map<number, NoteMoment>();
  /** operations that are looks at sysfs and no more */
  readonly #looks = new Set<number>();
  readonly #groups = new Set<UeventGroup>();
  #operations = 0;
  #facts: Readonly<Record<string, string>> = {};
  #began: number | undefined;
  #now = 0;
  #hasEnded = false;
  /** The datagram that was handed in last. */
  #uevent: UeventMoment | undefined;

  get log(): Log {
    return {
      format: "trace",
      facts: this.#facts,
      moments: this.#moments,
      groups: [...this.#groups].sort(),
      hasCalls: true,
      isCut: !this.#hasEnded,
    };
  }

  line(line: Line): void {
    if (line.number === 1) {
      const header = parseHeader(line);
      this.#facts = header.facts;
      this.#operations = header.operations;
      for (const call of header.from?.calls ?? []) this.#begin(1, call);
      return;
    }
    const fields = parseLine(line);
    if (fields.get("end") !== undefined) {
      this.#hasEnded = fields.get("end") === "ok";
      return;
    }
    const t = Number(fields.decimal("t"));
    this.#began ??= t;
    this.#now = t - this.#began;
    if (fields.get("in") !== undefined) this.#input(line.number, fields);
    else this.#output(line.number, fields);
  }

  /** Records follow the header, from 0. */
  #put(moment: Moment): void {
    moment.record = moment.line - 2;
    this.#moments.push(moment);
  }

  /* Inputs. */

  #input(line: number, fields: Fields): void {
    switch (fields.get("in")) {
      case "command":
        this.#command(line, fields);
        break;
      case "completion":
        this.#completion(line, fields);
        break;
      case "datagram":
        this.#datagram(line, fields);
        break;
      case "overrun": {
        const count = fields.number("count");
        const group = groupName(fields.member(Group, "group"));
        this.#put({
          kind: "gap",
          line,
          at: this.#now,
          record: null,
          group,
          lost: count === 0 ? null : count,
        });
        break;
      }
    }
  }

  #command(line: number, fields: Fields): void {
    const command = fields.member(Command, "command");
    const answer = answerIn(fields);
    if (answer < 0) return;
    // No disk has a partition 0: a look that a recording asks for, not a wait.
    if (command === Command.Wait && fields.get("partitionMask") === "1") {
      this.#looks.add(answer);
      return;
    }
    const isAbort = command === Command.Abort;
    const operation = isAbort ? fields.number("number") : answer;
    const isNamed = command === Command.Wait || command === Command.Watch;
    const hasName = isNamed && fields.get("reference") !== undefined;
    const name = hasName ? new TextDecoder().decode(fields.bytes("reference")) : "";
    const number = fields.get("number") === undefined ? -1 : fields.integer("number");
    let disk = name === "" ? null : name;
    if (!isAbort && !isNamed && number >= 0) disk = `loop${number}`;
    if (isAbort) disk = this.#disks.get(operation) ?? null;
    else this.#disks.delete(operation);
    if (disk !== null) this.#disks.set(operation, disk);
    const diskseq = fields.get("diskseq") ?? "0";
    const text = `${kebab(Command[command] ?? "")}${diskseq === "0" ? "" : ` #${String(diskseq)}`}`;
    const note: NoteMoment = {
      kind: "command",
      line,
      at: this.#now,
      record: null,
      operation,
      disk,
      text,
    };
    if (!isAbort) this.#commands.set(operation, note);
    this.#put(note);
  }

  #datagram(line: number, fields: Fields): void {
    const group = groupName(fields.member(Group, "group"));
    this.#groups.add(group);
    const answer = answerIn(fields);
    this.#uevent = undefined;
    if (answer !== 0) {
      const why = refusals[answer] ?? kebab(Fault[answer] ?? "");
      this.#put({ kind: "refused", line, at: this.#now, record: null, group, why });
      return;
    }
    const strings = stringsOf(fields.bytes("data"));
    this.#uevent = ueventMoment(line, this.#now, group, strings);
    this.#put(this.#uevent);
  }

  /* Calls. */

  #begin(line: number, call: CoreCall, data?: Uint8Array): void {
    const { call: kind, request, operation } = call;
    const about = this.#about(call, data);
    this.#belong(operation, about.disk);
    const moment: CallMoment = {
      kind: "call",
      line,
      at: this.#now,
      record: null,
      actor,
      name: syscallName(kind, request),
      ...about,
      flags: data === undefined ? null : flagsIn(call, data),
      tookNs: null,
      errno: null,
    };
    const { descriptor } = call;
    this.#pending.set(call.ticket, { moment, call: kind, request, descriptor });
    this.#put(moment);
  }

  #belong(operation: number, disk: string | null): void {
    // Behind them is the lookout, which looks for all.
    if (disk === null || operation >= this.#operations) return;
    this.#disks.set(operation, disk);
    const command = this.#commands.get(operation);
    if (command !== undefined) command.disk ??= disk;
  }

  #about(
    { call, place, number, partition, request, operation, descriptor }: CoreCall,
    data?: Uint8Array,
  ) {
    const isWritable = (request & OpenFlag.O_RDWR) !== 0;
    switch (call) {
      case Call.Open:
        if (place === Place.Disk) return { disk: `loop${number}`, partition: 0, isWritable };
        if (place === Place.Partition) return { disk: `loop${number}`, partition, isWritable };
        if (place === Place.Private || place === Place.Hidden) {
          return { disk: this.#disks.get(operation) ?? null, partition: 0, isWritable };
        }
        return nothing;
      case Call.ReadDisk:
      case Call.ListPartitions:
      case Call.Trigger:
        return { ...nothing, disk: number >= 0 ? `loop${number}` : nameIn(data) };
      case Call.FindHolders:
        return { ...nothing, disk: `loop${number}` };
      case Call.Pread:
      case Call.Fstat:
        // Of the image, or of the device: it changes neither.
        return nothing;
      default:
        return this.#files.get(descriptor) ?? nothing;
    }
  }

  #completion(line: number, fields: Fields): void {
    const ticket = fields.number("ticket");
    const pending = this.#pending.get(ticket);
    if (pending === undefined) return;
    this.#pending.delete(ticket);
    const { moment, call, request, descriptor } = pending;
    const result = fields.integer("result");
    moment.tookNs = this.#now - moment.at;
    moment.errno = result < 0 ? errnoName(-result) : null;
    if (call === Call.Close) this.#files.delete(descriptor);
    const data = fields.optionalBytes("data");
    if (moment.disk !== null && (call === Call.ReadDisk || call === Call.ListPartitions)) {
      this.#look(line, moment.disk, call, result, data);
    }
    if (result < 0) return;
    const { disk, partition, isWritable } = moment;
    if (call === Call.Open) this.#files.set(result, { disk, partition, isWritable });
    if (request === Ioctl.BLKGETDISKSEQ && disk !== null && data !== undefined) {
      const diskseq = Number(viewOf(data).getBigUint64(0, true));
      const seen = { isThere: true, diskseq: diskseq || null, isBound: null, partitions: null };
      this.#put({ kind: "look", line, at: this.#now, record: null, disk, ...seen });
    }
  }

  #look(line: number, disk: string, call: Call, result: number, data: Uint8Array | undefined) {
    const base = {
      kind: "look",
      line,
      at: this.#now,
      record: null,
      disk,
      isThere: result >= 0,
    } as const;
    if (result < 0 || data === undefined) {
      const partitions = result === 0 ? [] : null;
      this.#put({ ...base, diskseq: null, isBound: null, partitions });
    } else if (call === Call.ReadDisk) {
      const word = (at: DiskWord) => Number(viewOf(data).getBigUint64(at * 8, true));
      const diskseq = word(DiskWord.Diskseq) || null;
      this.#put({ ...base, diskseq, isBound: word(DiskWord.Bound) === 1, partitions: null });
    } else {
      const stride = PartitionEntryWord.Words * 4;
      const partitions = Array.from({ length: Math.floor(data.length / stride) }, (_, index) =>
        viewOf(data).getInt32(index * stride + PartitionEntryWord.Number * 4, true),
      );
      this.#put({ ...base, diskseq: null, isBound: null, partitions });
    }
  }

  /* Outputs. */

  #output(line: number, fields: Fields): void {
    const out = fields.get("out");
    if (out === "call") {
      const data = fields.optionalBytes("data");
      this.#begin(line, callOf(fields), data);
    } else if (out === "event") {
      this.#event(line, fields);
    }
  }

  #event(line: number, fields: Fields): void {
    const event = fields.number("event");
    const operation = fields.integer("operation");
    if (event === Event.Uevent) {
      const moment = this.#uevent;
      if (moment === undefined || moment.verdict !== null) return;
      moment.verdict = verdicts[fields.number("verdict")] ?? null;
      moment.marks = marksOf(fields.number("marks"));
      return;
    }
    if (event === Event.Lost || this.#looks.delete(operation)) return;
    const errno = fields.integer("errno");
    const text = eventText(event, fields.integer("code"), errno);
    const disk = this.#disks.get(operation) ?? null;
    this.#put({ kind: "event", line, at: this.#now, record: null, operation, disk, text });
  }
}

/** 0 is not written down. */
function answerIn(fields: Fields): number {
  return fields.get("answer") === undefined ? 0 : fields.integer("answer");
}

/** What a call asks of the loop driver. */
function flagsIn({ request }: CoreCall, data: Uint8Array): number | null {
  if (request === Ioctl.LOOP_CONFIGURE) return loopFlags(viewOf(data), LoopConfig.Info);
  return request === Ioctl.LOOP_SET_STATUS64 ? loopFlags(viewOf(data), 0) : null;
}

function nameIn(data: Uint8Array | undefined): string | null {
  const [name = ""] = new TextDecoder().decode(data).split("\0");
  return name === "" ? null : name;
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.length);
}
