/**
 * Ways to attach an image with its partitions and to detach it again: diskseq's, and what others
 * do. Each returns when it says that all is ready for use.
 */
import { LinuxKernel } from "../../../host/linux/kernel.ts";
import { Session } from "../../../host/session.ts";
import type { AttachOptions } from "../../../host/types.ts";
import { numberOf } from "../../helpers/devices.ts";
import { tool } from "../../helpers/process.ts";
import { ExclusiveKernel } from "./exclusive.ts";
import type { AtWork, Rival } from "./rivals.ts";
import { split } from "./split.ts";

export interface Attached {
  /** of the loop device */
  readonly number: number;
  /** Whether it believed meanwhile what was not so. */
  readonly isDeceived?: () => boolean;
  detach(): Promise<void>;
}

export interface Surroundings {
  readonly rival: Rival;
  readonly atWork: AtWork;
}

export interface Tool {
  readonly name: string;
  readonly isOwn?: boolean;
  /** The only rival that it is measured beside; default: all. */
  readonly beside?: string;
  attach(image: string, around: Surroundings): Promise<Attached>;
}

/** Of an attach in a guest, where an emulated processor does it. */
const timeoutMs = 100_000;

const recorded = new Session(new LinuxKernel());

export const tools: readonly Tool[] = [
  { name: "losetup", attach: losetup },
  { name: "reference split", attach: (image, { atWork }) => split(image, atWork.settle) },
  own("diskseq, kernel", recorded, { partscan: "kernel" }),
  own("diskseq, fast", recorded, { partscan: "kernel", fast: true }),
  own("diskseq, user", recorded, { partscan: "user" }),
  // What the recording of the others takes.
  { ...own("diskseq, unrecorded", unrecorded(), { partscan: "kernel" }), beside: "none" },
];

/** The lock that diskseq takes, and the other that it could. */
export const locks: readonly Tool[] = [
  own("shared lock", recorded, { partscan: "kernel" }),
  own("exclusive lock", new Session(new ExclusiveKernel(new LinuxKernel())), {
    partscan: "kernel",
  }),
];

/** A session that writes no trace, where all others do. */
function unrecorded(): Session {
  const directory = process.env.DISKSEQ_TRACE;
  delete process.env.DISKSEQ_TRACE;
  const session = new Session(new LinuxKernel());
  if (directory !== undefined) process.env.DISKSEQ_TRACE = directory;
  return session;
}

async function losetup(image: string, { atWork }: Surroundings): Promise<Attached> {
  const device = (await tool("losetup", ["-f", "--show", "-P", image])).trim();
  await atWork.settle?.();
  return {
    number: numberOf(device),
    detach: async () => void (await tool("losetup", ["-d", device])),
  };
}

function own(name: string, session: Session, options: AttachOptions): Tool {
  return {
    name,
    isOwn: true,
    attach: async (image, { rival, atWork }) => {
      const udev = atWork.settle !== undefined;
      const attachment = await session.attach(image, { ...options, udev, timeoutMs });
      const { device, diskseq } = attachment;
      const number = numberOf(device);
      const detach = async () => void (await attachment.detach({ timeoutMs }));
      if (!rival.isLiar) return { number, detach };
      await session.waitFor({ device, partitions: true }, { timeoutMs });
      // Without a number nobody is told of an end.
      if (diskseq === null) return { number, detach };
      let isBelievedGone = false;
      const removed = session.waitFor({ diskseq, removed: true }, { timeoutMs }).then(() => {
        isBelievedGone = true;
      });
      return {
        number,
        isDeceived: () => isBelievedGone,
        detach: async () => void (await Promise.all([removed, detach()])),
      };
    },
  };
}
