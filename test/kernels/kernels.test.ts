/**
 * The harness of the matrix: where packages come from; and where a kernel has been fetched, that a
 * guest hands over what it did, and is ended when it hangs. What kernels are tested for, the
 * command does.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { scratchRoot } from "../helpers/root.ts";
import { skip } from "../helpers/skip.ts";
import { packPackage } from "./archive.ts";
import { eras, hasKernel, kernelOf } from "./debian.ts";
import { boot, type Ended } from "./guest.ts";
import { whyNotHere } from "./machine.ts";
import { flapsIn } from "./rivals/round.ts";
import { hasRoot, rootArchive } from "./root.ts";
import { archivesIn, sourcesFor } from "./sources.ts";
import { tableOf } from "./table.ts";

const stanzas = `Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /keys/a.gpg

Types: deb
URIs: http://off.example/debian-security
Suites: trixie-security
Components: main
Enabled: no

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----
`;
const key = stanzas.slice(stanzas.indexOf("Signed-By:\n") + "Signed-By:".length).trimEnd();

test("archives are those of this machine's apt, in stanzas", () => {
  assert.equal(archivesIn([{ name: "debian.sources", text: stanzas }]), {
    main: { uri: "http://mirror.example/debian", signedBy: "/keys/a.gpg" },
    security: { uri: "http://mirror.example/debian-security", signedBy: key },
  });
});

test("archives are those of this machine's apt, line by line", () => {
  const text = `
# deb http://old.example/debian sid main
deb-src http://source.example/debian bookworm main
deb http://other.example/apt nodistro main
deb [arch=amd64 signed-by=/keys/a.gpg,/keys/b.gpg] http://mirror.example/debian bookworm main
deb http://mirror.example/debian-security bookworm-security main
`;
  assert.equal(archivesIn([{ name: "/etc/apt/sources.list", text }]), {
    main: { uri: "http://mirror.example/debian", signedBy: "/keys/a.gpg /keys/b.gpg" },
    security: { uri: "http://mirror.example/debian-security", signedBy: undefined },
  });
});

test("other suites come from the same archives, under the same keys", () => {
  const archives = archivesIn([{ name: "debian.sources", text: stanzas }]);
  const text = sourcesFor(archives, ["sid", "bookworm-security"]);
  const [main = "", security = "", ...rest] = text.trimEnd().split("\n\n");
  assert.equal(rest, []);
  assert.match(main, /^Types: deb\nURIs: http:\/\/mirror\.example\/debian\nSuites: sid\n/);
  assert.ok(main.endsWith("\nSigned-By: /keys/a.gpg"));
  assert.match(security, /debian-security\nSuites: bookworm-security\n/);
  assert.ok(security.endsWith(`\nSigned-By:${key}`));
  const again = archivesIn([{ name: "a.sources", text }]);
  assert.is(again.security?.signedBy?.trim(), key.trim());
});

test("where Debian is not known there are no sources", () => {
  const archives = archivesIn([{ name: "a.list", text: "deb http://a.example/ubuntu noble main" }]);
  assert.equal(archives, { main: undefined, security: undefined });
  assert.is(sourcesFor(archives, ["sid", "bookworm-security"]).trim(), "");
});

test("a partition that is removed while it is attached has flapped", () => {
  const none = { isOwn: false, isOthers: false };
  const clean = ["remove loop7p1 12", "add loop7p1 12", "add loop7p2 12"];
  assert.equal(flapsIn(clean, 7, 12n), none, "what was left of another instance went first");
  const flapped = [...clean, "remove loop7p2 12", "mark 0", "add loop7p2 12"];
  assert.equal(flapsIn(flapped, 7, 12n), { isOwn: true, isOthers: false });
  const unnumbered = flapped.map((line) => line.replace("12", "-"));
  assert.equal(flapsIn(unnumbered, 7, null), { isOwn: true, isOthers: false });
  const apart = [...clean, "remove loop77p1 12", "remove loop8p2 12"];
  assert.equal(flapsIn(apart, 7, 12n), none, "other devices");
  assert.equal(flapsIn([], 7, 12n), none);
});

test("who had the name before has flapped by himself", () => {
  const stolen = ["add loop7p1 11", "remove loop7p1 12", "add loop7p1 13"];
  assert.equal(flapsIn(stolen, 7, 13n), { isOwn: false, isOthers: true });
  const both = [...stolen, "remove loop7p1 14"];
  assert.equal(flapsIn(both, 7, 13n), { isOwn: true, isOthers: true });
});

test("the table has a row for each rival that troubles, and diskseq's ways in one cell", () => {
  const counts = { others: 9, missing: 0, stale: 0, left: 0, median: 1, p99: 1 };
  const row = (rival: string, tool: string, attaches: number, flaps: number, failed = 0) => ({
    ...{ rival, tool, attaches, flaps, failed, ...counts },
  });
  const rows = [
    ...[row("thief", "losetup", 25, 0), row("thief", "diskseq, kernel", 50, 0)],
    ...[row("none", "losetup", 25, 6), row("none", "reference split", 1000, 1, 2)],
    ...[row("none", "diskseq, kernel", 50, 0), row("none", "diskseq, user", 50, 1)],
    ...[row("SIGKILL", "diskseq, kernel", 12, 0)],
    { ...row("reader", "losetup", 10, 0), missing: 3, left: 1 },
  ];
  assert.equal(tableOf([{ kernel: "6.1.192", rows }]).split("\n"), [
    "| kernel | rival | losetup | reference split | diskseq |",
    "| --- | --- | --- | --- | --- |",
    "| 6.1.192 | none | 24 % of 25 | 0.1 % of 1000, 0.2 % failed | 1 % of 100 |",
    "| 6.1.192 | reader | 0 % of 10, 30 % missing, 10 % left |  |  |",
    "| 6.1.192 | thief, SIGKILL | 0 % of 25 |  | 0 % of 62 |",
  ]);
});

const era = eras.find(hasKernel);

/** Why no guest can be had; undefined where one can. */
function lacking(): string | undefined {
  const reason = whyNotHere(true);
  if (reason !== undefined) return reason;
  if (hasRoot() && era !== undefined) return undefined;
  return "no kernel is there yet; npm run test:kernels gets them";
}

