"""Takes the first loop device that is free, with one of the images that it is given, lets go of it
after a random moment, and again, at once or a moment later. Waits for no lock; what is bound it
leaves alone."""

import fcntl
import os
import random
import struct
import sys
import time

LOOP_CTL_GET_FREE = 0x4C82
LOOP_CONFIGURE = 0x4C0A
AUTOCLEAR, PARTSCAN = 4, 8
HELD_SECONDS = 0.05
REST_SECONDS = 0.02


def config(image):
    """struct loop_config: the backing file first, the flags at 60."""
    return struct.pack("=I56xI240x", image, AUTOCLEAR | PARTSCAN)


images = [os.open(path, os.O_RDWR) for path in sys.argv[1:]]
control = os.open("/dev/loop-control", os.O_RDWR)
print("listening", flush=True)
while True:
    number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
    try:
        device = os.open(f"/dev/loop{number}", os.O_RDWR)
    except OSError:
        continue
    try:
        fcntl.ioctl(device, LOOP_CONFIGURE, config(random.choice(images)))
        time.sleep(random.uniform(0, HELD_SECONDS))
    except OSError:
        pass
    os.close(device)
    if random.random() < 0.5:
        time.sleep(random.uniform(0, REST_SECONDS))
