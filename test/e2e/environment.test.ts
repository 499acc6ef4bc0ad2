/**
 * What the machine lacks: exit code 3, and a line that says what to do.
 */
import { chmodSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boundBelow, numberOf } from "../helpers/devices.ts";
import { expectPartitions, expectRefusal } from "../helpers/expect.ts";
import { expectedPartitions, gptImage } from "../helpers/images.ts";
import { command, tool } from "../helpers/process.ts";
import { behaviour } from "../helpers/scene.ts";

behaviour("without root it exits 3 and says so", ["root", "sfdisk", "setpriv"], async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  chmodSync(scene.directory, 0o777);
  chmodSync(image, 0o666);
  const wrapper = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=-all",
  ];
  const outcome = await command(["attach", image], { wrapper });
  expectRefusal(outcome, 3);
  assert.match(outcome.stderr, /root|permission|privilege|sudo/i);
  assert.equal(boundBelow(scene.directory), []);
});

behaviour("detach without root exits 3", ["root", "sfdisk", "setpriv"], async (scene) => {
  const device = await scene.attach(await gptImage(scene.path("d.img")));
  const wrapper = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=-all",
  ];
  expectRefusal(await command(["detach", device.device], { wrapper }), 3);
  await scene.detach(device.device);
});

behaviour(
  "without /dev/loop-control it exits 3 and names it",
  ["root", "namespaces"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const outcome = await command(["attach", image], { wrapper: inPrivateDev("true") });
    expectRefusal(outcome, 3, "loop-control");
    assert.equal(boundBelow(scene.directory), []);
  },
);

behaviour(
  "without nodes in /dev it exits 3 and tells of --mknod",
  ["root", "namespaces"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const outcome = await command(["attach", image], { wrapper: inPrivateDev(makeControl) });
    expectRefusal(outcome, 3, "mknod");
    assert.equal(boundBelow(scene.directory), []);
  },
);

behaviour("--mknod makes the nodes that /dev lacks", ["root", "namespaces"], async (scene) => {
  const image = await gptImage(scene.path("d.img"));
  const args = ["attach", image, "--mknod", "--json"];
  const outcome = await command(args, { wrapper: inPrivateDev(makeControl) });
  assert.is(outcome.status, 0, outcome.stderr);
  const device = JSON.parse(outcome.stdout);
  expectPartitions(device.partitions, await expectedPartitions(image));
  assert.ok(numberOf(device.device) >= 0);
  await scene.detach(device.device);
});

behaviour(
  "detach without the node exits 3 at once and touches nothing",
  ["root", "namespaces"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const device = await scene.attach(image);
    for (const target of [`diskseq:${device.diskseq}`, image]) {
      const outcome = await command(["detach", target], { wrapper: inPrivateDev(makeControl) });
      expectRefusal(outcome, 3, device.device);
      assert.ok(outcome.tookMs < 5000, `${outcome.tookMs} ms`);
    }
    await scene.detach(device.device);
  },
);

behaviour("help and version need nothing", [], async () => {
  for (const args of [["--help"], ["help"], ["attach", "--help"], ["--version"]]) {
    const { status, stdout, stderr } = await command(args);
    assert.is(status, 0, args.join(" "));
    assert.ok(stdout.length > 0);
    assert.is(stderr, "");
  }
});

behaviour(
  "an unreadable control device is a matter of the environment",
  ["root", "namespaces"],
  async (scene) => {
    const image = await gptImage(scene.path("d.img"));
    const text = await tool("cat", ["/sys/class/misc/loop-control/dev"]);
    assert.match(text, /^10:\d+/);
    // No driver answers to this number.
    const wrapper = inPrivateDev("mknod /dev/loop-control c 10 255");
    expectRefusal(await command(["attach", image], { wrapper }), 3, "loop-control");
  },
);

const makeControl = "mknod /dev/loop-control c $(tr : ' ' </sys/class/misc/loop-control/dev)";

/** A mount namespace with an empty /dev but for what the script makes and what Node needs. */
function inPrivateDev(script: string): string[] {
  const setUp = [
    "mount -t tmpfs -o mode=755 none /dev",
    "mknod -m 666 /dev/null c 1 3",
    "mknod -m 666 /dev/urandom c 1 9",
    script,
    'exec "$@"',
  ];
  return ["unshare", "--mount", "sh", "-c", setUp.join(" && "), "sh"];
}

test.run();
