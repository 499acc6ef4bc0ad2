/**
 * A recorded call on the model: its descriptors and places as the model has them, what has to be
 * told the model before (images, tables, devices of others), and whether its answer is the recorded
 * one.
 */
import { Call, CallWord, Place } from "../../../assembly/abi.ts";
import { Errno, Ioctl, Lock, LoFlag, OpenFlag } from "../../../assembly/wire/linux.ts";
import { LoopConfig } from "../../../assembly/wire/loop.ts";
import type { Completion, MadeCall } from "../../call-trace.ts";
import type { Model } from "../model.ts";
import { type Answer, isSameImage, isTorn, saidIn, statusAt, viewOf } from "./answers.ts";
import type { Branch, OpenFile, Pending } from "./branch.ts";
import type { Foresight } from "./foresight.ts";
import type { TracedImages } from "./images.ts";
import type { Outlook, Traced } from "./outlook.ts";
import { handOver, type Outsiders, TRACED } from "./outsiders.ts";

const nothing: OpenFile = { file: -1, image: -1, number: -1 };
const absent = "nodes that are not there";
const isOthers = "what sysfs shows of devices of others";

export class Performer {
  readonly #model: Model;
  readonly #outlook: Outlook;
  readonly #foresight: Foresight;
  readonly #images: TracedImages;
  readonly #outsiders: Outsiders;

  constructor(
    model: Model,
    outlook: Outlook,
    foresight: Foresight,
    images: TracedImages,
    outsiders: Outsiders,
  ) {
    this.#model = model;
    this.#outlook = outlook;
    this.#foresight = foresight;
    this.#images = images;
    this.#outsiders = outsiders;
  }

  /** Nobody of ours has the device open, or is about to, and it is not bound. */
  isOver(branch: Branch, number: number): boolean {
    return !this.#model.disk(number)?.isBound && this.#isLeft(branch, number);
  }

