/** The completion scripts: the shells accept them, and they offer what the table has. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { commands } from "../../host/cli/commands.ts";
import { bashScript, fishScript, zshScript } from "../../host/cli/completion.ts";
import { allOptions, optionName } from "../../host/cli/table.ts";
import { scratchRoot } from "../helpers/root.ts";
import { skip } from "../helpers/skip.ts";

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };

for (const [shell, make] of Object.entries(scripts)) {
  const script = make(commands);

  test(`the ${shell} script names every command and option`, () => {
    for (const command of commands) {
      assert.ok(script.includes(command.name), command.name);
      for (const [key] of allOptions(command)) {
        const spelled = shell === "fish" ? `-l ${optionName(key)} ` : `--${optionName(key)}`;
        assert.ok(script.includes(spelled), spelled);
      }
    }
  });

  test(`${shell} accepts its script`, () => {
    // fish reads a script with -n from files only.
    const path = join(mkdtempSync(join(scratchRoot, "diskseq-")), "script");
    writeFileSync(path, script);
    const { status, error, stderr } = spawnSync(shell, ["-n", path], { encoding: "utf8" });
    rmSync(dirname(path), { recursive: true });
    if (error !== undefined) {
      skip(`${shell} is not installed`);
      return;
    }
    assert.is(status, 0, stderr);
  });
}

test("bash offers commands, options, values, and files after --", () => {
  const complete = (...words: string[]) => {
    const quoted = words.map((word) => `'${word}'`).join(" ");
    const ask = `compopt() { :; }
COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}
_diskseq; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = spawnSync("bash", ["-c", `${bashScript(commands)}\n${ask}`], {
      encoding: "utf8",
      cwd: "/",
    });
    return stdout.trim().split("\n");
  };
  assert.equal(complete("diskseq", "at"), ["attach"]);
  assert.equal(complete("diskseq", "attach", "--s"), ["--size-limit", "--sector-size"]);
  assert.equal(complete("diskseq", "attach", "--partscan", ""), ["kernel", "user", "none"]);
  assert.equal(complete("diskseq", "attach", "--partscan", "="), ["kernel", "user", "none"]);
  assert.equal(complete("diskseq", "attach", "--partscan", "=", "u"), ["user"]);
  assert.equal(complete("diskseq", "attach", "--offset", "=", "et"), [""]);
  assert.equal(complete("diskseq", "wait", "--p"), ["--partitions"]);
  assert.equal(complete("diskseq", "wait", "--partitions", "et"), ["etc"]);
  assert.equal(complete("diskseq", "wait", "--partitions", "="), [""]);
  assert.equal(complete("diskseq", "wait", "--partitions", "=", "et"), [""]);
  assert.equal(complete("diskseq", "rescan", "et"), ["etc"]);
  assert.equal(complete("diskseq", "monitor", "et"), [""]);
  assert.equal(complete("diskseq", "monitor", "--disk", "et"), [""]);
  assert.equal(complete("diskseq", "completion", "z"), ["zsh"]);
  assert.equal(complete("diskseq", "help", "run"), ["run"]);
  assert.equal(complete("diskseq", "attach", "et"), ["etc"]);
  assert.equal(complete("diskseq", "run", "x", "--", "cat", "et"), ["etc"]);
});

test("an optional value is offered as one, and devices where they are wanted", () => {
  const zsh = zshScript(commands);
  assert.match(zsh, /'--partitions=-\[wait for its[^\]]*\]::partitions: '/);
  assert.match(zsh, /'--disk\[only this[^\]]*\]:text:_diskseq_devices'/);
  const fish = fishScript(commands);
  assert.match(fish, /'__diskseq_in wait' -l partitions -d /);
  assert.match(fish, /'__diskseq_in monitor' -l disk -x -a '\(__diskseq_devices\)' -d /);
  assert.ok(zsh.includes("'*:TARGET:_diskseq_targets'"));
  const bash = bashScript(commands);
  assert.match(bash, /--partitions\) if \[\[ -n "\$joined" \]\]; then :; return; fi ;;/);
  assert.match(bash, /--disk\) _diskseq_devices; return ;;/);
  for (const name of ["wait", "rescan", "resize", "detach"]) {
    assert.ok(fish.includes(`'__diskseq_in ${name}' -a '(__diskseq_devices)'`), name);
    const inBash = bash.slice(bash.indexOf(`    ${name})`));
    assert.ok(inBash.slice(0, inBash.indexOf("\n      fi ;;")).includes("_diskseq_devices"), name);
  }
});

test.run();
