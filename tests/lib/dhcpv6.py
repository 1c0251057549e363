"""A DHCPv6 client, for machines that have none: prints the address that it was given, or nothing (RFC 8415).

    dhcpv6.py LINK WHO        # WHO is what its DUID is made of
"""

import hashlib
import os
import socket
import struct
import sys
import time

SOLICIT, ADVERTISE, REQUEST, REPLY = 1, 2, 3, 7
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDRESS, ELAPSED = 1, 2, 3, 5, 8
PATIENCE_S, REFUSALS = 20, 5  # the first answers may come before the server knows the card


def option(code, data):
    return struct.pack("!HH", code, len(data)) + data


def options(data):
    found = {}
    while len(data) >= 4:
        code, length = struct.unpack_from("!HH", data)
        found[code] = data[4:4 + length]
        data = data[4 + length:]
    return found


def given(answer):
    """The option with the address, or None."""
    return options(answer.get(IA_NA, b"")[12:]).get(IA_ADDRESS)


def ask(link, message, wanted, mine):
    """Its options, from the first answer of that type to this message."""
    transaction = os.urandom(3)
    link.sendto(bytes([message]) + transaction + mine, ("ff02::1:2", 547, 0, socket.if_nametoindex(sys.argv[1])))
    end = time.monotonic() + 1
    while time.monotonic() < end:
        try:
            answer = link.recv(2048)
        except TimeoutError:
            break
        if answer[0] == wanted and answer[1:4] == transaction:
            return options(answer[4:])
    return None


def main():
    link = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[1].encode())
    link.bind(("::", 546))
    link.settimeout(1)
    me = option(CLIENT_ID, struct.pack("!H", 4) + hashlib.md5(sys.argv[2].encode()).digest()) + option(ELAPSED, b"\0\0")
    card = struct.pack("!III", 1, 0, 0)
    end, refused = time.monotonic() + PATIENCE_S, 0
    while time.monotonic() < end and refused < REFUSALS:
        try:
            offer = ask(link, SOLICIT, ADVERTISE, me + option(IA_NA, card))
        except OSError:  # no address of its own to ask from yet
            offer = None
        if not offer or not given(offer):  # as any client: once more
            refused += offer is not None
            time.sleep(0.2)
        else:
            mine = me + option(SERVER_ID, offer[SERVER_ID])
            reply = ask(link, REQUEST, REPLY, mine + option(IA_NA, card + option(IA_ADDRESS, given(offer))))
            if reply and given(reply):
                print(socket.inet_ntop(socket.AF_INET6, given(reply)[:16]))
                return


main()
