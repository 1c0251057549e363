"""A TCP relay on loopback that can be cut: what stands for the network between two agents.

    relay = Relay(lambda: ("127.0.0.1", port)).start()
    relay.cut()     # nothing passes and nothing is closed, as when a cable is pulled; new ones get no answer
    relay.mend()
"""

import selectors
import socket
import threading


class Relay:
    def __init__(self, target, listener=None):
        """`target` is called for each connection: (host, port)."""
        self.target = target
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.open = threading.Event()
        self.open.set()
        self.ended = False
        self.passed = 0  # bytes
        self.pairs = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def cut(self):
        self.open.clear()

    def mend(self):
        """What was open when it was cut is lost, as after a while it would be."""
        for one in list(self.pairs):
            self._close(one)
        self.open.set()

    def close(self):
        self.ended = True
        self.open.set()
        self.thread.join(5)
        for one in list(self.pairs):
            self._close(one)
        self.listener.close()

    def _close(self, one):
        for end in (one, self.pairs.pop(one, None)):
            if end is not None:
                self.pairs.pop(end, None)
                try:
                    self.selector.unregister(end)
                except (KeyError, ValueError):
                    pass  # the other thread was faster
                end.close()

    def _accept(self):
        near, _ = self.listener.accept()
        try:
            far = socket.create_connection(self.target(), timeout=1)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            self.pairs[one] = other
            self.selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, one):
        try:
            data = one.recv(65536)
            if data:
                self.pairs[one].sendall(data)
                self.passed += len(data)
                return
        except (OSError, KeyError):
            pass  # either end is gone: so is the other
        self._close(one)

    def _run(self):
        while not self.ended:
            self.open.wait()
            for key, _ in self.selector.select(0.05):
                if not self.open.is_set() or self.ended:
                    break
                if key.fileobj is self.listener:
                    self._accept()
                else:
                    self._pass_on(key.fileobj)
