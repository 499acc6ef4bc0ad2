/**
 * The other way to lock a device that is considered: exclusively until its partitions are there,
 * then shared. The core locks it shared from the beginning; this kernel makes the difference.
 */
import { Call } from "../../../assembly/abi.ts";
import { Step } from "../../../assembly/core/steps.ts";
import { Lock } from "../../../assembly/wire/linux.ts";
import type { KernelCall } from "../../../host/kernel.ts";
import { KernelDecorator } from "../../helpers/kernels.ts";

/** For one attach at a time. */
export class ExclusiveKernel extends KernelDecorator {
  /** The core's lock as it asked for it, until it is given so. */
  #lock: KernelCall | undefined;

  override async perform(call: KernelCall): Promise<number> {
    if (call.call === Call.Flock && call.step === Step.LockDevice) {
      this.#lock = call;
      return this.inner.perform({ ...call, request: Lock.LOCK_EX | Lock.LOCK_NB });
    }
    if (call.step === Step.ListPartitions && this.#lock !== undefined) {
      const result = await this.inner.perform(this.#lock);
      this.#lock = undefined;
      if (result < 0) return result;
    }
    return this.inner.perform(call);
  }
}
