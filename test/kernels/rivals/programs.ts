/**
 * Programs in Python beside an attach, and the one that watches: processes of their own, which
 * share no code with diskseq. Knows nothing of who attaches.
 */
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Running, start } from "../../helpers/process.ts";
import { packageRoot } from "../../helpers/root.ts";

const directory = join(packageRoot, "test/kernels/rivals/programs");
/** Longer than any run: they are ended by who started them. */
const deadlineMs = 24 * 3_600_000;

/** From when it says that it is at work. */
export async function startProgram(name: string, ...args: readonly string[]): Promise<Running> {
  // Neither the site's modules nor files beside the program: it starts in a third of the time.
  const words = ["-S", "-B", join(directory, `${name}.py`), ...args];
  const running = start("python3", words, { deadlineMs });
  await running.shows("listening");
  return running;
}

/** Rejects where it had ended by itself: what was measured beside it is worth nothing. */
export async function endProgram(running: Running): Promise<void> {
  const { signal, status, stderr } = await running.stop("SIGKILL");
  if (signal !== "SIGKILL") throw new Error(`a program ended by itself: ${status}, ${stderr}`);
}

/** Events that nobody else asks for by a name: those of the null device. */
const markPath = "/sys/devices/virtual/mem/null/uevent";

/** What it has told so far, line by line. */
export class Watcher {
  readonly lines: string[] = [];
  readonly #running: Running;
  /** Who waits for a mark, by the mark. */
  readonly #marks = new Map<string, (index: number) => void>();

  static async start(): Promise<Watcher> {
    return new Watcher(await startProgram("watcher"));
  }

  private constructor(running: Running) {
    this.#running = running;
    let rest = "";
    running.child.stdout?.on("data", (piece: string) => {
      const lines = `${rest}${piece}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const index = this.lines.push(line) - 1;
        this.#marks.get(line)?.(index);
      }
    });
  }

  /** Where in its lines it is by now: all that happened before is told. Rejects when it ended. */
  async mark(): Promise<number> {
    const uuid = randomUUID();
    const line = `mark ${uuid}`;
    const told = new Promise<number>((resolve) => this.#marks.set(line, resolve));
    writeFileSync(markPath, `change ${uuid}`);
    const ended = this.#running.outcome.then(({ stderr }) => {
      throw new Error(`nobody watches any more: ${stderr}`);
    });
    const index = await Promise.race([told, ended]);
    this.#marks.delete(line);
    return index;
  }

  async stop(): Promise<void> {
    await endProgram(this.#running);
  }
}