async function inGuest(
  script: string,
  deadlineMs: number,
  look: (ended: Ended, directory: string, lines: readonly string[]) => void,
): Promise<void> {
  if (era === undefined) throw new Error("no kernel");
  const scratch = mkdtempSync(join(scratchRoot, "guest-"));
  try {
    const archive = join(scratch, "package.cpio");
    await packPackage(archive);
    const directory = join(scratch, "run");
    const archives = [rootArchive, archive];
    const lines: string[] = [];
    const onLine = (line: string) => void lines.push(line);
    const order = { kernel: kernelOf(era), archives, script, directory, deadlineMs, onLine };
    look(await boot(order), directory, lines);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

test("a guest runs the script with this package in it, and hands its files over", async () => {
  const reason = lacking();
  if (reason !== undefined) return skip(reason);
  const script = `
    node build/host/cli/main.js --version
    uname -r >/tmp/results/release
    exit 3`;
  await inGuest(script, 200_000, ({ status, release, tookMs }, directory, lines) => {
    assert.is(status, 3);
    assert.ok(release?.startsWith(`${era}.`), release);
    assert.is(readFileSync(join(directory, "results/release"), "utf8").trim(), release);
    assert.ok(
      lines.some((line) => /^\d+\.\d+\.\d+$/.test(line)),
      lines.join("\n"),
    );
    assert.ok(readFileSync(join(directory, "console.log"), "utf8").includes("Linux version"));
    assert.ok(tookMs < 200_000);
  });
});

test("a guest that hangs is ended by its deadline", async () => {
  const reason = lacking();
  if (reason !== undefined) return skip(reason);
  await inGuest("sleep 1000", 20_000, ({ status, tookMs }) => {
    assert.is(status, undefined);
    assert.ok(tookMs >= 20_000 && tookMs < 60_000, `${tookMs} ms`);
  });
});

test.run();
