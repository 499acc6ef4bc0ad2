/** The table of switches, row by row: any version has its settings, unknown ones have none. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import "../../host/portable.ts";
import {
  AttachEvents,
  BlkpgRefusal,
  Era,
  isKnownVersion,
  LoOpen,
  packVersion,
  RereadClaim,
  Suppression,
  Switch,
} from "../../assembly/kernel/eras.ts";
import { parseVersion } from "../../host/sim/model.ts";

/** As a table of kernel eras is written: the settings that tell them apart. */
const eras = `
version   attach  seq  need  suppressed  open     clear      detach-drops
5.4.286   Plain   0    0     NoPartScan  Waits    immediate  0
5.8.0     Plain   0    0     NoPartScan  Waits    immediate  0
5.10.223  Plain   0    0     NoPartScan  Waits    immediate  0
5.14.21   Plain   0    0     NoPartScan  Waits    immediate  0
5.15.0    Loud    0    1     NoPartScan  Waits    immediate  0
5.15.105  Loud    0    1     NoPartScan  Waits    immediate  0
5.15.106  Table   0    1     NoPartScan  Waits    immediate  0
5.15.120  Table   0    1     NoPartScan  Waits    immediate  0
5.15.121  Table   1    1     NoPartScan  Waits    immediate  0
5.15.131  Table   1    1     NoPartScan  Waits    immediate  0
5.15.132  Table   1    1     NoPart      Waits    immediate  0
5.15.180  Table   1    1     NoPart      Waits    immediate  0
5.15.181  One     1    1     NoPart      Waits    immediate  0
5.15.215  One     1    1     NoPart      Waits    immediate  0
5.16.20   Loud    0    1     NoPartScan  Waits    immediate  0
5.17.15   Loud    0    1     NoPart      Waits    immediate  0
5.18.1    Mute    0    1     NoPart      None     immediate  0
5.18.2    Mute    0    1     Suppress    None     immediate  0
5.19.17   Mute    0    1     Suppress    None     immediate  0
6.0.19    Mute    0    1     Suppress    None     immediate  0
6.1.22    Mute    0    1     Suppress    None     immediate  0
6.1.23    Table   0    1     Suppress    None     immediate  0
6.1.38    Table   0    1     Suppress    None     immediate  0
6.1.39    Table   1    1     Suppress    None     immediate  0
6.1.134   Table   1    1     Suppress    None     immediate  0
6.1.135   One     1    1     Suppress    None     immediate  0
6.1.192   One     1    1     Suppress    None     immediate  0
6.2.16    Mute    0    1     Suppress    None     immediate  0
6.3.13    Table   0    1     Suppress    None     immediate  0
6.4.16    Table   0    1     Suppress    None     immediate  0
6.5.0     Table   1    1     Suppress    None     immediate  0
6.6.87    Table   1    1     Suppress    None     immediate  0
6.6.88    One     1    1     Suppress    None     immediate  0
6.6.140   One     1    1     Suppress    None     immediate  0
6.6.141   One     1    0     Suppress    None     immediate  0
6.6.150   One     1    0     Suppress    None     immediate  0
6.10.14   Table   1    1     Suppress    None     immediate  0
6.11.0    Table   1    1     Suppress    Refuses  deferred   0
6.12.24   Table   1    1     Suppress    Refuses  deferred   0
6.12.25   One     1    1     Suppress    Refuses  deferred   0
6.12.90   One     1    1     Suppress    Refuses  deferred   0
6.12.91   One     1    0     Suppress    Refuses  deferred   0
6.14.11   Table   1    1     Suppress    Refuses  deferred   0
6.15.0    One     1    1     Suppress    Refuses  deferred   0
6.18.32   One     1    1     Suppress    Refuses  deferred   0
6.18.33   One     1    0     Suppress    Refuses  deferred   0
7.0.0     One     1    1     Suppress    Refuses  deferred   0
7.1.5     One     1    0     Suppress    Refuses  deferred   0
7.2.0     One     1    0     Suppress    Refuses  deferred   1
7.3.4     One     1    0     Suppress    Refuses  deferred   1
`;

test("every era has the settings of its row", () => {
  const [, ...rows] = eras.trim().split("\n");
  for (const row of rows) {
    const [version = ""] = row.split(/\s+/);
    assert.is(rowOf(version), row.replace(/\s+/g, " "), version);
  }
});

