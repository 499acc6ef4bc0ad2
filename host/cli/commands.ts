/** The command table. A command is one line here and one file under `commands/`. */
import { attachCommand } from "./commands/attach.ts";
import { completionCommand } from "./commands/completion.ts";
import { demoCommand } from "./commands/demo.ts";
import { detachCommand } from "./commands/detach.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { helpCommand } from "./commands/help.ts";
import { listCommand } from "./commands/list.ts";
import { runCommand } from "./commands/run.ts";
import type { Command } from "./table.ts";

/** In the order in which help shows them. */
export const commands: readonly Command[] = [
  attachCommand,
  detachCommand,
  listCommand,
  runCommand,
  doctorCommand,
  demoCommand,
  completionCommand,
  helpCommand,
];
