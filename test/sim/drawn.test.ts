/**
 * Two or three processes that attach, detach and die on one simulated machine, with faults and
 * losses, all drawn from a seed: every attach that ends well has its partitions, nothing hangs,
 * and what nobody keeps is gone at the end.
 */
import { relative } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Fault, LoopError, Session, SimKernel } from "../../host/sim/index.ts";
import { Random } from "../../host/sim/random.ts";
import { eras, mbrImage } from "../helpers/simulations.ts";

const firstSeed = Number(process.env.DISKSEQ_SEED ?? 1);
const seeds = process.env.DISKSEQ_SEED === undefined ? Number(process.env.DISKSEQ_RUNS ?? 120) : 1;
const file = relative(process.cwd(), process.argv[1] ?? "");

/** Before 5.8 who dies between two calls leaves a device behind. */
const versions = [...eras, "5.15.215", "6.6.87", "7.1.5"];
const errnos = ["EIO", "EBUSY", "EINTR", "ENOMEM", "EAGAIN", "ENXIO"];
/** Each with so many partitions. */
const images = [2, 3, 0].map((count, index) => ({ path: `/image${index}`, count }));

test("drawn processes, faults, losses and deaths leave nothing behind", async () => {
  let [done, failed, killed] = [0, 0, 0];
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    try {
      const run = new Run(seed);
      await run.play();
      done += run.done;
      failed += run.failed;
      killed += run.killed;
    } catch (cause) {
      throw new Error(`${String(cause)}\nalone: DISKSEQ_SEED=${seed} node ${file}`, { cause });
    }
  }
  if (seeds > 100) assert.ok(done > 100 && failed > 5 && killed > 5, `${[done, failed, killed]}`);
});

class Run {
  done = 0;
  failed = 0;
  killed = 0;
  readonly #random: Random;
  readonly #processes: { readonly kernel: SimKernel; readonly session: Session }[] = [];

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    const first = new SimKernel({
      version: versions[random.below(versions.length)] ?? "",
      seed,
      clock: "virtual",
      images: Object.fromEntries(images.map(({ path, count }) => [path, imageOf(count)])),
      loss: random.below(3) === 0 ? 0.5 : 0,
      faults: random.below(2) === 0 ? [this.#drawFault()] : [],
      maxLoop: random.below(3),
    });
    const kernels = [first, first.spawn()];
    if (random.below(2) === 0) kernels.push(first.spawn());
    for (const [index, kernel] of kernels.entries()) {
      const own = { seed: BigInt(10 * seed + index), operations: 4 };
      this.#processes.push({ kernel, session: new Session(kernel, own) });
    }
  }

  async play(): Promise<void> {
    const ends = this.#processes.map(({ kernel, session }, index) =>
      this.#live(kernel, session, index > 0),
    );
    let isOver = false;
    const all = Promise.all(ends).finally(() => {
      isOver = true;
    });
    all.catch(() => {});
    for (let turns = 0; !isOver && turns < 100_000; turns++) await turn();
    assert.ok(isOver, "it never ends");
    await all;
    for (let turns = 0; turns < 200; turns++) await turn();
    const [first] = this.#processes;
    assert.equal(await first?.session.list(), []);
    for (const { kernel } of this.#processes) await kernel.close();
  }

  async #live(kernel: SimKernel, session: Session, isMortal: boolean): Promise<void> {
    const random = this.#random;
    for (let round = 0; round < 2; round++) {
      const image = images[random.below(images.length)];
      const partscan = random.below(3) === 0 ? "user" : "kernel";
      const isDying = isMortal && random.below(8) === 0;
      const attaching = session.attach(image?.path ?? "", { partscan, allowOverlap: true });
      if (isDying) {
        attaching.catch(() => {});
        for (let turns = random.below(60); turns >= 0; turns--) await turn();
        kernel.kill();
        this.killed += 1;
        return;
      }
      await attaching.then(
        async (disk) => {
          assert.is(disk.partitions.length, image?.count);
          this.done += 1;
          // A fault may have been kept for the detach.
          await disk.detach().catch(() => disk.detach());
        },
        (error: unknown) => {
          assert.instance(error, LoopError, String(error));
          assert.ok(!/TIMEOUT|STALE|PANIC/.test((error as LoopError).code), String(error));
          this.failed += 1;
        },
      );
    }
  }

  #drawFault(): Fault {
    const errno = errnos[this.#random.below(errnos.length)] ?? "";
    return { nth: 1 + this.#random.below(60), errno };
  }
}

function imageOf(count: number) {
  const slots = Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    start: 32 * (index + 1),
    size: 16,
  }));
  return mbrImage(slots);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test.run();
