"""FakeOldServer: a proxy before a real NATS server that changes what version it says it is."""

import re
import socket
import threading

from .processes import free_port


class FakeOldServer:
    def __init__(self, port, version):
        self.port, self.version = port, version.encode()
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for sock in (self.listener, *self.sockets):
            sock.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # closed
            server = socket.create_connection(("127.0.0.1", self.port))
            self.sockets += [client, server]
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()
            threading.Thread(target=self._copy, args=(client, server), daemon=True).start()

    def _down(self, server, client):
        """The first line is INFO {...}: the version in it is changed, the rest passed on."""
        lines = server.makefile("rb")
        info = lines.readline()
        client.sendall(re.sub(rb'"version":"[^"]*"', b'"version":"%s"' % self.version, info))
        self._copy(lines, client)

    @staticmethod
    def _copy(source, target):
        read = source.read1 if hasattr(source, "read1") else source.recv
        try:
            while data := read(65536):
                target.sendall(data)
        except OSError:
            pass  # one side was closed
