/** Whether a core speaks this host's vocabulary: the words of the boundary, and of its steps. */
import * as abi from "../assembly/abi.ts";
import { Step } from "../assembly/core/steps.ts";
import { LoopError } from "./errors.ts";

/** Every enum value of the host must be in the core, and the same. */
export function checkVocabulary(exports: Record<string, unknown>): void {
  for (const [name, members] of Object.entries({ ...abi, Step })) {
    for (const [member, value] of Object.entries(members)) {
      if (typeof value !== "number") continue;
      const global = exports[`${name}.${member}`] as { value: number } | undefined;
      if (global?.value === value) continue;
      throw new LoopError(
        "ERR_CORE_ABI",
        `this core.wasm has ${name}.${member} = ${global?.value ?? "nothing"}, ` +
          `the host needs ${value}: they come from different versions`,
      );
    }
  }
}