/** Where one kernel differs from the one before: the first version and the value there. */
const boundaries: readonly (readonly [Switch, string, number, string, number])[] = [
  [Switch.HasConfigure, "5.7.19", 0, "5.8.0", 1],
  [Switch.ConfigurePartscan, "5.8.18", 0, "5.9.0", 1],
  [Switch.ConfigureSize, "5.8.10", 0, "5.8.11", 1],
  [Switch.HasDiskseq, "5.14.21", 0, "5.15.0", 1],
  [Switch.MediaChange, "5.14.21", 0, "5.15.0", 1],
  [Switch.ScanHonoursSuppression, "5.18.1", 1, "5.18.2", 0],
  [Switch.ScanHonoursSuppression, "5.19.8", 0, "5.19.9", 1],
  [Switch.BlkpgRefusal, "5.15.131", BlkpgRefusal.None, "5.15.132", BlkpgRefusal.All],
  [Switch.BlkpgRefusal, "5.15.148", BlkpgRefusal.All, "5.15.149", BlkpgRefusal.Add],
  [Switch.BlkpgRefusal, "5.15.196", BlkpgRefusal.Add, "5.15.197", BlkpgRefusal.None],
  [Switch.BlkpgCapacity, "6.6.63", 0, "6.12.94", 1],
  [Switch.GlobalMutex, "5.10.223", 1, "5.15.0", 0],
  [Switch.RereadClaim, "6.1.2", RereadClaim.None, "6.1.3", RereadClaim.Check],
  [Switch.RereadClaim, "6.1.19", RereadClaim.Check, "6.1.20", RereadClaim.Claim],
  [Switch.RereadClaim, "6.2.16", RereadClaim.Check, "6.3.0", RereadClaim.Claim],
  [Switch.RereadErrors, "6.8.1", 0, "6.9.0", 1],
  [Switch.BlockSizeClaims, "6.1.190", 0, "6.1.191", 1],
  [Switch.BlockSizeClaims, "6.6.107", 1, "6.6.108", 0],
  [Switch.BlockSizeClaims, "6.6.108", 0, "6.6.109", 1],
  [Switch.BlockSizeClaims, "6.12.42", 0, "6.12.43", 1],
  [Switch.BlockSizeClaims, "6.16.0", 0, "6.17.0", 1],
  [Switch.StatusAgain, "5.17.15", 1, "5.18.0", 0],
  [Switch.BadBlockSizeSticks, "6.9.0", 0, "6.11.11", 1],
  [Switch.BlockSizeMax, "6.14.0", 4096, "6.18.35", 65536],
  [Switch.DirectIoByFlag, "6.12.30", 0, "6.12.31", 1],
  [Switch.DirectIoByFlag, "6.14.0", 0, "6.15.0", 1],
  [Switch.OpensCounted, "6.1.192", 0, "6.6.63", 1],
  [Switch.CountsBeforeScan, "6.8.1", 0, "6.9.0", 1],
  [Switch.SeqnumAtomic, "6.8.1", 0, "6.9.0", 1],
  [Switch.PartuuidKey, "6.12.117", 0, "6.13.2", 1],
  [Switch.PartscanAttribute, "6.6.31", 0, "6.6.32", 1],
  [Switch.PartscanAttribute, "6.9.0", 0, "6.10.0", 1],
  [Switch.RemoveAnswersZero, "5.10.223", 0, "5.15.0", 1],
];

test("a switch changes where its row says", () => {
  for (const [name, before, old, since, value] of boundaries) {
    assert.is(new Era(parseVersion(before)).get(name), old, `${Switch[name]} of ${before}`);
    assert.is(new Era(parseVersion(since)).get(name), value, `${Switch[name]} of ${since}`);
  }
});

test("a version is three numbers, and one that somebody has read", () => {
  assert.is(packVersion(5, 10, 223), 5_010_223);
  assert.is(packVersion(6, 1, 1000), -1);
  assert.is(packVersion(-1, 0, 0), -1);
  assert.ok(isKnownVersion(7_003_004));
  for (const version of [-1, 0, 5_003_999, 8_000_000]) {
    assert.not.ok(isKnownVersion(version));
    assert.throws(() => new Era(version));
  }
});

function rowOf(version: string): string {
  const era = new Era(parseVersion(version));
  return [
    version,
    AttachEvents[era.get(Switch.AttachEvents)],
    era.get(Switch.SeqOnChange),
    era.get(Switch.NeedOnChange),
    Suppression[era.get(Switch.Suppression)],
    LoOpen[era.get(Switch.LoOpen)],
    era.has(Switch.ClearAtClose) ? "deferred" : "immediate",
    era.get(Switch.DetachDrops),
  ].join(" ");
}

test.run();
