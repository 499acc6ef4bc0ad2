/** What doctor concludes from machines described in a few lines. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Check, realSystem, type System, staticChecks } from "../../host/cli/checks.ts";
import { factsOf, parseRelease } from "../../host/cli/kernel-facts.ts";

const healthy: System = {
  release: "7.1.5",
  read: (path) => files[path],
  tryOpen: () => undefined,
  names: () => ["1", "42", "self"],
};

test("a healthy machine is all ok", () => {
  assert.equal(
    staticChecks(healthy).map(({ status }) => status),
    ["ok", "ok", "ok", "ok", "ok"],
  );
});

test("each way in which loop-control fails has its advice", () => {
  const advice = (code: string) => check("loop-control", { tryOpen: () => code }).advice ?? "";
  assert.match(advice("ENOENT"), /modprobe loop/);
  assert.match(advice("EACCES"), /root/);
  assert.match(advice("EPERM"), /cgroup/);
  assert.match(advice("ENXIO"), /CONFIG_BLK_DEV_LOOP/);
  assert.is(check("loop-control", { tryOpen: () => "EIO" }).status, "fail");
});

test("missing rights and user namespaces are warnings", () => {
  const withFile = (path: string, text: string) =>
    check("rights", { read: (asked) => (asked === path ? text : files[asked]) });
  const none = withFile("/proc/self/status", "CapEff:\t0000000000000000\n");
  assert.equal([none.status, none.found], ["warn", "no CAP_SYS_ADMIN"]);
  assert.is(withFile("/proc/self/uid_map", "0 1000 1\n").status, "warn");
  assert.is(check("rights", { read: () => undefined }).status, "warn");
});

test("udevd is found by its socket or by its process", () => {
  const without = (path: string, text = "") => ({
    read: (asked: string) => (asked === path ? text : files[asked]),
  });
  assert.match(check("udevd", {}).found, /listens/);
  assert.is(check("udevd", without("/proc/net/unix")).status, "info");
  const process = (asked: string) => (asked === "/proc/42/comm" ? "systemd-udevd\n" : undefined);
  assert.is(check("udevd", { read: process }).status, "ok");
});

test("a /dev that is no devtmpfs asks for --mknod", () => {
  const mounts = "proc /proc proc rw 0 0\ntmpfs /dev tmpfs rw 0 0\n";
  const nodes = check("nodes", { read: (path) => (path === "/proc/mounts" ? mounts : undefined) });
  assert.equal([nodes.status, nodes.found], ["warn", "tmpfs on /dev"]);
  assert.match(nodes.advice ?? "", /--mknod/);
});

test("the machine that runs this can be looked at", () => {
  assert.is(staticChecks(realSystem).length, 5);
  assert.is(realSystem.read("/no/such/file"), undefined);
  assert.equal(realSystem.names("/no/such/directory"), []);
  assert.is(realSystem.tryOpen("/no/such/file"), "ENOENT");
});

test("releases of distributions are read", () => {
  assert.equal(parseRelease("6.1.0-18-amd64"), [6, 1, 0]);
  assert.equal(parseRelease("7.0"), [7, 0, 0]);
  assert.is(parseRelease("unknown"), undefined);
  assert.equal(factsOf("unknown"), []);
});

test("facts begin and end at their versions", () => {
  const words = (release: string) =>
    factsOf(release).map(
      ({ text }) => /LOOP_CONFIGURE|no disk|not rise|BLKPG|races/.exec(text)?.[0],
    );
  assert.equal(words("5.4.286"), ["LOOP_CONFIGURE", "no disk"]);
  assert.equal(words("5.10.223"), ["no disk"]);
  assert.equal(words("5.15.120"), ["not rise"]);
  assert.equal(words("5.15.121"), []);
  assert.equal(words("5.15.181"), ["BLKPG", "races"]);
  assert.equal(words("6.1.38"), ["not rise"]);
  assert.equal(words("6.1.39"), []);
  assert.equal(words("6.1.192"), ["races"]);
  assert.equal(words("6.4.16"), ["not rise"]);
  assert.equal(words("6.5.0"), []);
  assert.equal(words("6.12.90"), ["races"]);
  assert.equal(words("6.12.91"), []);
  assert.equal(words("6.18.32"), ["races"]);
  assert.equal(words("6.18.33"), []);
  assert.equal(words("7.0.0"), ["races"]);
  assert.equal(words("7.1.0"), []);
});

const files: Readonly<Record<string, string>> = {
  "/proc/self/status": "Name:\tnode\nCapEff:\t000001ffffffffff\n",
  "/proc/self/uid_map": "         0          0 4294967295\n",
  "/proc/mounts": "udev /dev devtmpfs rw 0 0\n",
  "/proc/net/unix": "0: 2 0 10000 0005 01 17 /run/udev/control\n",
  "/proc/42/comm": "bash\n",
};

function check(name: string, changes: Partial<System>): Check {
  const found = staticChecks({ ...healthy, ...changes }).find((one) => one.name === name);
  assert.ok(found);
  return found as Check;
}

test.run();
