"""The kernel's uevents, as every program here hears them. Knows nothing of who causes them."""

import os
import socket
import struct

SO_PASSCRED = 16
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 64 << 20


def messages():
    """Those that the kernel sent. OSError ENOBUFS where some were lost; ask again for the rest."""
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    s.setsockopt(socket.SOL_SOCKET, SO_PASSCRED, 1)
    s.bind((0, 1))
    print("listening", flush=True)
    return iter(lambda: receive(s), None)


def receive(s):
    while True:
        message, ancillary, _, (sender, _) = s.recvmsg(8192, socket.CMSG_SPACE(12))
        process = struct.unpack("iii", ancillary[0][2])[0]
        if sender == 0 and process == 0:
            return message


def fields(message):
    strings = message.decode("latin1").split("\0")
    return dict(one.split("=", 1) for one in strings if "=" in one)


def touch(device):
    """Opens it and closes it, if it can be."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        pass
