/** The command table. A command is one line here and one file under `commands/`. */
import { attachCommand } from "./commands/attach.ts";
import { completionCommand } from "./commands/completion.ts";
import { demoCommand } from "./commands/demo.ts";
import { detachCommand } from "./commands/detach.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { explainCommand } from "./commands/explain.ts";
import { exploreCommand } from "./commands/explore.ts";
import { gcCommand } from "./commands/gc.ts";
import { helpCommand } from "./commands/help.ts";
import { listCommand } from "./commands/list.ts";
import { monitorCommand } from "./commands/monitor.ts";
import { recordCommand } from "./commands/record.ts";
import { replayCommand } from "./commands/replay.ts";
import { rescanCommand } from "./commands/rescan.ts";
import { resizeCommand } from "./commands/resize.ts";
import { runCommand } from "./commands/run.ts";
import { simCommand } from "./commands/sim.ts";
import { waitCommand } from "./commands/wait.ts";
import type { Command } from "./table.ts";

/** In the order in which help shows them. */
export const commands: readonly Command[] = [
  attachCommand,
  detachCommand,
  listCommand,
  runCommand,
  waitCommand,
  monitorCommand,
  rescanCommand,
  resizeCommand,
  gcCommand,
  doctorCommand,
  recordCommand,
  replayCommand,
  explainCommand,
  simCommand,
  exploreCommand,
  demoCommand,
  completionCommand,
  helpCommand,
];
