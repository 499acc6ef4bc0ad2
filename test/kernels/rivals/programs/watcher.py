"""Writes a line for each partition of a loop device that the kernel adds or removes, and for each
mark that somebody sets by a synthetic event of another device. Ends where events were lost: what
it has told would look like all there was."""

import sys

from uevents import fields, messages

WANTED = tuple(b"%s@/devices/virtual/block/loop" % action for action in (b"add", b"remove"))
# Synthetic events carry one; 0 where nobody gave it a name.
SYNTHETIC, UNNAMED = b"\0SYNTH_UUID=", b"\0SYNTH_UUID=0\0"
MARKED = b"@/devices/virtual/mem/null\0"

try:
    for message in messages():
        if SYNTHETIC in message:
            if MARKED in message and UNNAMED not in message:
                print("mark", fields(message)["SYNTH_UUID"], flush=True)
        elif message.startswith(WANTED):
            event = fields(message)
            if event["DEVTYPE"] == "partition":
                print(event["ACTION"], event["DEVNAME"], event.get("DISKSEQ", "-"), flush=True)
except OSError as error:
    sys.exit(f"events were lost: {error}")
