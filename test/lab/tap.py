"""tap.py IFNAME SECONDS HEX...: opens a TAP's descriptor as QEMU does, writes the frames, prints what comes out of it as hex.

linux/if_tun.h: TUNSETIFF with IFF_TAP | IFF_NO_PI | IFF_VNET_HDR; a vnet header of ten bytes stands before every frame.
"""
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
FLAGS = 0x0002 | 0x1000 | 0x4000

ifname, seconds, frames = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', ifname.encode(), FLAGS))
print('open', flush=True)
for frame in frames:
    os.write(fd, bytes(10) + bytes.fromhex(frame))
end = time.monotonic() + seconds
while time.monotonic() < end:
    if select.select([fd], [], [], 0.1)[0]:
        print(os.read(fd, 70000)[10:].hex(), flush=True)
