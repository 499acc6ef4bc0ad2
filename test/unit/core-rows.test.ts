/**
 * Every row of the tables is taken: the scenarios, each with every call answered by every errno
 * that a table names for its step, and by one that none names. Whatever is answered, all is given
 * back. Rows that nothing reaches are listed here with the reason.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { POLICY } from "../../assembly/core/policy.ts";
import { Outcome } from "../../assembly/core/steps.ts";
import { ROWS, Transitions } from "../../assembly/core/transitions.ts";
import { Errno } from "../../assembly/wire/linux.ts";
import { Event, Step } from "../../host/core.ts";
import type { OutEvent } from "../helpers/cores.ts";
import type { ScriptedKernel } from "../helpers/scripted-kernel.ts";
import { expectGivenBack, scene } from "./core-scene.ts";
import { type Scenario, scenarios } from "./core-sweep.ts";

/** `Step Outcome` of every transition taken. */
const taken = new Set<string>();
/** `Step errno` of every completion below zero. */
const answered = new Set<string>();

/** Why nothing reaches a row. */
const unreachable: Readonly<Record<string, string>> = {};

const next = Transitions.prototype.next;
Transitions.prototype.next = function (step, outcome) {
  taken.add(`${Step[step]} ${Outcome[outcome]}`);
  return next.call(this, step, outcome);
};

for (const scenario of scenarios) {
  test(`${scenario.name}: every answer of every call is survived`, async () => {
    const failures: string[] = [];
    const attempt = (...answer: [Step?, number?, number?]) =>
      run(scenario, ...answer).catch((error: Error) => {
        failures.push(error.message);
        return new Set<Step>();
      });
    for (const step of await attempt()) {
      for (const errno of errnosOf(step)) {
        // Always the same answer: once is enough.
        if (!answered.has(`${Step[step]} ${Errno[errno]}`)) await attempt(step, errno, 0);
        await attempt(step, errno, 1);
      }
    }
    assert.equal(failures, []);
  });
}

test("every row of ROWS is taken", () => {
  const missing: string[] = [];
  for (let row = 0; row < ROWS.length; row += 3) {
    const name = `${Step[ROWS[row] ?? 0]} ${Outcome[ROWS[row + 1] ?? 0]}`;
    assert.not.ok(taken.has(name) && name in unreachable, `${name} is taken`);
    if (!taken.has(name) && !(name in unreachable)) missing.push(name);
  }
  assert.equal(missing, []);
});

test("every row of POLICY is taken", () => {
  const missing: string[] = [];
  for (let row = 0; row < POLICY.length; row += 3) {
    const errno = POLICY[row + 1] || unlisted;
    const name = `${Step[POLICY[row] ?? 0]} ${Errno[errno]}`;
    if (!answered.has(name) && !(name in unreachable)) missing.push(name);
  }
  assert.equal(missing, []);
});

/** No table names it. */
const unlisted = Errno.ENOMEM;

function errnosOf(step: Step): number[] {
  const errnos = new Set<number>([unlisted, Errno.EINTR]);
  for (let row = 0; row < POLICY.length; row += 3) {
    if (POLICY[row] === step && POLICY[row + 1]) errnos.add(POLICY[row + 1] ?? 0);
  }
  return [...errnos];
}

/** Runs a scenario, one call answered by an errno; answers the steps that made a call. */
async function run(scenario: Scenario, step?: Step, errno = 0, nth = 1): Promise<Set<Step>> {
  const stage = await scene({ ...scenario.options, isFast: true, operations: 2 });
  const { kernel, bench } = stage;
  scenario.prepare?.(kernel);
  if (step !== undefined) kernel.on(step, nth, -errno);
  const ends: OutEvent[] = [];
  const { attach, detach } = stage;
  const timeoutNs = 2_000_000_000n;
  const keep = (event: OutEvent) => {
    ends.push(event);
    return event;
  };
  try {
    const watched = {
      ...stage,
      attach: (command = {}) => keep(attach({ timeoutNs, ...command })),
      detach: (attached: OutEvent, command = {}) => {
        if (attached.event !== Event.Attached) return attached;
        return keep(detach(attached, { timeoutNs, ...command }));
      },
    };
    if (scenario.run) scenario.run(watched);
    else watched.detach(watched.attach());
    bench.settle();
    assert.equal([...kernel.uevents.subscribed], [], "groups are subscribed to");
    if (ends.length === 1 && ends[0]?.event === Event.Failed) expectAllBack(kernel, step);
  } catch (cause) {
    const what = `${scenario.name}: ${Step[step ?? 0]} = -${Errno[errno]} (${nth})`;
    throw new Error(`${what}: ${String(cause)}`, { cause });
  } finally {
    for (const { call, result } of kernel.log) {
      if (result < 0) answered.add(`${Step[call.step]} ${Errno[-result]}`);
    }
  }
  return new Set(kernel.log.map(({ call }) => call.step));
}

/** A failed attach has given everything back, what others hold aside. */
function expectAllBack(kernel: ScriptedKernel, failing: Step | undefined): void {
  for (const [descriptor, { kind }] of kernel.opened) {
    // The caller's own.
    if (kind === "image" && descriptor === 10) kernel.opened.delete(descriptor);
  }
  for (const disk of kernel.disks.values()) {
    if (isForeign(disk.info)) disk.info = undefined;
    disk.holders = 0;
    kernel.letGo(disk.number);
  }
  // A node that cannot be removed stays.
  if (failing === Step.RemoveHidden || failing === Step.UndoHidden) kernel.hiddenNodes.clear();
  expectGivenBack(kernel);
}

/** Bound by another process: without AUTOCLEAR. */
function isForeign(info: DataView | undefined): boolean {
  return info !== undefined && info.getUint32(52, true) === 0;
}

test.run();
