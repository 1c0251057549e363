"""Addresses with a mark (IFA_PROTO), which `ip` of Debian 12 can neither set nor show.

    python3 rtnetlink.py add LINK ADDRESS/PREFIX MARK [SECONDS]
    python3 rtnetlink.py show        # JSON: [{"link", "address", "prefix", "mark", "flags", "seconds"}]

As a program it works in the network namespace it is started in: argv() is for `nsenter` and the like.
"""

import ipaddress
import json
import os
import socket
import struct
import sys
from pathlib import Path

MARK = 0x48  # GUARD_VIP_MARK, guardian/protocol.h
NEWADDR, GETADDR, REQUEST, ACK, DUMP, CREATE = 20, 22, 1, 4, 0x300, 0x400
ERROR, DONE = 2, 3
IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS, IFA_PROTO = 1, 2, 6, 8, 11
NODAD = 0x02
FOREVER = 0xFFFFFFFF
HEADER, IFADDR = struct.Struct("=IHHII"), struct.Struct("=BBBBI")


def argv(*words):
    return [sys.executable, str(Path(__file__).absolute()), *map(str, words)]


def attribute(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def attributes(data):
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found[kind] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


def ask(kind, flags, body):
    """Bodies of the answers."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as s:
        s.send(HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, 1, 0) + body)
        while True:
            data = s.recv(1 << 16)
            while data:
                size, got, _, _, _ = HEADER.unpack_from(data)
                if got == ERROR:
                    code = -struct.unpack_from("=i", data, HEADER.size)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return
                if got == DONE:
                    return
                yield data[HEADER.size:size]
                data = data[(size + 3) & ~3:]


def add(link, text, mark, seconds=FOREVER):
    interface = ipaddress.ip_interface(text)
    v6 = interface.version == 6
    packed = interface.ip.packed
    body = IFADDR.pack(socket.AF_INET6 if v6 else socket.AF_INET, interface.network.prefixlen, 0, 0,
                       socket.if_nametoindex(link))
    body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    body += attribute(IFA_FLAGS, struct.pack("=I", NODAD if v6 else 0))
    body += attribute(IFA_CACHEINFO, struct.pack("=4I", seconds, seconds, 0, 0))
    if mark:
        body += attribute(IFA_PROTO, bytes([mark]))
    list(ask(NEWADDR, ACK | CREATE, body))


def show():
    found = []
    for body in ask(GETADDR, DUMP, bytes(IFADDR.size)):
        family, prefix, _, _, index = IFADDR.unpack_from(body)
        has = attributes(body[IFADDR.size:])
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        seconds = struct.unpack_from("=2I", has[IFA_CACHEINFO])[1] if IFA_CACHEINFO in has else FOREVER
        found.append({"link": socket.if_indextoname(index), "prefix": prefix,
                      "address": str(ipaddress.ip_address(has.get(IFA_LOCAL) or has[IFA_ADDRESS])),
                      "mark": has.get(IFA_PROTO, b"\0")[0],
                      "flags": struct.unpack("=I", has[IFA_FLAGS])[0],
                      "seconds": None if seconds == FOREVER else seconds})
    return found


if __name__ == "__main__":
    if sys.argv[1] == "add":
        add(sys.argv[2], sys.argv[3], *(int(word) for word in sys.argv[4:]))
    else:
        print(json.dumps(show()))
