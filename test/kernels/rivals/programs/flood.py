"""Uevents that nothing happened for, in gusts: the kernel's own, asked for in sysfs, of
loop devices, their partitions and a device that is none; and among them forged ones, sent to those
who listen to the kernel and to those who listen to udev."""

import glob
import os
import random
import socket
import struct
import time

ACTIONS = ("change", "add", "remove")
OTHER = "/sys/devices/virtual/mem/null"
KERNEL_GROUP, UDEV_GROUP = 1, 2
NOBODY = 1
EVENTS_EACH_TURN = 32
# Else an emulator does nothing but this.
REST_SECONDS = 0.002

forger = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15)


def ask(path):
    try:
        with open(f"{path}/uevent", "w") as file:
            file.write(random.choice(ACTIONS))
    except OSError:
        pass


def forge(path):
    action = random.choice(ACTIONS)
    try:
        with open(f"{path}/uevent") as file:
            shown = file.read().split()
    except OSError:
        return
    devpath = os.path.realpath(path).removeprefix("/sys")
    strings = [f"ACTION={action}", f"DEVPATH={devpath}", "SUBSYSTEM=block", *shown, "SEQNUM=1"]
    properties = "".join(f"{one}\0" for one in strings).encode()
    send(KERNEL_GROUP, f"{action}@{devpath}\0".encode() + properties)
    sizes = struct.pack("=III", 40, 40, len(properties))
    magic = struct.pack(">I", 0xFEEDCAFE)
    send(UDEV_GROUP, b"libudev\0" + magic + sizes + bytes(16) + properties)


def send(group, message):
    try:
        forger.sendto(message, (NOBODY, group))
    except OSError:
        pass


print("listening", flush=True)
while True:
    paths = glob.glob("/sys/block/loop[0-3]") + glob.glob("/sys/block/loop[0-3]/loop*p*")
    for _ in range(EVENTS_EACH_TURN):
        ask(random.choice([OTHER, *paths]))
    forge(random.choice(paths))
    time.sleep(REST_SECONDS)
