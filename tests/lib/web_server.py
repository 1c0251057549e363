"""A real HTTP server on loopback whose answers go wrong as a test says. Every resource has its own ways."""

import contextlib
import hashlib
import http.server
import re
import socket
import ssl
import subprocess
import threading


class Resource:
    """What lies under one path. Attributes are the server's to read and a test's to set, at any time.

    etag, ranges: what it says and can; break_after: close the connection after so many bytes of a body
    (once, or each time with `always`); claim: a Content-Length of its own; hold_after: after so many bytes wait
    until release(); status, location: another answer.
    """

    def __init__(self, content, etag='"one"', ranges=True):
        self.content, self.etag, self.ranges = content, etag, ranges
        self.break_after, self.always = None, False
        self.claim = None
        self.hold_after = None
        self.status, self.location = 200, None
        self.asked = []  # the headers Range of the requests; None: none
        self.held = threading.Event()  # a body waits
        self._go_on = threading.Event()

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()

    def hold(self, after):
        self.hold_after = after
        self._go_on.clear()
        self.held.clear()

    def release(self):
        self.hold_after = None
        self._go_on.set()

    def wait(self):
        self.held.set()
        self._go_on.wait()

    def may_resume(self, if_range):
        return self.ranges and (not if_range or if_range == self.etag)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        resource = self.server.resources.get(self.path.partition("?")[0])
        if not resource:
            return self.send_error(404)
        resource.asked.append(self.headers.get("Range"))
        if resource.status != 200:
            return self._say_status(resource)
        self._send(resource, self._start_of(resource))

    def _start_of(self, resource):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(asked[1]) if asked and resource.may_resume(self.headers.get("If-Range")) else None

    def _say_status(self, resource):
        self.send_response(resource.status)
        if resource.location:
            self.send_header("Location", resource.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, resource, start):
        content, total = resource.content, len(resource.content)
        if start is not None and start >= total:
            return self.send_error(416)
        body = content[start or 0:]
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if resource.etag:
            self.send_header("ETag", resource.etag)
        self.send_header("Content-Length", str(resource.claim or len(body)))
        self.end_headers()
        self._send_body(resource, body)

    def _send_body(self, resource, body):
        sent = 0
        while sent < len(body):
            if resource.hold_after is not None and sent >= resource.hold_after:
                resource.wait()
            if resource.break_after is not None and sent >= resource.break_after:
                resource.break_after = resource.break_after if resource.always else None
                return self._break_off()
            end = min([stop for stop in (resource.hold_after, resource.break_after) if stop and stop > sent]
                      + [sent + 65536, len(body)])
            try:
                self.wfile.write(body[sent:end])
            except OSError:  # nobody listens any more
                return self._break_off()
            sent = end
        if resource.claim and resource.claim > len(body):
            self._break_off()

    def _break_off(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that left


class WebServer:
    """with WebServer() as web: web.put("/a.img", content). `certificate` (cert, key): https."""

    def __init__(self, certificate=None):
        self._http = Server(("127.0.0.1", 0), Handler)
        self._http.resources = {}
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
            self.scheme = "https"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        for resource in self._http.resources.values():
            resource.release()
        self._http.shutdown()
        self._http.server_close()

    def put(self, path, content, **options):
        resource = Resource(content, **options)
        self._http.resources[path] = resource
        return resource

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self._http.server_address[1]}{path}"


@contextlib.contextmanager
def publishing(folder):
    """An https server; `ca` is the authority that a client must believe."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=publisher",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True,
                   capture_output=True)
    with WebServer((cert, key)) as server:
        server.ca = cert
        yield server
