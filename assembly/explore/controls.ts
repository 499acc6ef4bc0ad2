/**
 * Negative controls: calls of the shipped core that are altered on their way, or answered without
 * being made, so that one of its precautions is gone. What it keeps from happening must then be
 * found.
 */
import { Call, CallWord } from "../abi.ts";
import { Step } from "../core/steps.ts";
import { Kernel } from "../kernel/kernel.ts";
import { Errno, Ioctl, LoFlag } from "../wire/linux.ts";
import { LoopConfig, loopFlags, setLoopFlags } from "../wire/loop.ts";
import { Control } from "./words.ts";

/** A descriptor that no file has. */
const NO_FILE: i32 = 255;

export class Controls {
  private readonly kernel: Kernel;
  private readonly controls: i32;
  private readonly words: DataView;
  private readonly buffers: DataView;

  constructor(kernel: Kernel, controls: i32, words: DataView, buffers: DataView) {
    this.kernel = kernel;
    this.controls = controls;
    this.words = words;
    this.buffers = buffers;
  }

  private word(word: i32): i32 {
    return this.words.getInt32(word * 8, true);
  }

  private has(control: i32): bool {
    return (this.controls & control) !== 0;
  }

  /** The task of a call that is answered without being made; -1: it is made. */
  begin(): i32 {
    if (this.controls === 0) return -1;
    const call = this.word(CallWord.Call);
    const step = this.word(CallWord.Step);
    if (this.has(Control.NoSplit) && step === Step.Configure) this.askForPartitions();
    if (this.has(Control.NoDrain)) {
      if (step === Step.DrainOpen) return this.answer(NO_FILE);
      if (step === Step.DrainClose) return this.answer(0);
    }
    const isDevice = call === Call.Flock && step !== Step.LockControl;
    if (this.has(Control.NoLock) && isDevice) return this.answer(0);
    if (this.has(Control.NoPrivateNode) && call === Call.MakeNode) return this.answer(-Errno.EPERM);
    return -1;
  }

  private answer(result: i32): i32 {
    return this.kernel.answered(0, result);
  }

  private askForPartitions(): void {
    assert(this.word(CallWord.Request) === Ioctl.LOOP_CONFIGURE);
    const at = this.word(CallWord.Buffer) + LoopConfig.Info;
    setLoopFlags(this.buffers, at, loopFlags(this.buffers, at) | LoFlag.LO_FLAGS_PARTSCAN);
  }
}
