"""NATS identities made here: Ed25519 keys in NATS's spelling, JWTs signed with them, .creds files.

A key's public name is base32(kind, 32 bytes, CRC16); its seed the same with the kind spread over two
bytes. A JWT of NATS is a usual one with the algorithm "ed25519-nkey". openssl signs.
"""

import base64
import json
import os
import struct
import tempfile
import time

from .processes import run

OPERATOR, ACCOUNT, USER = 14 << 3, 0, 20 << 3
SEED = 18 << 3
PKCS8 = bytes.fromhex("302e020100300506032b657004220420")  # what an Ed25519 seed follows
NO_LIMITS = {name: -1 for name in ("subs", "data", "payload", "imports", "exports", "conn", "leaf",
                                   "mem_storage", "disk_storage", "streams", "consumer")}


def crc16(data):
    """CRC-16/XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def spell(*parts):
    data = b"".join(parts)
    return base64.b32encode(data + struct.pack("<H", crc16(data))).decode().rstrip("=")


def url64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    """A key of that kind (OPERATOR, ACCOUNT or USER), from a random seed."""

    def __init__(self, kind):
        raw = os.urandom(32)
        self.private = PKCS8 + raw
        public = self._openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER")[-32:]
        self.name = spell(bytes([kind]), public)
        self.seed = spell(bytes([SEED | kind >> 5, (kind & 31) << 3]), raw)

    def sign(self, data):
        return self._openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", data=data, key="-inkey")

    def _openssl(self, *command, data=b"", key="-in"):
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: f"{folder}/{name}" for name in ("key", "data", "out")}
            for name, content in (("key", self.private), ("data", data)):
                with open(paths[name], "wb") as file:
                    file.write(content)
            extra = ["-in", paths["data"]] if data else []
            run(["openssl", *command, key, paths["key"], *extra, "-out", paths["out"]])
            with open(paths["out"], "rb") as file:
                return file.read()


def jwt(issuer, subject, name, **nats):
    """A JWT in which `issuer` says these things about `subject`."""
    claims = {"jti": spell(os.urandom(16)), "iat": int(time.time()), "iss": issuer.name, "name": name,
              "sub": subject.name, "nats": {"version": 2, **nats}}
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    words = ".".join(url64(json.dumps(part).encode()) for part in (head, claims))
    return f"{words}.{url64(issuer.sign(words.encode()))}"


class Realm:
    """An operator with one account for us. `server` is for NatsServer(extra=...)."""

    def __init__(self):
        operator, self.account, system = Key(OPERATOR), Key(ACCOUNT), Key(ACCOUNT)
        accounts = {key.name: jwt(operator, key, name, type="account", limits=NO_LIMITS if js else
                                  {k: v for k, v in NO_LIMITS.items() if "storage" not in k})
                    for key, name, js in ((self.account, "site", True), (system, "SYS", False))}
        self.server = {"operator": jwt(operator, operator, "test", type="operator"),
                       "system_account": system.name, "resolver": "MEMORY",
                       "resolver_preload": accounts}

    def credentials(self, path, name="agent"):
        """Write a .creds file for a new user; returns its secret, the seed."""
        user = Key(USER)
        token = jwt(self.account, user, name, type="user", pub={}, sub={}, subs=-1, data=-1, payload=-1)
        path.write_text(f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
                        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n")
        path.chmod(0o600)
        return user.seed
