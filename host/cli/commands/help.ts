/** `diskseq help`: the overview, or the page of one command. */
import { jsonLine } from "../format.ts";
import { commandHelp, describeCommand, overview } from "../help.ts";
import { findCommand } from "../parse.ts";
import { defineCommand } from "../table.ts";

export const helpCommand = defineCommand({
  name: "help",
  summary: "explain diskseq or one of its commands",
  usage: "[COMMAND] [options]",
  description: [],
  operand: { name: "COMMAND", min: 0, max: 1, complete: "command" },
  options: {},
  examples: [
    ["diskseq help attach", "options and examples of attach"],
    ["diskseq help --json", "the whole command table, for tools"],
  ],
  async run({ operands: [name], json }, context) {
    const { commands, stdout } = context;
    const command = name === undefined ? undefined : findCommand(name, commands);
    if (json) {
      const described = command === undefined ? commands : [command];
      stdout.write(jsonLine({ commands: described.map(describeCommand) }));
    } else {
      stdout.write(
        command === undefined
          ? overview(context, stdout.paint)
          : commandHelp(command, stdout.paint),
      );
    }
    return 0;
  },
});
