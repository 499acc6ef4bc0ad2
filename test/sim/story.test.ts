/** What the demonstration tells of each era is what those kernels do. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Story, tellStory } from "../../host/sim/index.ts";

interface Told {
  readonly regime: Story["regime"];
  readonly direct: string;
  readonly detach: string;
  /** an opener makes partitions go away that were plugged */
  readonly isRacy: boolean;
}

const adds = "add p1 p2 p3";
const removes = "remove p1 p2 p3";

const told: Readonly<Record<string, Told>> = {
  "5.10.223": {
    ...{ regime: "PLAIN", direct: `change, change, ${adds}`, isRacy: false },
    detach: `change, ${removes}`,
  },
  "5.15.50": {
    regime: "LOUD",
    direct: `change (media change) #1, change #1, change #1, ${adds} #1`,
    ...{ detach: `change #1, change (media change) #1, ${removes} #1`, isRacy: true },
  },
  "5.19.0": {
    ...{ regime: "MUTE", direct: "", isRacy: true },
    detach: `change #1, change (media change) #1, ${removes} #1`,
  },
  "6.1.30": {
    ...{ regime: "TABLE", direct: `change #1, ${adds} #1`, isRacy: true },
    detach: `change #1, change (media change) #1, ${removes} #1`,
  },
  "6.12.10": {
    ...{ regime: "TABLE", direct: `change #2, ${adds} #2`, isRacy: true },
    detach: `change #2, change (media change) #2, ${removes} #3`,
  },
  ...Object.fromEntries(
    (
      [
        ["6.1.192", true],
        ["6.12.90", true],
        ["6.18.32", true],
        ["6.18.44", false],
        ["7.2.13", false],
      ] as const
    ).map(([version, isRacy]) => [
      version,
      {
        ...{ regime: "ONE", direct: `change #2, change #2, ${adds} #2`, isRacy },
        detach: `change #2, change (media change) #2, ${removes} #3`,
      },
    ]),
  ),
};

for (const [version, { regime, direct, detach, isRacy }] of Object.entries(told)) {
  test(`${version}: ${regime}, ${isRacy ? "racy" : "not racy"}, and the split is safe`, () => {
    const story = tellStory(version);
    assert.is(story.regime, regime);
    assert.is(story.direct.calls.flatMap(({ events }) => events).join(", "), direct);
    assert.is(story.detach.join(", "), detach);
    assert.is(story.direct.race.blinks > 0, isRacy);
    assert.is(story.split.race.blinks, 0);
    assert.ok(story.direct.race.moments > 5 && story.split.race.moments > 5);
    const example = story.direct.race.example.map((text) => text.split(" #")[0]);
    assert.is(example.includes(removes), isRacy);
    if (isRacy && regime === "ONE") {
      assert.equal(example, ["change", "change", adds, removes, "change", adds]);
    }
  });
}

test("before LOOP_CONFIGURE the story has two calls", () => {
  const { direct } = tellStory("5.4.286");
  assert.equal(
    direct.calls.map(({ name }) => name),
    ["LOOP_SET_FD", "LOOP_SET_STATUS64"],
  );
});

test.run();
