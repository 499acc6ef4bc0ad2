/**
 * Decorators of `Kernel`: the real kernel with something in between.
 */
import { Call } from "../../assembly/abi.ts";
import { Ioctl } from "../../assembly/wire/linux.ts";
import type { FileFacts, Holder, Kernel, KernelCall, Stream } from "../../host/kernel.ts";

/** Passes everything on; what differs is overridden. */
export class KernelDecorator implements Kernel {
  protected readonly inner: Kernel;

  constructor(inner: Kernel) {
    this.inner = inner;
  }

  get name(): string {
    return this.inner.name;
  }

  now(): bigint {
    return this.inner.now();
  }

  perform(call: KernelCall): number | Promise<number> {
    return this.inner.perform(call);
  }

  connect(stream: Stream): void {
    this.inner.connect(stream);
  }

  readAttribute(disk: string, attribute: string): string | undefined {
    return this.inner.readAttribute(disk, attribute);
  }

  listNames(disk?: string): string[] {
    return this.inner.listNames(disk);
  }

  receiveBufferBytes(group: number): number | undefined {
    return this.inner.receiveBufferBytes(group);
  }

  findDisk(diskseq: bigint): string | undefined {
    return this.inner.findDisk(diskseq);
  }

  diskOf(major: number, minor: number): { disk: string; partition: number } | undefined {
    return this.inner.diskOf(major, minor);
  }

  findFile(path: string): Promise<FileFacts | undefined> {
    return this.inner.findFile(path);
  }

  findHolders(disk: string, exceptDescriptor?: number): Promise<Holder[]> {
    return this.inner.findHolders(disk, exceptDescriptor);
  }

  findLockers(disk: string): Promise<Holder[]> {
    return this.inner.findLockers(disk);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** Calls back before and after each call, which are counted from 1 on. */
export class WatchedKernel extends KernelDecorator {
  calls = 0;
  before: (call: KernelCall, index: number) => undefined = () => undefined;
  after: (call: KernelCall, index: number, result: number) => undefined = () => undefined;

  override perform(call: KernelCall): number | Promise<number> {
    this.calls += 1;
    const index = this.calls;
    this.before(call, index);
    const answered = (result: number): number => {
      this.after(call, index, result);
      return result;
    };
    const result = this.inner.perform(call);
    return typeof result === "number" ? answered(result) : result.then(answered);
  }
}

const lying = "lying ";

/**
 * Answers what the kernel did not. By its name a trace says so, too: as one of the kernel it would
 * be judged wrongly.
 */
export class LyingKernel extends KernelDecorator {
  /** An answer without the kernel; undefined: it is asked. */
  instead: (call: KernelCall) => number | undefined = () => undefined;
  /** What is told where it was asked. */
  told: (call: KernelCall, result: number) => number = (_call, result) => result;

  override get name(): string {
    return `${lying}${super.name}`;
  }

  override perform(call: KernelCall): number | Promise<number> {
    const instead = this.instead(call);
    if (instead !== undefined) return instead;
    const result = this.inner.perform(call);
    const told = (answer: number): number => this.told(call, answer);
    return typeof result === "number" ? told(result) : result.then(told);
  }
}

/** Whether some answers of a trace are not those of the kernel that it names. */
export function isLying(kernel: string): boolean {
  return kernel.startsWith(lying);
}

/** `Open`, `LOOP_CONFIGURE`, ...: the call, or the ioctl that it is. */
export function callName(call: KernelCall): string {
  const isIoctl = call.call === Call.IoctlBuffer || call.call === Call.IoctlValue;
  return (isIoctl ? Ioctl[call.request] : Call[call.call]) ?? `call ${call.call}`;
}
