/** Replays a trace in a process of its own and prints the most memory that took, in bytes. */
import { loadDefaultCore } from "../../host/core-file.ts";
import { linesOf } from "../../host/trace/reader.ts";
import { replay } from "../../host/trace/replay.ts";

const { divergence, isCut } = await replay(linesOf(process.argv[2] ?? ""), loadDefaultCore);
if (divergence !== undefined || isCut) throw new Error("the trace does not replay");
console.log(process.resourceUsage().maxRSS * 1024);
