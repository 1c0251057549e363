"""DelayProxy: a TCP proxy that passes everything on late, since this kernel's tc may have no netem.

It stands in for a long line, and is not one: each side's TCP is acknowledged at the proxy, at once, and
nothing is lost or reordered. What an agent sees, the time between a request and its answer, is the same.
"""

import asyncio
import contextlib
import threading


class DelayProxy:
    """Listens on `address` at the port of each (address, port) in `servers`, and passes on to it."""

    def __init__(self, address, servers):
        self.delay = 0.0  # seconds each way; may be changed at any time
        self.connections = set()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._call(self._listen(address, servers))

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(5)

    async def _listen(self, address, servers):
        self.listeners = [
            await asyncio.start_server(lambda r, w, to=server: self._serve(r, w, to), address, server[1])
            for server in servers]

    async def _serve(self, reader, writer, server):
        """One connection, both ways; it ends when either side does."""
        self.connections.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection(*server)
            ways = [asyncio.ensure_future(self._pass_on(*way)) for way in (
                (reader, far_writer), (far_reader, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                far_writer.close()
        writer.close()
        self.connections.discard(asyncio.current_task())

    async def _pass_on(self, source, target):
        """Reads go on while what was read waits. A shorter delay takes effect behind what is on its way."""
        line = asyncio.Queue()
        arrivals = asyncio.ensure_future(self._arrive(line, target))
        try:
            while data := await source.read(65536):
                line.put_nowait((self.loop.time() + self.delay, data))
            line.put_nowait((self.loop.time() + self.delay, b""))
            await arrivals
        except OSError:
            pass  # one side was closed
        finally:
            arrivals.cancel()

    async def _arrive(self, line, target):
        while True:
            due, data = await line.get()
            await asyncio.sleep(due - self.loop.time())
            if not data or target.is_closing():
                return
            target.write(data)

    async def _close(self):
        for listener in self.listeners:
            listener.close()
        for connection in list(self.connections):
            connection.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)

    def close(self):
        self._call(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