  #isLeft({ files, pending }: Branch, number: number): boolean {
    const isAsked = ({ index, task, answer, closes }: Pending): boolean =>
      this.#outlook.numberOf(index) === number &&
      (task >= 0 || answer !== undefined || closes !== undefined);
    const isOne = (opened: OpenFile): boolean => opened.number === number;
    return ![...files.values()].some(isOne) && ![...pending.values()].some(isAsked);
  }

  /**
   * Tells the model what it has to know before it is given a call. Why it cannot be given it; then
   * the answer is nothing that it determines.
   */
  prepare(branch: Branch, pending: Pending): string | undefined {
    const { words, index } = pending;
    const answer = this.#outlook.answerTo(index);
    const number = this.#outlook.numberOf(index);
    switch (words.call) {
      case Call.Open:
        return this.#prepareOpen(branch, pending, answer);
      case Call.ReadRecord:
        return "records of udev";
      case Call.FindHolders:
        return "who holds a device";
      case Call.MakeNode:
      case Call.RemoveNode:
        return "nodes in file systems of our own";
      case Call.FindBacking:
      case Call.FindUnbound:
        return undefined;
      case Call.ReadDisk:
      case Call.ListPartitions:
      case Call.Trigger:
        if (number < 0) return "what sysfs shows of other disks";
        return branch.roles.get(number) === "followed" ? undefined : isOthers;
      default:
        return this.#prepareOnFile(branch, pending, answer);
    }
  }

  #prepareOpen(
    branch: Branch,
    { words, index }: Pending,
    answer: Completion | undefined,
  ): string | undefined {
    const traced = this.#outlook.openedBy(index);
    const { place } = words;
    if (place === Place.Image || place === Place.Reopen) {
      // Files are the file systems' matter; a node that is only named is nobody's.
      if (traced?.kind === "image") return answer && answer.result < 0 ? "files" : undefined;
      if (traced?.kind !== "disk") return "what is neither an image nor a loop device";
      if ((words.request & OpenFlag.O_PATH) !== 0) return "nodes that are only named";
    }
    if (traced?.kind === "control") return answer && answer.result < 0 ? absent : undefined;
    if (traced?.kind !== "disk") return "nodes of others";
    if (this.#isStillOurs(branch, traced.number)) return undefined;
    if (answer !== undefined && answer.result === -Errno.ENOENT) return absent;
    this.#follow(branch, traced.number, false);
    return undefined;
  }

  /** A device that is followed; but where we had let go of it others may have used it meanwhile. */
  #isStillOurs(branch: Branch, number: number): boolean {
    if (branch.roles.get(number) !== "followed") return false;
    if (!this.#isLeft(branch, number) || !this.#isOther(branch, number)) return true;
    handOver(branch, number);
    return false;
  }

  /** What the trace shows of a device next is another instance than the model's. */
  #isOther(branch: Branch, number: number): boolean {
    const disk = this.#model.disk(number);
    const { isBound, status } = this.#foresight.found(number, branch.index);
    if (status !== undefined && disk?.isBound) {
      const image = this.#images.find(status.device, status.inode);
      if (image >= 0 && image !== disk.backing) return true;
    }
    const diskseq = this.#foresight.diskseqBehind(number, branch.index);
    const model = disk?.diskseq ?? 0n;
    if (diskseq !== 0n && model !== 0n) return !branch.canPair(number, diskseq, model);
    if (isBound === undefined || disk === undefined) return false;
    if (!isBound || !disk.isBound) return isBound !== disk.isBound;
    const before = this.#foresight.statusBefore(number, branch.index);
    return before !== undefined && status !== undefined && !isSameImage(before, status);
  }

  /** From here on a device is judged. */
  #follow(branch: Branch, number: number, isFree: boolean): void {
    this.#outsiders.adopt(branch, number, isFree);
    branch.roles.set(number, "followed");
  }

  #prepareOnFile(
    branch: Branch,
    { words, index, closes }: Pending,
    answer: Completion | undefined,
  ): string | undefined {
    const subject = this.#outlook.subjectOf(index);
    const isKnown = closes !== undefined || branch.files.has(words.descriptor);
    if (!isKnown) this.#borrow(branch, words.descriptor, subject);
    const { file, image } = closes ?? branch.files.get(words.descriptor) ?? nothing;
    if (file < 0) return "what is neither an image nor a loop device";
    if (image >= 0) this.#images.resize(image, this.#outlook.answerIndex(index));
    switch (words.request) {
      case Ioctl.LOOP_CTL_GET_FREE:
      case Ioctl.LOOP_CTL_ADD:
        if (answer !== undefined) this.#prepareNumber(branch, words, answer.result);
        return undefined;
      case Ioctl.LOOP_SET_CAPACITY:
        this.#grow(subject?.number ?? -1, index);
        return undefined;
      case Ioctl.LOOP_CONFIGURE:
      case Ioctl.LOOP_SET_FD:
      case Ioctl.LOOP_SET_STATUS64:
        return this.#prepareTable(branch, index, subject);
      default:
        return undefined;
    }
  }

  /** What the application had opened itself. */
  #borrow(branch: Branch, descriptor: number, subject: Traced | undefined): void {
    let opened = nothing;
    if (subject?.kind === "image") {
      const { image } = subject;
      const file = this.#model.openImage(TRACED, image, OpenFlag.O_RDWR);
      opened = { file, image, number: -1, isBorrowed: true };
    } else if (subject?.kind === "disk") {
      const { number } = subject;
      if (branch.roles.get(number) !== "followed") this.#follow(branch, number, false);
      opened = { file: this.#outsiders.openFor(TRACED, number), image: -1, number };
    }
    branch.files.set(descriptor, opened);
  }

  /** Which number is free is a matter of what others have. */
  #prepareNumber(branch: Branch, { request, argument }: Pending["words"], result: number): void {
    const isFree = request === Ioctl.LOOP_CTL_GET_FREE;
    const asked = Number(BigInt.asIntN(32, argument));
    const number = result >= 0 ? result : isFree ? -1 : asked;
    if (isFree && this.#model.disk(number)?.isBound && this.#isLeft(branch, number)) {
      handOver(branch, number);
    }
    if (number < 0 || this.#isStillOurs(branch, number)) {
      this.#occupyBelow(branch, number, isFree);
      return;
    }
    const isNew = isFree ? this.#isAdded(branch, number) : result >= 0;
    if (isNew) {
      // The lowest that was not there, unless it was asked for.
      const from = isFree || asked < 0 ? 0 : number;
      for (let below = from; below < number; below++) this.#outsiders.make(below);
    } else {
      this.#follow(branch, number, isFree);
    }
    this.#occupyBelow(branch, number, isFree);
    branch.roles.set(number, "followed");
  }

  /** GET_FREE made it: that is heard by who listens. */
  #isAdded(branch: Branch, number: number): boolean {
    return branch.isSubscribed && this.#foresight.isAddedBehind(number, branch.index);
  }

  /** The lowest free one is told: those below of which we have let go are not free. */
  #occupyBelow(branch: Branch, number: number, isFree: boolean): void {
    for (let below = 0; isFree && below < number; below++) {
      const disk = this.#model.disk(below);
      if (disk === undefined || disk.isBound) continue;
      if (branch.roles.get(below) === "followed") {
        if (!this.#isLeft(branch, below)) continue;
        handOver(branch, below);
      }
      this.#outsiders.occupy(below);
      branch.roles.set(below, "theirs");
    }
  }

  /** A file has grown to what the device shows next. */
  #grow(number: number, index: number): void {
    const disk = this.#model.disk(number);
    const bytes = this.#foresight.sizeBehind(number, index);
    if (disk === undefined || bytes === undefined) return;
    if (disk.backing >= 0) this.#images.setSize(disk.backing, disk.offset + bytes);
  }

  /** The tables that the kernel's parsers are about to see. */
  #prepareTable(branch: Branch, index: number, subject: Traced | undefined): string | undefined {
    const made = this.#outlook.records[index] as MadeCall;
    const { words, data } = made;
    const view = viewOf(data);
    if (words.request === Ioctl.LOOP_SET_STATUS64) {
      const image = this.#model.disk(subject?.number ?? -1)?.backing ?? -1;
      const { offset, sizeLimit } = statusAt(view, 0);
      this.#images.readTable(image, index, offset, sizeLimit);
      return undefined;
    }
    const isOne = words.request === Ioctl.LOOP_CONFIGURE;
    const backing = isOne ? view.getInt32(0, true) : Number(words.argument);
    const opened = branch.files.get(backing) ?? nothing;
    const { file, image, isBorrowed } = opened;
    if (file < 0) return "devices whose image is another driver's disk";
    const none = { offset: 0n, sizeLimit: 0n, flags: 0 };
    const asked = isOne ? statusAt(view, LoopConfig.Info) : none;
    if (isBorrowed && this.#isShownReadOnly(subject?.number ?? -1, index, asked.flags)) {
      const again = this.#model.openImage(TRACED, image, OpenFlag.O_RDONLY);
      branch.files.set(backing, { ...opened, file: again });
    }
    this.#images.readTable(image, index, asked.offset, asked.sizeLimit);
    return undefined;
  }

  /** The kernel found the image open for reading only, for nobody asked for such a device. */
  #isShownReadOnly(number: number, index: number, asked: number): boolean {
    const { status } = this.#foresight.found(number, this.#outlook.answerIndex(index) + 1);
    return ((status?.flags ?? 0) & ~asked & LoFlag.LO_FLAGS_READ_ONLY) !== 0;
  }

  /** Partitions that are there next, although nobody of ours made them, are others'. */
  catchUp(branch: Branch, number: number): void {
    if (branch.pending.size > 0) return;
    const missing = this.#outsiders.missing(branch, number);
    if (missing === undefined) return;
    this.#outsiders.complete(branch, number);
    branch.tell(missing);
  }

  /** Its task in the model. */
  begin(branch: Branch, { words, index, closes }: Pending): number {
    const { callWords, buffers } = this.#model;
    const made = this.#outlook.records[index] as MadeCall;
    const put = (word: CallWord, value: number | bigint): void =>
      callWords.setBigUint64(word * 8, BigInt.asUintN(64, BigInt(value)), true);
    const fileOf = (descriptor: number) => (branch.files.get(descriptor) ?? nothing).file;
    const traced = this.#outlook.openedBy(index);
    const isNode = words.place === Place.Reopen || words.place === Place.Image;
    const isDisk = isNode && words.call === Call.Open && traced?.kind === "disk";
    put(CallWord.Call, words.call);
    put(CallWord.Step, words.step);
    put(CallWord.Descriptor, isDisk ? -1 : (closes?.file ?? fileOf(words.descriptor)));
    put(CallWord.Request, words.request);
    put(CallWord.Place, isDisk ? Place.Disk : words.place);
    put(CallWord.Number, isDisk ? traced.number : words.number);
    put(CallWord.Partition, isDisk ? traced.partition : words.partition);
    const isSetFd = words.request === Ioctl.LOOP_SET_FD;
    put(CallWord.Argument, isSetFd ? fileOf(Number(words.argument)) : words.argument);
    put(CallWord.Argument2, words.argument2);
    put(CallWord.Buffer, 0);
    put(CallWord.Bytes, words.bytes);
    buffers.fill(0, 0, words.bytes);
    buffers.set(made.data, 0);
    if (words.request === Ioctl.LOOP_CONFIGURE) {
      const view = viewOf(buffers);
      view.setInt32(0, fileOf(view.getInt32(0, true)), true);
    }
    return this.#model.beginCall(TRACED, traced?.kind === "image" ? traced.image : -1);
  }

  finish({ task, words }: Pending): Answer {
    const result = this.#model.finishCall(task);
    return { result, data: this.#model.buffers.slice(0, words.bytes) };
  }

  /** Whether the model answers what was recorded. */
  isSame(branch: Branch, pending: Pending, recorded: Completion, answer: Answer): boolean {
    const { words, index } = pending;
    const number = this.#outlook.numberOf(index);
    if (number >= 0 && branch.roles.get(number) === "theirs") return true;
    if (words.call === Call.FindBacking || words.call === Call.FindUnbound) {
      return this.#isSameFind(branch, words.call, recorded.result, answer.result);
    }
    if (words.call === Call.Flock && recorded.result === -Errno.EAGAIN && answer.result === 0) {
      // Another has a lock that no call of ours shows; a lock that is changed in vain is lost.
      this.#model.flock(TRACED, branch.files.get(words.descriptor)?.file ?? -1, Lock.LOCK_UN);
      branch.tell(`${number < 0 ? "loop-control" : `loop${number}`}: locked`);
      return true;
    }
    // How much there is to read of a file is the file's matter.
    if (words.call === Call.Pread && number < 0) return recorded.result < 0 === answer.result < 0;
    const { earlier } = pending;
    const was = saidIn(words, recorded);
    const isOne = (one: Answer): boolean =>
      branch.pair(number, was.diskseq, saidIn(words, one).diskseq);
    if (saidIn(words, answer).text === was.text && isOne(answer)) return true;
    if (earlier === undefined || !isTorn(words, recorded, earlier, answer)) return false;
    return isOne(answer) || isOne(earlier);
  }

  /** What others have is not known: only devices that are followed count. */
  #isSameFind(branch: Branch, call: Call, recorded: number, model: number): boolean {
    const isFollowed = (number: number) => branch.roles.get(number) === "followed";
    if (recorded >= 0 && isFollowed(recorded)) {
      // A path that leads nowhere is a match, too.
      const isBacking = call === Call.FindBacking && this.#model.disk(recorded)?.isBound;
      return recorded === model || isBacking === true;
    }
    if (model < 0 || !isFollowed(model)) return true;
    if (recorded >= 0 && recorded < model) return true;
    return !this.#isStillOurs(branch, model);
  }

  /** What follows from an answer that is the same. */
  settle(
    branch: Branch,
    { words, index, closes }: Pending,
    recorded: Completion,
    answer: Answer,
  ): void {
    const { result, data } = recorded;
    if (words.call === Call.Open && result >= 0) {
      const traced = this.#outlook.openedBy(index);
      const { image = -1, number = -1 } = traced ?? {};
      branch.files.set(result, { file: answer.result, image, number });
    }
    if (words.call === Call.Close && closes === undefined) branch.files.delete(words.descriptor);
    if (words.call === Call.Pread && result > 0) this.#learn(branch, words, data);
  }

  #learn(branch: Branch, words: Pending["words"], data: Uint8Array): void {
    const { image, number } = branch.files.get(words.descriptor) ?? nothing;
    if (image >= 0) {
      this.#images.learn(image, words.argument, data);
      return;
    }
    const disk = this.#model.disk(number);
    if (disk !== undefined && disk.backing >= 0) {
      this.#images.learn(disk.backing, disk.offset + words.argument, data);
    }
  }

  /** A descriptor of what the model has not. */
  passOver(branch: Branch, { words, index, closes }: Pending, { result }: Completion): void {
    if (words.call === Call.Open && result >= 0) branch.files.set(result, nothing);
    if (words.call === Call.Close && closes === undefined) branch.files.delete(words.descriptor);
    const isAttach = words.request === Ioctl.LOOP_CONFIGURE || words.request === Ioctl.LOOP_SET_FD;
    if (isAttach && result >= 0) branch.roles.set(this.#outlook.numberOf(index), "theirs");
  }
}
