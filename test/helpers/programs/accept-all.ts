/**
 * Holds every trace of a directory and below against the simulated kernel: `accept-all.js DIRECTORY
 * [VERSION]`; without a version each against the one that it names. Says how many the kernel could
 * have answered as they are, how many only where others did something, how many cannot be judged:
 * among them those in which a test answered instead of the kernel (`LyingKernel`).
 * Exits 1 and names the trace where one is refused.
 */
import { acceptCalls } from "../../../host/sim/index.ts";
import { readCalls } from "../../../host/trace/calls.ts";
import { splitLines } from "../../../host/trace/split.ts";
import { isLying } from "../kernels.ts";
import { recordingsIn } from "../recordings.ts";

const [directory = "", version] = process.argv.slice(2);
const total = {
  ...{ calls: 0, events: 0, deeds: 0 },
  ...{ accepted: 0, withDeeds: 0, unfit: 0, lies: 0, refused: 0 },
};

for (const { lines, keep } of recordingsIn(directory)) {
  const trace = await readCalls(splitLines([lines]));
  if (isLying(trace.kernel)) {
    total.lies += 1;
    continue;
  }
  const found = acceptCalls(trace, version);
  const { deeds, unfit, refusal } = found;
  total.calls += found.calls;
  total.events += found.events;
  total.deeds += deeds.length;
  if (unfit !== undefined) {
    total.unfit += 1;
  } else if (refusal === undefined) {
    if (deeds.length > 0) total.withDeeds += 1;
    else total.accepted += 1;
  } else {
    total.refused += 1;
    console.log(`line ${refusal.line}: ${refusal.what} ${refusal.recorded}`);
    console.log(`simulated: ${refusal.model}`);
    const kernel = version === undefined ? "" : ` --kernel ${version}`;
    console.log(`npx diskseq sim --validate ${keep()}${kernel}`);
    process.exitCode = 1;
  }
}

const { calls, events, deeds, accepted, withDeeds, unfit, lies, refused } = total;
const made = lies === 0 ? "" : `, ${lies} whose answers a test made up`;
console.log(
  `accepted by the simulated kernel: ${accepted} as they are, ${withDeeds} with ${deeds} deeds ` +
    `of others, ${unfit} not judged${made}, ${refused} refused; ${calls} calls, ${events} events`,
);
