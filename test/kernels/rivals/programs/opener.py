"""Opens each loop device at its every event, and closes it."""

from uevents import fields, messages, touch

for message in messages():
    event = fields(message)
    if event.get("DEVTYPE") == "disk" and event["DEVNAME"].startswith("loop"):
        touch("/dev/" + event["DEVNAME"])
