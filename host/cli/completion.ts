/**
 * Completion scripts for bash, zsh and fish, derived from the command table. Pure.
 *
 * Words and summaries are our own text, but are quoted all the same. Images complete to files,
 * targets to loop devices and files.
 */
import { allOptions, type Command, type Option, optionName, valueRule } from "./table.ts";

const head = "# Made by 'diskseq completion'; change nothing here.";
const devices = "/dev/loop[0-9]*";

export function bashScript(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const options = optionsOf(command);
    const valued = options.filter(({ option }) => valueRule(option) !== "none");
    const values = valued.map(({ words, option }) => {
      const offered = bashValue(option);
      return valueRule(option) === "required"
        ? `        ${words.join("|")}) ${offered}; return ;;`
        : `        ${words.join("|")}) if [[ -n "$joined" ]]; then ${offered}; return; fi ;;`;
    });
    return [
      `    ${command.name})`,
      ...(values.length === 0 ? [] : ['      case "$previous" in', ...values, "      esac"]),
      '      if [[ "$word" == -* ]]; then',
      `        _diskseq_words ${quote(options.flatMap(({ words }) => words).join(" "))}`,
      "      else",
      `        ${bashOperand(command, commands)}`,
      "      fi ;;",
    ].join("\n");
  });
  return `${head}
_diskseq_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word"); }
_diskseq_files() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); }
_diskseq_devices() { _diskseq_words "$(compgen -G '${devices}')"; }
_diskseq() {
  local word="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" joined="" index
  COMPREPLY=()
  # readline makes three words of --option=value.
  if [[ "$word" == = ]]; then
    word="" joined=1
  elif [[ "$previous" == = ]]; then
    previous="\${COMP_WORDS[COMP_CWORD-2]}" joined=1
  fi
  if (( COMP_CWORD == 1 )); then
    _diskseq_words ${quote([...commands.map(({ name }) => name), "--help", "--version"].join(" "))}
    return
  fi
  for (( index = 2; index < COMP_CWORD; index++ )); do
    if [[ "\${COMP_WORDS[index]}" == -- ]]; then
      if (( COMP_CWORD == index + 1 )); then
        mapfile -t COMPREPLY < <(compgen -c -- "$word")
      else
        _diskseq_files
      fi
      return
    fi
  done
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
}
complete -F _diskseq diskseq
`;
}

function bashValue(option: Option): string {
  return offersDevices(option)
    ? "_diskseq_devices"
    : option.choices === undefined
      ? ":"
      : `_diskseq_words ${quote(option.choices.join(" "))}`;
}

function bashOperand(command: Command, commands: readonly Command[]): string {
  const complete = command.operand?.complete;
  if (complete === undefined) {
    return ":";
  }
  if (complete === "file") {
    return "_diskseq_files";
  }
  if (complete === "device") {
    return '_diskseq_devices; [[ "$word" == /dev/* ]] || _diskseq_files';
  }
  const words = complete === "command" ? commands.map(({ name }) => name) : complete;
  return `_diskseq_words ${quote(words.join(" "))}`;
}

export function zshScript(commands: readonly Command[]): string {
  const described = commands.map(({ name, summary }) => quote(`${name}:${summary}`)).join(" ");
  const cases = commands.map((command) => {
    const specs = optionsOf(command).map(({ words, option }) => {
      const exclusive = words.length > 1 ? `(${words.join(" ")})` : "";
      // `=-`: a value only in the same word; `::`: or none.
      const isJoined = valueRule(option) === "joined";
      const text = `${isJoined ? "=-" : ""}[${zshText(option.summary)}]${zshValue(option)}`;
      return words.map((word) => quote(`${exclusive}${word}${text}`)).join(" ");
    });
    const operand = zshOperand(command, commands);
    return `    ${command.name}) _arguments -s -S ${specs.join(" ")}${operand} ;;`;
  });
  return `#compdef diskseq
${head}
_diskseq_devices() {
  local -a nodes
  nodes=(${devices}(N))
  compadd -a nodes
}
_diskseq_targets() { _diskseq_devices; _files }
_diskseq() {
  # Not 'commands': that name is zsh's own.
  local -a entries
  entries=(${described})
  if (( CURRENT == 2 )); then
    _describe command entries
    return
  fi
  local -i terminator=\${words[(i)--]}
  if (( terminator < CURRENT )); then
    shift $terminator words
    (( CURRENT -= terminator ))
    _normal
    return
  fi
  shift words
  (( CURRENT-- ))
  case "$words[1]" in
${cases.join("\n")}
  esac
}
if [[ "$funcstack[1]" == _diskseq ]]; then
  _diskseq "$@"
else
  compdef _diskseq diskseq
fi
`;
}

