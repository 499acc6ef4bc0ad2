/** Processes that attach and detach, one after the other, and are killed in the middle of it. */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Running, start } from "../../helpers/process.ts";

const program = fileURLToPath(new URL("victim.js", import.meta.url));
/** About an attach by each mode, and their detaches, the first ones of a process. */
const longestMs = 1500;

export class Victims {
  /** Starting takes long: it is ready by the time it is wanted. */
  #next = startVictim();

  /** Resolves when there is none any more. */
  async killOne(image: string): Promise<void> {
    const victim = this.#next;
    this.#next = startVictim();
    const { child } = victim;
    await victim.shows("ready");
    child.stdin?.write(`${image}\n`);
    await victim.shows("attaching");
    await sleep(Math.random() * longestMs);
    const { signal, stderr } = await victim.stop("SIGKILL");
    if (signal !== "SIGKILL") throw new Error(`a victim ended by itself: ${stderr}`);
  }

  async end(): Promise<void> {
    await this.#next.stop("SIGKILL");
  }
}

function startVictim(): Running {
  return start(process.execPath, [program], { isInputOpen: true });
}
