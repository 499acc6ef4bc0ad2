/** `explore` and `sim --seeds` as a user calls them: results, exit codes, refusals, paths. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { command } from "../helpers/process.ts";

/** As quick as it gets. */
const quick = ["--loss", "0", "--no-crash", "--lag", "1"];

test("explore says what it tried and that all holds", async () => {
  const { status, stdout, stderr } = await command(["explore", "--rivals", "none", ...quick]);
  assert.is(status, 0, stderr);
  assert.match(stdout, /^Linux 6\.12\.90\nRIVALS +STATES/);
  assert.match(stdout, /^none +[\d,]+ +[\d,]+ +\d+ +[\d.]+ +[\d,]+ .* all hold$/m);
  assert.match(stdout, /^reached verdicts: mine/m);
  assert.is(stderr, "none: all hold\n");
});

test("explore --json has numbers as numbers", async () => {
  const words = ["explore", "--rivals", "none", "--kernel", "5.10.223", ...quick, "--json"];
  const { status, stdout, stderr } = await command(words);
  assert.is(status, 0, stderr);
  const { kernel, runs, reached, missed } = JSON.parse(stdout);
  assert.is(kernel, "5.10.223");
  assert.is(runs.length, 1);
  const [run] = runs;
  assert.equal([run.rivals, run.isExhaustive, run.violation], ["none", true, null]);
  assert.ok(run.states > 100 && run.transitions > run.states && run.seconds >= 0);
  assert.ok(reached.verdicts.includes("best-effort") && missed.verdicts.includes("mine"));
});

test("what is violated is told, with a command that goes there again", async () => {
  const words = ["explore", "--rivals", "opener", "--no-split", "--kernel", "6.1.192", ...quick];
  const { status, stdout } = await command(words);
  assert.is(status, 8);
  assert.match(stdout, /^opener: a partition was plugged, dead, plugged$/m);
  const again = /^Again: npx diskseq (explore .*)$/m.exec(stdout)?.[1] ?? "";
  assert.match(again, /--kernel 6\.1\.192 --rivals opener .*--no-split --path [\d./*]+$/);
  const outcome = await command(again.split(" "));
  assert.is(outcome.status, 8, outcome.stderr);
  assert.match(outcome.stdout, /opener +opens the disk/);
  // Each deed is told by the call that others can see, by its name.
  for (const call of ["open (open-device): ", "BLKGETDISKSEQ (seq-before): "]) {
    assert.match(outcome.stdout, call);
  }
  assert.not.match(outcome.stdout, /ioctl 0x/);
  assert.match(outcome.stdout, /remove loop0p1 diskseq \d+/);
  assert.match(outcome.stdout, /Violated: a partition was plugged, dead, plugged\.\n$/);
  // The same way with the split: nothing is violated, as far as it can be gone.
  const whole = again.split(" ").filter((word) => word !== "--no-split");
  const path = whole.indexOf("--path") + 1;
  whole[path] = `${whole[path]?.split("/")[0]}/.*`;
  const healthy = await command(whole);
  assert.is(healthy.status, 0, healthy.stdout);
  assert.match(healthy.stdout, "All is over; nothing is violated.");
});

test("a bound that is too small is exit 1", async () => {
  const words = ["explore", "--rivals", "none", ...quick, "--states-max", "500"];
  const { status, stdout } = await command(words);
  assert.is(status, 1);
  assert.match(stdout, /given up at [\d,]+ states/);
});

test("sim --seeds goes many ways, and each seed is one", async () => {
  const { status, stdout, stderr } = await command(["sim", "--seeds", "200"]);
  assert.is(status, 0, stderr);
  assert.match(stdout, /^200 seeds, [\d,]+ deeds in .* 2 gone twice: all hold$/m);
  const shards = await Promise.all(
    [1, 2, 3].map((shard) => command(["sim", "--seeds", "200", "--shard", `${shard}/3`, "--json"])),
  );
  const parts = shards.map((shard) => JSON.parse(shard.stdout));
  const whole = JSON.parse((await command(["sim", "--seeds", "200", "--json"])).stdout);
  for (const key of ["seeds", "deeds", "checked"]) {
    assert.is(
      parts.reduce((sum, part) => sum + part[key], 0),
      whole[key],
      key,
    );
  }
  const one = await command(["sim", "--seed", "42", "--json"]);
  assert.is(JSON.parse(one.stdout).seeds, 1);
});

const refused: readonly (readonly [line: string, message: RegExp])[] = [
  ["explore --rivals theif", /'theif' is none of them \(did you mean 'thief'\?\)/],
  ["explore --rivals opener:0", /rounds are a number from 1 to 9/],
  ["explore --kernel 2.6.32", /no version of Linux that the simulation knows/],
  ["explore --loss many", /--loss: 'many': a number from 0 to 9/],
  ["explore --lag 9", /--lag: '9': a number from 0 to 8/],
  ["explore --shard 3/2", /--shard: '3\/2': I\/N, the I-th of N/],
  ["explore --path 1/2", /--path needs --rivals/],
  ["explore --rivals none --path 1/x", /'x': a path is such as/],
  ["explore --rivals none --path 2/999", /deed 999 is not possible; these are: /],
  ["explore --rivals none --core /nonexistent", /\/nonexistent/],
  ["sim", /--seeds N, --seed S or --validate FILE is missing/],
  ["sim --seeds 0", /a count is a whole number from 1/],
  ["sim --seeds 10 --validate x", /--validate has no seeds/],
  ["sim --seeds 10 --shard 0/2", /--shard: '0\/2'/],
];

for (const [line, message] of refused) {
  test(`refused: ${line}`, async () => {
    const { status, stdout, stderr } = await command(line.split(" "));
    assert.is(status, line.includes("nonexistent") ? 1 : 2, stderr);
    assert.is(stdout, "");
    assert.match(stderr, message);
  });
}

test.run();
