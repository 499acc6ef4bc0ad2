/**
 * Which room a step belongs to. Each room begins its steps (a call, a wait, or an outcome at once)
 * and makes an outcome of what a call answered.
 */
import { ChangeSteps } from "./change.ts";
import { ConfigureSteps } from "./configure.ts";
import { DetachSteps } from "./detach.ts";
import { DeviceSteps } from "./device.ts";
import { GuardSteps } from "./guard.ts";
import { ImageSteps } from "./image.ts";
import { Lookout } from "./lookout.ts";
import { PartitionSteps } from "./partitions.ts";
import { Port } from "./port.ts";
import { ProofSteps } from "./proof.ts";
import { State } from "./state.ts";
import { isGuard, isLookout, isProof, isSweep, Outcome, Step } from "./steps.ts";
import { SweepSteps } from "./sweep.ts";
import { UndoSteps } from "./undo.ts";

export class Rooms {
  private readonly image: ImageSteps;
  private readonly guard: GuardSteps;
  private readonly device: DeviceSteps;
  private readonly configure: ConfigureSteps;
  private readonly partitions: PartitionSteps;
  private readonly proof: ProofSteps;
  private readonly undo: UndoSteps;
  private readonly detach: DetachSteps;
  private readonly sweep: SweepSteps;
  private readonly change: ChangeSteps;
  private readonly lookout: Lookout;

  constructor(state: State, port: Port, lookout: Lookout) {
    this.image = new ImageSteps(state, port);
    this.guard = new GuardSteps(state, port);
    this.device = new DeviceSteps(state, port);
    this.configure = new ConfigureSteps(state, port);
    const partitions = new PartitionSteps(state, port);
    this.partitions = partitions;
    this.proof = new ProofSteps(state, port);
    this.undo = new UndoSteps(state, port);
    this.detach = new DetachSteps(state, port);
    this.sweep = new SweepSteps(state, port);
    this.change = new ChangeSteps(state, port, partitions);
    this.lookout = lookout;
  }

  /** What entering a step comes to: an outcome, or PENDING. */
  begin(operation: i32, step: i32): i32 {
    if (isLookout(step)) return this.lookout.begin(operation, step);
    if (step <= Step.Arrange) return this.image.begin(operation, step);
    if (isGuard(step)) return this.guard.begin(operation, step);
    if (step <= Step.SeqBefore) return this.device.begin(operation, step);
    if (step <= Step.SizeAfter) return this.configure.begin(operation, step);
    if (isProof(step)) return this.proof.begin(operation, step);
    if (step <= Step.UnlockDevice) return this.partitions.begin(operation, step);
    if (step <= Step.UndoImage) return this.undo.begin(operation, step);
    if (isSweep(step)) return this.sweep.begin(operation, step);
    if (step >= Step.SizeTarget) return this.change.begin(operation, step);
    return this.detach.begin(operation, step);
  }

  /** What a completion comes to; `outcome` is what the errno policy says of it. */
  finish(operation: i32, step: i32, result: i32, outcome: i32): i32 {
    if (isLookout(step)) return this.lookout.finish(operation, step, result, outcome);
    if (step <= Step.Arrange) return this.image.finish(operation, step, result, outcome);
    if (isGuard(step)) return this.guard.finish(operation, step, result, outcome);
    if (step <= Step.SeqBefore) return this.device.finish(operation, step, result, outcome);
    if (step <= Step.SizeAfter) return this.configure.finish(operation, step, result, outcome);
    if (isProof(step)) return this.proof.finish(operation, step, result, outcome);
    if (step <= Step.UnlockDevice) {
      return this.partitions.finish(operation, step, result, outcome);
    }
    // An undo that must be repeated has undone nothing yet.
    if (step <= Step.UndoImage) {
      return outcome === Outcome.Repeat
        ? outcome
        : this.undo.finish(operation, step, result, outcome);
    }
    if (isSweep(step)) return this.sweep.finish(operation, step, result, outcome);
    if (step >= Step.SizeTarget) return this.change.finish(operation, step, result, outcome);
    return this.detach.finish(operation, step, result, outcome);
  }

  /** How long a lost try waits, ns. */
  backoff(operation: i32): u64 {
    return this.undo.backoff(operation);
  }
}
