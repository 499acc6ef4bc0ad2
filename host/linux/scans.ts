/**
 * Shares scans of /proc: whoever asks while one runs is answered by the next one, together with
 * everybody else who does, so that many waiting operations cost as much as one. An answer is never
 * older than its question.
 */
import type { Holder } from "../kernel.ts";
import type { FoundHolder } from "./holders.ts";

/** Scans for some disks; `-errno` where it could not. */
export type Scan = (disks: readonly string[]) => Promise<FoundHolder[] | number>;

interface Batch {
  readonly disks: Set<string>;
  readonly answer: Promise<FoundHolder[] | number>;
}

export class Scans {
  readonly #scan: Scan;
  #running: Promise<unknown> = Promise.resolve();
  #next: Batch | undefined;

  constructor(scan: Scan) {
    this.#scan = scan;
  }

  /** Holders of a disk and its partitions without one descriptor of this process, or `-errno`. */
  async find(disk: string, except: number | undefined): Promise<Holder[] | number> {
    this.#next ??= this.#batch();
    this.#next.disks.add(disk);
    const found = await this.#next.answer;
    if (typeof found === "number") return found;
    const excepted = ({ pid, descriptor }: FoundHolder) =>
      except !== undefined && descriptor === except && pid === process.pid;
    return found.filter((holder) => holder.disk === disk && !excepted(holder)).map(plain);
  }

  #batch(): Batch {
    const disks = new Set<string>();
    const start = () => {
      this.#next = undefined;
      return this.#scan([...disks]);
    };
    const answer = this.#running.then(start);
    this.#running = answer;
    return { disks, answer };
  }
}

function plain({ disk: _, descriptor: __, ...holder }: FoundHolder): Holder {
  return holder;
}
