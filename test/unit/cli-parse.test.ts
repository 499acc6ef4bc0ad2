/** Every command's words, good and bad, through the one table. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toAttachOptions } from "../../host/cli/attach-options.ts";
import { commands } from "../../host/cli/commands.ts";
import { findCommand, parse } from "../../host/cli/parse.ts";
import { distance, suggest } from "../../host/cli/suggest.ts";
import type { Invocation } from "../../host/cli/table.ts";

const parsed = (...words: string[]): Invocation => {
  const [name = "", ...others] = words;
  const result = parse(findCommand(name, commands), others);
  if (result.kind !== "run") {
    throw new Error(`parsed as ${result.kind}`);
  }
  return result.invocation;
};

const refused = (words: string[], ...parts: string[]) => {
  let message = "";
  try {
    parsed(...words);
  } catch (error) {
    message = (error as Error).message;
  }
  assert.is.not(message, "", `accepted: ${words.join(" ")}`);
  for (const part of parts) {
    assert.ok(message.includes(part), `${words.join(" ")}: ${message}`);
  }
  assert.not.ok(message.includes("\n"), message);
};

type AttachValues = Parameters<typeof toAttachOptions>[0];
const attachOptionsOf = (...words: string[]) =>
  toAttachOptions(parsed("attach", "x.img", ...words).options as unknown as AttachValues);

test("attach without options leaves the defaults to the API", () => {
  assert.equal(attachOptionsOf(), {
    readOnly: false,
    directIO: false,
    allowOverlap: false,
    mknod: false,
    udev: false,
    fast: false,
  });
});

test("attach understands all of its options", () => {
  const words = "--offset 1M --size-limit=2MiB --sector-size 4K -r --direct-io --partscan user";
  const others =
    "--device /dev/loop7 --lock none --allow-overlap --reference r --mknod --udev --fast " +
    "--timeout 2s";
  assert.equal(attachOptionsOf(...words.split(" "), ...others.split(" ")), {
    readOnly: true,
    directIO: true,
    allowOverlap: true,
    mknod: true,
    udev: true,
    fast: true,
    offset: 1n << 20n,
    sizeLimit: 2n << 20n,
    sectorSize: 4096,
    partscan: "user",
    device: 7,
    lock: "none",
    reference: "r",
    timeoutMs: 2000,
  });
});

test("options may stand before and after the image; the last of two counts", () => {
  const { operands, options, json } = parsed(
    "attach",
    "--json",
    "--offset",
    "1",
    "x",
    "--offset=2",
  );
  assert.equal(operands, ["x"]);
  assert.is(options.offset, 2n);
  assert.is(json, true);
});

test("after -- everything is an operand", () => {
  assert.equal(parsed("attach", "--", "-r").operands, ["-r"]);
  assert.equal(parsed("detach", "--lazy", "--", "--json", "x").operands, ["--json", "x"]);
});

test("a value may begin with a dash when it is joined by =", () => {
  assert.is(attachOptionsOf("--reference=--x").reference, "--x");
  refused(["attach", "x", "--reference", "--x"], "--reference", "needs a value", "--x");
  refused(["attach", "x", "--offset", "--json"], "--offset", "needs a value");
  refused(["attach", "x", "--offset"], "--offset", "needs a value");
});

test("bad attach words are refused by name", () => {
  refused(["attach"], "IMAGE is missing");
  refused(["attach", ""], "IMAGE is empty");
  refused(["attach", "a", "b"], "unexpected argument 'b'");
  refused(["attach", "x", "--offset", "-1"], "--offset", "'-1'");
  refused(["attach", "x", "--size-limit", "4Q"], "--size-limit", "'4Q'");
  refused(["attach", "x", "--sector-size", "1000"], "--sector-size", "'1000'", "4096");
  refused(["attach", "x", "--partscan", "kernal"], "'kernal'", "did you mean 'kernel'");
  refused(["attach", "x", "--device", "sda"], "--device", "'sda'");
  refused(["attach", "x", "--timeout", "soon"], "--timeout", "'soon'");
  refused(["attach", "x", "--json=yes"], "--json", "takes no value");
  refused(["attach", "x", "--ofset", "1"], "'--ofset'", "did you mean '--offset'");
  refused(["attach", "x", "-x"], "unknown option '-x'");
  refused(["attach", "x", "--no-persistent"], "unknown option '--no-persistent'");
  refused(["attach", "x", "--\u001b[31m"], "\\x1b");
  refused(["attach", "x", "--lazy"], "unknown option '--lazy'");
});

test("detach takes several targets", () => {
  const { operands, options } = parsed(
    "detach",
    "/dev/loop0",
    "diskseq:4",
    "--lazy",
    "--timeout=1",
  );
  assert.equal(operands, ["/dev/loop0", "diskseq:4"]);
  assert.equal(options, {
    lazy: true,
    timeout: 1000,
    kernel: undefined,
    trace: undefined,
    limit: undefined,
    redact: false,
  });
  refused(["detach"], "TARGET is missing");
  refused(["detach", "x", "--lasy"], "did you mean '--lazy'");
});

test("an optional value stands behind =, or there is none", () => {
  const partitions = (...words: string[]) => parsed("wait", "x", ...words).options.partitions;
  assert.is(partitions(), undefined);
  assert.is(partitions("--partitions"), true);
  assert.equal(partitions("--partitions=1"), [1]);
  assert.equal(partitions("--partitions=5,1,255,1"), [1, 5, 255]);
  assert.equal(partitions("--partitions", "--partitions=2"), [2]);
  assert.is(partitions("--partitions=2", "--partitions"), true);
  assert.equal(parsed("wait", "--partitions", "loop0", "2x").operands, ["loop0", "2x"]);
  assert.equal(parsed("wait", "--partitions", "--", "12").operands, ["12"]);
  for (const bad of ["x", "0", "256", "1,,2", "1,", ",1", "", "-1", "1 2", "1-3", "1.5", "+1"]) {
    refused(["wait", "x", `--partitions=${bad}`], "'--partitions': ", `'${bad}': partitions are`);
  }
  refused(
    ["wait", "x", "--partitions", "1,2"],
    "'--partitions' takes its value after '=': '--partitions=1,2'",
  );
  refused(["wait", "--partitions", "1", "x"], "'--partitions=1'");
});

test("wait, rescan, resize and gc understand their options", () => {
  const { operands, options } = parsed(..."wait a b --udev --removed --timeout 0".split(" "));
  assert.equal(operands, ["a", "b"]);
  const session = { kernel: undefined, trace: undefined, limit: undefined, redact: false };
  const given = { udev: true, removed: true, timeout: 0 };
  assert.equal(options, { partitions: undefined, ...given, ...session });
  for (const name of ["rescan", "resize"]) {
    assert.equal(parsed(name, "a", "--timeout=1").options, { timeout: 1000, ...session });
    refused([name], "TARGET is missing");
    refused([name, "x", "--lazy"], "unknown option '--lazy'");
  }
  refused(["wait"], "TARGET is missing");
  assert.equal(parsed("gc", "-y").options, { yes: true, ...session });
  assert.equal(parsed("gc", "--kernel=sim:6.1.192").options, {
    ...session,
    yes: false,
    kernel: "6.1.192",
  });
});

test("list, doctor, demo, monitor and gc take no operands", () => {
  for (const name of ["list", "doctor", "demo", "monitor", "gc"]) {
    assert.is(parsed(name, "--json").json, true);
    refused([name, "x"], "unexpected argument 'x'");
    refused([name, "--offset", "1"], "unknown option '--offset'");
  }
});

test("run passes what follows -- untouched", () => {
  const { operands, options, rest, json } = parsed(
    ..."run x -r --offset 4K -- cmd --json -- --help -V x".split(" "),
  );
  assert.equal(operands, ["x"]);
  assert.equal(rest, ["cmd", "--json", "--", "--help", "-V", "x"]);
  assert.is(options.readOnly, true);
  assert.is(options.offset, 4096n);
  assert.is(json, false);
});

test("run without --, without a command or without an image is refused", () => {
  refused(["run", "x"], "'--' and CMD are missing");
  refused(["run", "x", "ls", "-l"], "'--' and CMD are missing");
  refused(["run", "x", "--"], "CMD is missing");
  refused(["run", "--", "ls"], "IMAGE is missing");
  refused(["run", "x", "y", "--", "ls"], "unexpected argument 'y'");
});

test("completion wants a shell it knows", () => {
  assert.equal(parsed("completion", "zsh").operands, ["zsh"]);
  refused(["completion"], "SHELL is missing");
  refused(["completion", "bsh"], "'bsh'", "did you mean 'bash'");
});

test("help and version win over whatever else is wrong", () => {
  for (const command of commands) {
    assert.is(parse(command, ["--nonsense", "--help"]).kind, "help");
    assert.is(parse(command, ["-h"]).kind, "help");
    assert.is(parse(command, ["-V"]).kind, "version");
  }
});

test("an unknown command is named, and another one suggested", () => {
  refused(["atach", "x"], "unknown command 'atach'", "did you mean 'attach'");
  refused(["ls"], "unknown command 'ls'");
  refused(["constructor"], "unknown command 'constructor'");
});

test("suggestions are near or none", () => {
  assert.is(distance("attach", "attach"), 0);
  assert.is(distance("attahc", "attach"), 1);
  assert.is(distance("", "abc"), 3);
  assert.is(suggest("comp", ["completion", "help"]), "completion");
  assert.is(suggest("xyzzy", ["attach", "detach"]), undefined);
  assert.is(suggest("a".repeat(100_000), ["attach"]), undefined);
});

test.run();
