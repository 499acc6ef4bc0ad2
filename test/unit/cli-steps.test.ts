/** Steps on one page: repetitions folded, small print left out, never more lines than asked. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { stepLines } from "../../host/cli/steps.ts";
import type { StepReport } from "../../host/types.ts";

const steps = (...calls: (readonly [syscall: string, result?: number])[]): StepReport[] =>
  calls.map(([syscall, result = 0], index) => ({
    step: `do-${syscall}`,
    syscall,
    result,
    startMs: 1000 + index,
    durationMs: 0.5,
  }));

const words = (lines: readonly string[]) => lines.map((line) => line.trim().split(/ {2,}/));

test("times are relative, errors have names", () => {
  assert.equal(words(stepLines(steps(["open", 7], ["ioctl", -6]), 10)), [
    ["START", "TOOK", "STEP", "CALL", "RESULT"],
    ["0.00", "0.50", "do-open", "open", "7"],
    ["1.00", "0.50", "do-ioctl", "ioctl", "ENXIO"],
  ]);
});

test("sequences that repeat are shown once, with summed times", () => {
  const node = [["open"], ["seq"], ["close"]] as const;
  const lines = words(stepLines(steps(["add"], ["add"], ...node, ...node, ...node, ["end"]), 10));
  assert.equal(
    lines.slice(1).map(([start, took, , call]) => `${start} ${took} ${call}`),
    [
      "0.00 1.00 add x2",
      "2.00 1.50 open x3",
      "3.00 1.50 seq x3",
      "4.00 1.50 close x3",
      "11.00 0.50 end",
    ],
  );
});

test("where the page is full, small print goes first, and the page says so", () => {
  const lines = stepLines(steps(["a"], ["close"], ["b"], ["fstat"], ["c"], ["d"]), 5);
  assert.equal(
    words(lines.slice(1, -1)).map(([, , , call]) => call),
    ["a", "b", "c", "d"],
  );
  assert.match(lines.at(-1) ?? "", /^\(2 lines left out; /);
});

test("a page is never longer than asked", () => {
  const many = steps(...Array.from({ length: 300 }, (_, index) => [`call-${index}`] as const));
  for (const linesMax of [1, 2, 30, 299, 300, 301]) {
    const lines = stepLines(many, linesMax);
    assert.ok(lines.length <= linesMax + 1, `${lines.length} for ${linesMax}`);
    assert.is(lines.length === 301, linesMax >= 300);
  }
  assert.equal(stepLines([], 5).length, 1);
});

test.run();
