"""What pyudev makes of uevents: receives N of them, says "done", then M, ... (arguments)."""

import sys

import pyudev

monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="kernel")
monitor.set_receive_buffer_size(128 << 20)
monitor.start()
print("ready", flush=True)
for word in sys.argv[1:]:
    for _ in range(int(word)):
        device = monitor.poll()
        _ = (device.action, device.device_path, device.get("SEQNUM"))
    print("done", flush=True)
