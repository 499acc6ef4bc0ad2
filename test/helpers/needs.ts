/**
 * What a test needs of the machine. A need that is not met skips the test and says why; nothing is
 * guessed from user ids or versions: each need is tried.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { whyNotApart } from "./apart.ts";
import { numberOf, partitionsOf, plainAttach, plainDetach } from "./devices.ts";
import { gptImage } from "./images.ts";
import { isInstalled, start } from "./process.ts";
import { scratchRoot } from "./root.ts";

/**
 * `root`: may open /dev/loop-control; `parsers`: the kernel reads GPT; `diskseq`: it numbers the
 * instances of disks; `no diskseq`: it does not; `zram`: devices of it can be made;
 * `scsi_debug`: and these are removable; `nbd`: there are some; `udevd`: one can be run apart from
 * the machine's; others: a tool's name.
 */
export type Need =
  | "root"
  | "parsers"
  | "diskseq"
  | "no diskseq"
  | "namespaces"
  | "user-namespaces"
  | "udevd"
  | "sfdisk"
  | "mkfs.ext4"
  | "losetup"
  | "lsblk"
  | "flock"
  | "partx"
  | "addpart"
  | "mount"
  | "setpriv"
  | "python3"
  | "chromium"
  | "zram"
  | "scsi_debug"
  | "nbd";

/** What zram devices are made and removed by. */
export const zramControl = "/sys/class/zram-control";
/** What scsi_debug is told by. */
export const scsiDebug = "/sys/bus/pseudo/drivers/scsi_debug";

const tried = new Map<Need, Promise<string | undefined>>();

/** Why a test with these needs cannot run here; undefined where it can. */
export async function missing(needs: readonly Need[]): Promise<string | undefined> {
  for (const need of needs) {
    const reason = tried.get(need) ?? attempt(need);
    tried.set(need, reason);
    if ((await reason) !== undefined) {
      return await reason;
    }
  }
  return undefined;
}

/** Whether the kernel has a partition parser for GPT. */
export async function kernelHasParsers(): Promise<boolean> {
  return (await missing(["parsers"])) === undefined;
}

async function attempt(need: Need): Promise<string | undefined> {
  if (need === "root") {
    return canOpenControl() ? undefined : "needs root: /dev/loop-control cannot be opened";
  }
  if (need === "parsers") {
    return (await canParse()) ? undefined : "needs a kernel with a partition parser for GPT";
  }
  if (need === "diskseq") {
    return hasDiskseq() ? undefined : "needs a kernel that numbers instances (Linux 5.15)";
  }
  if (need === "no diskseq") {
    return hasDiskseq() ? "is about kernels before 5.15" : undefined;
  }
  if (need === "namespaces") {
    const { status } = await start("unshare", ["--mount", "mount", "-t", "tmpfs", "t", "/mnt"])
      .outcome;
    return status === 0 ? undefined : "needs mount namespaces: unshare --mount fails";
  }
  if (need === "user-namespaces") {
    const { status } = await start("unshare", ["--user", "--net", "true"]).outcome;
    return status === 0 ? undefined : "needs user namespaces: unshare --user --net fails";
  }
  if (need === "zram") {
    return canAddZram() ? undefined : `needs zram: ${zramControl} cannot be used (modprobe zram)`;
  }
  if (need === "scsi_debug") {
    const how = "modprobe sd_mod; modprobe scsi_debug add_host=0 removable=1";
    return isRemovable() ? undefined : `needs scsi_debug with removable media (${how})`;
  }
  if (need === "nbd") {
    return existsSync("/sys/block/nbd0") ? undefined : "needs nbd (modprobe nbd)";
  }
  if (need === "udevd") return whyNotApart();
  return (await isInstalled(need)) ? undefined : `needs ${need}: it is not installed`;
}

function canOpenControl(): boolean {
  try {
    closeSync(openSync("/dev/loop-control", constants.O_RDWR));
    return true;
  } catch {
    return false;
  }
}

function hasDiskseq(): boolean {
  return readdirSync("/sys/block").some((name) => existsSync(`/sys/block/${name}/diskseq`));
}

/** Reading `hot_add` would make one. */
function canAddZram(): boolean {
  try {
    accessSync(`${zramControl}/hot_remove`, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function isRemovable(): boolean {
  const setting = `${scsiDebug}/removable`;
  return existsSync(setting) && readFileSync(setting, "utf8").trim() === "1";
}

async function canParse(): Promise<boolean> {
  const directory = mkdtempSync(join(scratchRoot, "needs-"));
  try {
    const device = await plainAttach("--partscan", await gptImage(join(directory, "gpt.img")));
    const found = partitionsOf(numberOf(device)).length > 0;
    await plainDetach(device);
    return found;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
