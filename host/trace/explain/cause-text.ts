/** Causes in words, for people who read a story. */
import type { FlapCause } from "./causes.ts";

/** What a cause is, and what keeps it from happening. */
export const causeTexts: Readonly<Record<FlapCause, readonly [what: string, remedy: string]>> = {
  "double-scan": [
    "double scan by the kernel",
    "attach without LO_FLAGS_PARTSCAN, open and close the disk once, then set the flag by " +
      "LOOP_SET_STATUS64 (`diskseq attach` does that)",
  ],
  "udev-reread": [
    "re-read by udev",
    "hold LOCK_SH on the disk (flock) until every writable descriptor of it is closed, or attach " +
      "through a node that udev does not watch (`diskseq attach` does both); udevd 259 and newer " +
      "leave partitions alone that are as the table has them",
  ],
  reread: [
    "re-read of the table (BLKRRPART)",
    "hold a lock on the disk (flock) while its partitions are in use; `diskseq rescan` touches " +
      "only what differs",
  ],
  "change-fd": ["another file behind the device (LOOP_CHANGE_FD)", "wait by the new diskseq"],
  blkpg: ["partitions deleted and added (BLKPG)", "`diskseq rescan` touches only what differs"],
  detach: ["detached, and attached again", "it is another instance: wait by its diskseq"],
  "re-attach": [
    "detached, and attached again by another process",
    "the name belongs to another instance: judge events by the diskseq, not by the name",
  ],
  unknown: ["of unknown cause", "record with calls and both groups (`diskseq record`)"],
};
