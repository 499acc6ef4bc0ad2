/** Help is derived from the table: nothing is missing, nothing is too wide. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { commands } from "../../host/cli/commands.ts";
import { commandHelp, describeCommand, exitCodes, overview } from "../../host/cli/help.ts";
import { allOptions, type Context, optionName } from "../../host/cli/table.ts";

const plain = (_: unknown, text: string) => text;
const lines = (text: string) => text.trimEnd().split("\n");

test("the overview names every command and every exit code", () => {
  const text = overview({ version: "1.2.3", commands } as unknown as Context, plain);
  for (const { name, summary } of commands) {
    assert.match(text, new RegExp(`^  ${name} +${summary}$`, "m"));
  }
  for (const [code] of exitCodes) {
    assert.match(text, new RegExp(`^ +${code}  `, "m"));
  }
});

for (const command of commands) {
  test(`help of ${command.name} has usage, every option with its default, and examples`, () => {
    const text = commandHelp(command, plain);
    const flat = text.replace(/\s+/g, " ");
    assert.ok(text.includes(`Usage: diskseq ${command.name} ${command.usage}`.trimEnd()));
    for (const [key, option] of allOptions(command)) {
      assert.ok(text.includes(`--${optionName(key)}`), key);
      assert.ok(flat.includes(option.summary), key);
      if (option.default !== undefined) {
        assert.ok(flat.includes(`(default: ${option.default})`), key);
      }
    }
    assert.ok(command.examples.length > 0);
    for (const [line, purpose] of command.examples) {
      assert.ok(text.includes(`  ${line}\n`) && text.includes(`# ${purpose}`));
    }
    const wide = lines(text).filter((line) => line.length > 80);
    assert.equal(wide, []);
  });

  test(`every option of ${command.name} is described as data`, () => {
    const { options } = describeCommand(command) as { options: { name: string }[] };
    const names = allOptions(command).map(([key]) => `--${optionName(key)}`);
    assert.equal(
      options.map(({ name }) => name),
      names,
    );
  });
}

test("help tells an optional value from a required one", () => {
  const wait = commands.find(({ name }) => name === "wait");
  assert.ok(wait !== undefined);
  const text = commandHelp(wait, plain);
  assert.match(text, /^ {6}--partitions\[=LIST\] {3}wait/m);
  assert.match(text, /^ {6}--timeout DURATION {4}give/m);
  const { options } = describeCommand(wait) as { options: Record<string, unknown>[] };
  const shapes = options.map(({ name, value, valueRequired }) => [name, value, valueRequired]);
  assert.equal(shapes.slice(0, 4), [
    ["--partitions", "LIST", false],
    ["--udev", null, false],
    ["--removed", null, false],
    ["--timeout", "DURATION", true],
  ]);
});

test("names of options are in kebab case", () => {
  assert.is(optionName("directIO"), "direct-io");
  assert.is(optionName("sizeLimit"), "size-limit");
  assert.is(optionName("lock"), "lock");
});

test.run();
