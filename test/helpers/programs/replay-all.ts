/**
 * Replays every trace of a directory and below: `replay-all.js DIRECTORY [RECORDS]`. All of them
 * in Wasm; in the JavaScript build, whose hashes are slow, so many records. One that was cut short
 * is replayed as far as it goes. All are explained, too: no partition may flap by our own doing.
 * Exits 1 and names the trace where one differs.
 */
import { loadJsCore } from "../../../host/core.ts";
import { loadDefaultCore } from "../../../host/core-file.ts";
import { readTrace } from "../../../host/trace/explain/from-trace.ts";
import { storyOf } from "../../../host/trace/explain/story.ts";
import { type Replayed, replay } from "../../../host/trace/replay.ts";
import { splitLines } from "../../../host/trace/split.ts";
import { type Recording, recordingsIn } from "../recordings.ts";

const [directory = "", limit = "20000"] = process.argv.slice(2);
const total = { traces: 0, records: 0, cut: 0, js: 0, flaps: 0 };
let jsLeft = Number(limit);

for (const recording of recordingsIn(directory)) {
  const { lines } = recording;
  const replayed = await replay(splitLines([lines]), loadDefaultCore);
  check(recording, replayed, "Wasm");
  if (replayed.divergence === undefined) await explain(recording);
  total.traces += 1;
  total.records += replayed.records;
  if (replayed.isCut) total.cut += 1;
  if (jsLeft <= 0) continue;
  const again = await replay(splitLines([lines]), loadJsCore, { to: jsLeft });
  jsLeft -= again.records;
  total.js += 1;
  check(recording, again, "JavaScript");
}

const { traces, records, cut, js, flaps } = total;
console.log(
  `${traces} traces replayed, ${records} records, ${js} of them in both builds, ${cut} cut; ` +
    `explained: ${flaps} flaps, by rescans or others`,
);

function check(recording: Recording, { divergence }: Replayed, build: string): void {
  if (divergence === undefined) return;
  console.log(`${build}, line ${divergence.line}: ${divergence.expected}`);
  console.log(`this core: ${divergence.actual}`);
  console.log(`npx diskseq replay ${recording.keep()}`);
  process.exitCode = 1;
}

/** What a rescan deletes and adds is meant to go. */
async function explain(recording: Recording): Promise<void> {
  const { disks } = storyOf(await readTrace(splitLines([recording.lines])));
  const flaps = disks.flatMap((disk) => disk.flaps.filter((flap) => flap.isSameInstance));
  total.flaps += flaps.length;
  const own = flaps.filter(({ by, cause }) => by === "diskseq" && cause !== "blkpg");
  if (own.length === 0) return;
  console.log(`${own.length} flaps of our own doing: ${own.map(({ cause }) => cause).join(", ")}`);
  console.log(`npx diskseq explain ${recording.keep()}`);
  process.exitCode = 1;
}
