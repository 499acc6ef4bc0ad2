/**
 * A uevent as a redacted trace shows it, as long as it was: what the core reads and what says of
 * which kind a thing is stays; every other value is a stand-in, whatever its key. Reads only what
 * the core has taken for a uevent.
 */
import { Group } from "../../assembly/abi.ts";
import type { StandIns } from "./stand-ins.ts";

/** Their values are numbers and kinds. */
const kept = new Set([
  ...["ACTION", "SUBSYSTEM", "SEQNUM", "MAJOR", "MINOR", "DEVTYPE", "DISKSEQ", "PARTN"],
  ...["NPARTS", "RESIZE", "DISK_RO", "DISK_MEDIA_CHANGE", "DISK_EJECT_REQUEST"],
  ...["USEC_INITIALIZED", "UDEV_DATABASE_VERSION", "SYSTEMD_READY"],
  ...["ID_FS_TYPE", "ID_FS_USAGE", "ID_PART_TABLE_TYPE", "ID_PART_ENTRY_SCHEME"],
  ...["ID_PART_ENTRY_TYPE", "ID_PART_ENTRY_NUMBER", "ID_PART_ENTRY_OFFSET", "ID_PART_ENTRY_SIZE"],
]);

/** Of udev's header, what is before the hashes of what it is about. */
const udevHeaderBytes = 24;
const propertiesOffset = 16;

export function redactUevent(group: number, bytes: Buffer, standIns: StandIns): Buffer {
  const isUdev = group === Group.Udev;
  const begin = isUdev ? bytes.readInt32LE(propertiesOffset) : bytes.indexOf(0) + 1;
  const pairs = bytes.toString("latin1", begin, bytes.length - 1).split("\0");
  const properties = new Map(pairs.map((pair) => split(pair)));
  const values = new Values(properties, standIns);
  const redacted = pairs.map((pair) => {
    const [key, value] = split(pair);
    return `${key}=${values.of(key, value)}\0`;
  });
  const head = Buffer.alloc(begin);
  if (isUdev) bytes.copy(head, 0, 0, udevHeaderBytes);
  else head.write(`${properties.get("ACTION")}@${values.devpath}`, "latin1");
  return Buffer.concat([head, Buffer.from(redacted.join(""), "latin1")]);
}

function split(pair: string): [key: string, value: string] {
  const equals = pair.indexOf("=");
  return [pair.slice(0, equals), pair.slice(equals + 1)];
}

class Values {
  readonly devpath: string;
  readonly #standIns: StandIns;
  /** kernel name; undefined: it is about no disk */
  readonly #disk: string | undefined;

  constructor(properties: ReadonlyMap<string, string>, standIns: StandIns) {
    this.#standIns = standIns;
    const path = properties.get("DEVPATH") ?? "";
    const parts = path.split("/");
    const isBlock = properties.get("SUBSYSTEM") === "block";
    const isPartition = properties.get("DEVTYPE") === "partition";
    if (!isBlock || !(isPartition || properties.get("DEVTYPE") === "disk")) {
      this.devpath = `/${standIns.text(path.slice(1))}`;
      return;
    }
    const node = parts.at(-1) ?? "";
    const disk = isPartition ? (parts.at(-2) ?? "") : node;
    const names = isPartition ? [standIns.disk(disk)] : [];
    this.#disk = disk;
    this.devpath = [
      ...parts.slice(0, isPartition ? -2 : -1),
      ...names,
      standIns.node(node, disk),
    ].join("/");
  }

  of(key: string, value: string): string {
    if (kept.has(key)) return value;
    if (key === "DEVPATH") return this.devpath;
    if (key === "DEVNAME" && this.#disk !== undefined) return this.#node(value, this.#disk);
    // The kernel's word for a change that was asked for without a UUID.
    if (key === "SYNTH_UUID" && value === "0") return value;
    return this.#standIns.text(value);
  }

  /** The kernel says `loop0`, udev says `/dev/loop0`; a name may have a `/`, in sysfs a `!`. */
  #node(value: string, disk: string): string {
    const prefix = value.startsWith("/dev/") ? "/dev/" : "";
    const name = value.slice(prefix.length).replaceAll("/", "!");
    return prefix + this.#standIns.node(name, disk).replaceAll("!", "/");
  }
}
