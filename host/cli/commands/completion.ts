/** `diskseq completion`: prints the completion script of a shell. */
import { bashScript, fishScript, zshScript } from "../completion.ts";
import { jsonLine } from "../format.ts";
import { defineCommand } from "../table.ts";

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export const completionCommand = defineCommand({
  name: "completion",
  summary: "print the completion script for a shell",
  usage: "bash|zsh|fish [options]",
  description: [],
  operand: { name: "SHELL", min: 1, max: 1, complete: ["bash", "zsh", "fish"] },
  options: {},
  examples: [
    ["source <(diskseq completion bash)", "bash: for this shell, or in ~/.bashrc"],
    ["source <(diskseq completion zsh)", "zsh: the same, in ~/.zshrc after compinit"],
    ["diskseq completion fish > ~/.config/fish/completions/diskseq.fish", "fish: the same"],
  ],
  async run({ operands: [shell], json }, context) {
    const script = scripts[shell as keyof typeof scripts](context.commands);
    context.stdout.write(json ? jsonLine({ shell, script }) : script);
    return 0;
  },
});
