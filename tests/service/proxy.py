"""A reverse proxy as small as can be: it serves one service below a prefix, and says so in X-Forwarded-*."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/ops/scheduler"
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


def handler_for(port: int, scheme: str) -> type[BaseHTTPRequestHandler]:
    """Return what hands requests on to a port of this host."""

    class Handler(BaseHTTPRequestHandler):
        """Takes the prefix off, and adds what it knows behind what a client says."""

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            upstream = HTTPConnection("127.0.0.1", port, timeout=10)
            upstream.request(self.command, self.path.removeprefix(PREFIX) or "/", body, self._headers())
            answer = upstream.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            upstream.close()

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

        def _headers(self) -> dict[str, str]:
            sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            added = {"For": self.client_address[0], "Proto": scheme, "Host": self.headers["Host"], "Prefix": PREFIX}
            for name, value in added.items():
                before = sent.get(f"X-Forwarded-{name}")
                sent[f"X-Forwarded-{name}"] = f"{before}, {value}" if before else value
            return sent | {"Host": "upstream.internal"}

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def proxying(port: int, scheme: str = "http") -> Iterator[str]:
    """A proxy before a port for a block; gives its address with the prefix."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_for(port, scheme)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        server.shutdown()
        thread.join()
