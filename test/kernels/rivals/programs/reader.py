"""Opens partitions of loop devices at random, keeps each open for a random time, and rests."""

import glob
import os
import random
import time

HELD_SECONDS = 0.1
REST_SECONDS = 0.05

print("listening", flush=True)
while True:
    nodes = glob.glob("/dev/loop[0-9]*p[0-9]*")
    try:
        node = os.open(random.choice(nodes or ["/dev/loop0p1"]), os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        node = None
    time.sleep(random.uniform(0, HELD_SECONDS))
    if node is not None:
        os.close(node)
    time.sleep(random.uniform(0, REST_SECONDS))
