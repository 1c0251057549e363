"""Disks that a UEFI firmware boots, with 22 bytes of a program: it says on the console of the firmware
"harmony-guest: booted from NAME" and stands still. A GPT with one FAT16 partition, all of it written by hand.
"""

import struct
import zlib
from uuid import UUID

SECTOR = 512
FIRST, SECTORS = 2048, 16384  # of the partition
FAT_SECTORS = SECTORS * 2 // SECTOR
ESP = UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").bytes_le  # an EFI system partition
PROGRAM = bytes.fromhex(
    "4883ec28"        # sub rsp, 0x28
    "488b4a40"        # mov rcx, [rdx + 0x40]: ConOut of the system table
    "488d1507000000"  # lea rdx, [rip + 7]: the text
    "ff5108"          # call [rcx + 8]: OutputString
    "fa"              # cli
    "f4"              # hlt
    "ebfd")


def said(name):
    return f"harmony-guest: booted from {name}\r\n"


def program(name):
    """An executable of one section, which runs wherever it is loaded."""
    code = PROGRAM + said(name).encode("utf-16le") + b"\0\0"
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + b"PE\0\0"
    head += struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    head += struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20b, 0, 0, SECTOR, 0, 0, 0x1000, 0x1000, 64 << 20, 0x1000, SECTOR,
                        0, 0, 0, 0, 0, 0, 0, 0x2000, SECTOR, 0, 10, 0, 0, 0, 0, 0, 0, 16).ljust(240, b"\0")
    head += struct.pack("<8sIIIIIIHHI", b".text", len(code), 0x1000, SECTOR, SECTOR, 0, 0, 0, 0, 0x60000020)
    return head.ljust(SECTOR, b"\0") + code.ljust(SECTOR, b"\0")


def entry(name, is_folder, cluster, size=0):
    return struct.pack("<11sB14xHI", name.encode(), 0x10 if is_folder else 0x20, cluster, size)


def folder(own, parent, *entries):
    dots = entry(".          ", True, own) + entry("..         ", True, parent)
    return (dots + b"".join(entries)).ljust(SECTOR, b"\0")


def file_system(name):
    """EFI/BOOT/BOOTX64.EFI, in clusters of a sector."""
    boot = struct.pack("<3s8sHBHBHHBHHHII", b"\xeb\x3c\x90", b"harmony ", SECTOR, 1, 1, 1, 16, SECTORS, 0xf8, FAT_SECTORS, 32, 2,
                       FIRST, 0)
    boot += struct.pack("<BBBI11s8s", 0x80, 0, 0x29, 1, b"ESP        ", b"FAT16   ")
    file = program(name)
    fat = struct.pack("<HHHHHH", 0xfff8, 0xffff, 0xffff, 0xffff, 5, 0xffff)
    return b"".join((boot.ljust(510, b"\0") + b"\x55\xaa", fat.ljust(FAT_SECTORS * SECTOR, b"\0"),
                     entry("EFI        ", True, 2).ljust(SECTOR, b"\0"), folder(2, 0, entry("BOOT       ", True, 3)),
                     folder(3, 2, entry("BOOTX64 EFI", False, 4, len(file))), file))


def gpt_header(at, other, entries_at, last, entries):
    def packed(crc):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, at, other, 34, last - 33, bytes(range(16)),
                           entries_at, 128, 128, zlib.crc32(entries))
    return packed(zlib.crc32(packed(0))).ljust(SECTOR, b"\0")


def write_disk(path, name):
    last = FIRST + SECTORS + 33
    partition = struct.pack("<16s16sQQQ72s", ESP, bytes(range(16)), FIRST, FIRST + SECTORS - 1, 0, "ESP".encode("utf-16le"))
    entries = partition.ljust(128 * 128, b"\0")
    protective = bytes(446) + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee, b"\xff\xff\xff", 1, last)
    with open(path, "wb") as disk:
        disk.truncate((last + 1) * SECTOR)
        disk.write(protective.ljust(510, b"\0") + b"\x55\xaa" + gpt_header(1, last, 2, last, entries) + entries)
        disk.seek(FIRST * SECTOR)
        disk.write(file_system(name))
        disk.seek((last - 32) * SECTOR)
        disk.write(entries + gpt_header(last, 1, last - 32, last, entries))
