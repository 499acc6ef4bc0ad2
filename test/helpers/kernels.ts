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
  /** May answer instead of the kernel. */
  before: (call: KernelCall, index: number) => number | undefined = () => undefined;
  /** May answer something else than the kernel did. */
  after: (call: KernelCall, index: number, result: number) => number = (_call, _index, result) =>
    result;

  override perform(call: KernelCall): number | Promise<number> {
    this.calls += 1;
    const index = this.calls;
    const instead = this.before(call, index);
    if (instead !== undefined) {
      return instead;
    }
    const result = this.inner.perform(call);
    return typeof result === "number"
      ? this.after(call, index, result)
      : result.then((value) => this.after(call, index, value));
  }
}

/** `Open`, `LOOP_CONFIGURE`, ...: the call, or the ioctl that it is. */
export function callName(call: KernelCall): string {
  const isIoctl = call.call === Call.IoctlBuffer || call.call === Call.IoctlValue;
  return (isIoctl ? Ioctl[call.request] : Call[call.call]) ?? `call ${call.call}`;
}