function zshValue(option: Option): string {
  const rule = valueRule(option);
  if (rule === "none") {
    return "";
  }
  const action = offersDevices(option)
    ? "_diskseq_devices"
    : option.choices === undefined
      ? " "
      : `(${option.choices.join(" ")})`;
  return `${rule === "joined" ? "::" : ":"}${option.kind}:${action}`;
}

function zshOperand(command: Command, commands: readonly Command[]): string {
  const { operand } = command;
  if (operand === undefined) {
    return "";
  }
  const { complete } = operand;
  const words = complete === "command" ? commands.map(({ name }) => name) : complete;
  const action =
    words === "file"
      ? "_files"
      : words === "device"
        ? "_diskseq_targets"
        : `(${(words as readonly string[]).join(" ")})`;
  const position = operand.max === 1 ? "1" : "*";
  return ` ${quote(`${position}:${operand.name}:${action}`)}`;
}

export function fishScript(commands: readonly Command[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const lines = [
    head,
    "function __diskseq_first; test (count (commandline -opc)) -eq 1; end",
    "function __diskseq_in",
    "  set -l words (commandline -opc)",
    '  test (count $words) -ge 2; and test "$words[2]" = $argv[1]',
    "end",
    "function __diskseq_devices",
    "  set -l nodes /dev/loop*",
    "  string match -r '^/dev/loop[0-9].*' -- $nodes",
    "end",
    "complete -c diskseq -f",
    "complete -c diskseq -n __diskseq_first -s h -l help -d 'show help'",
    "complete -c diskseq -n __diskseq_first -s V -l version -d 'show the version'",
    ...commands.map(
      ({ name, summary }) =>
        `complete -c diskseq -n __diskseq_first -a ${name} -d ${fishQuote(summary)}`,
    ),
  ];
  for (const command of commands) {
    const inside = `complete -c diskseq -n '__diskseq_in ${command.name}'`;
    for (const [key, option] of allOptions(command)) {
      const short = option.short === undefined ? "" : ` -s ${option.short}`;
      const offered = offersDevices(option) ? ` -a '(__diskseq_devices)'` : "";
      const choices = option.choices === undefined ? "" : ` -a '${option.choices.join(" ")}'`;
      const value = valueRule(option) === "required" ? ` -x${choices}${offered}` : "";
      const text = fishQuote(option.summary);
      lines.push(`${inside} -l ${optionName(key)}${short}${value} -d ${text}`);
    }
    const complete = command.operand?.complete;
    if (complete === "file" || complete === "device") {
      lines.push(`${inside} -F`);
    }
    if (complete === "device") {
      lines.push(`${inside} -a '(__diskseq_devices)'`);
    } else if (complete !== undefined && complete !== "file") {
      const words = complete === "command" ? names : complete.join(" ");
      lines.push(`${inside} -a ${fishQuote(words)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function offersDevices({ kind, complete }: Option): boolean {
  return kind === "device" || complete === "device";
}

function optionsOf(command: Command): { words: string[]; option: Option }[] {
  return allOptions(command).map(([key, option]) => ({
    words: [...(option.short === undefined ? [] : [`-${option.short}`]), `--${optionName(key)}`],
    option,
  }));
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function zshText(text: string): string {
  return text.replace(/[[\]\\:]/g, (character) => `\\${character}`);
}
