"""A web server on loopback for tests: ranges, the hub's interface, and every way to misbehave.

The first part of a path says how the server behaves (`/honest/model.pt`, `/no-ranges/model.pt`), the rest names the
content, a file on disk or bytes. Paths of the hub are answered as huggingface_hub 1.x asks for them.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "c" * 40
MARK = "a mark: of parts"
_HUB = re.compile(r"/api/models/([\w-]+/[\w-]+)(?:/(revision|tree|paths-info)/([^/?]+)(?:/([^?]*))?)?")
_RESOLVE = re.compile(r"/([\w-]+/[\w-]+)/resolve/([^/]+)/(.+)")


class Server(ThreadingHTTPServer):
    """What it serves, and what it was asked for."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes | Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.elsewhere = ""
        self.release = threading.Event()
        """Set at the end, so that silent handlers go."""

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def size(self, name: str) -> int:
        """Bytes of a file."""
        content = self.files[name]
        return len(content) if isinstance(content, bytes) else content.stat().st_size

    def part(self, name: str, start: int, stop: int) -> bytes:
        """Some of its bytes."""
        content = self.files[name]
        if isinstance(content, bytes):
            return content[start:stop]
        with content.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._hub(self.rfile.read(length))

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {key.title(): value for key, value in self.headers.items()}))
        if self.path.startswith("/api/"):
            return self._hub(b"")
        if match := _RESOLVE.fullmatch(self.path.partition("?")[0]):
            return self._ranges(match[3], {"X-Repo-Commit": COMMIT, "ETag": '"hub"'})
        way, _, name = self.path.partition("?")[0][1:].partition("/")
        if name not in self.server.files:
            return self._reply(404, b"no such file")
        answer: Callable[[str], None] = getattr(self, "_" + way.replace("-", "_"))
        return answer(name)

    # Ways to answer ---------------------------------------------------------------------------------------

    def _honest(self, name: str) -> None:
        self._ranges(name, {"ETag": '"one"'})

    _one_range = _no_lists = _long_lines = _wrong_lists = _endless_lists = _cut_lists = _odd_lists = _honest

    def _changed_lists(self, name: str) -> None:
        self._ranges(name, {"ETag": f'"{self.headers.get("Range", "").count(",")}"'})

    def _refusing(self, name: str) -> None:
        self._reply(416, b"")

    def _ranges_once(self, name: str) -> None:
        """The end of the file only."""
        if self.headers.get("Range", "").startswith("bytes=-"):
            return self._honest(name)
        return self._no_ranges(name)

    def _growing(self, name: str) -> None:
        self._ranges(name, {}, claimed=0 if self.headers.get("Range", "").startswith("bytes=-") else 1000)

    def _unsaid(self, name: str) -> None:
        self._reply(206, self.server.part(name, 0, 100))

    def _impossible(self, name: str) -> None:
        self._reply(206, self.server.part(name, 0, 100), {"Content-Range": "bytes 99-0/100"})

    def _more(self, name: str) -> None:
        """A byte more than the range has, without a word about the length."""
        size = self.server.size(name)
        start = max(size - int(self.headers.get("Range", "").rpartition("-")[2]), 0)
        data = self.server.part(name, start, size) + b"?"
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))

    def _until_closed(self, name: str) -> None:
        """The whole file; that it ended is told by the end of the connection only."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.part(name, 0, self.server.size(name)))
        self.close_connection = True

    def _changing(self, name: str) -> None:
        self._ranges(name, {"ETag": f'"{len(self.server.asked)}"'})

    def _no_ranges(self, name: str) -> None:
        self._reply(200, self.server.part(name, 0, self.server.size(name)))

    def _cut_off(self, name: str) -> None:
        self._reply(200, self.server.part(name, 0, self.server.size(name)), sent=0.5)

    def _cut_ranges(self, name: str) -> None:
        self._ranges(name, {}, sent=0.5)

    def _short(self, name: str) -> None:
        """Fewer bytes than the range has, and says so."""
        self._ranges(name, {}, dropped=10)

    def _shifted(self, name: str) -> None:
        self._ranges(name, {}, shift=1)

    def _larger(self, name: str) -> None:
        self._ranges(name, {}, claimed=1000)

    def _gzip(self, name: str) -> None:
        self._ranges(name, {"Content-Encoding": "gzip"})

    def _endless(self, name: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.release.is_set():
                self.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")

    def _silent(self, name: str) -> None:
        self.server.release.wait(20)

    def _dripping(self, name: str) -> None:
        data = self.server.part(name, 0, self.server.size(name))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):
            for at in range(len(data)):
                self.wfile.write(data[at : at + 1])
                self.wfile.flush()
                if self.server.release.wait(0.05):
                    return

    def _busy_once(self, name: str) -> None:
        if len(self.server.asked) == 1:
            return self._reply(503, b"later")
        return self._honest(name)

    def _forbidden(self, name: str) -> None:
        self._reply(403, b"no")

    def _moved(self, name: str) -> None:
        self._reply(302, b"", {"Location": f"/honest/{name}"})

    def _circle(self, name: str) -> None:
        self._reply(302, b"", {"Location": self.path})

    def _away(self, name: str) -> None:
        self._reply(302, b"", {"Location": f"{self.server.elsewhere}/honest/{name}"})

    def _to_file(self, name: str) -> None:
        self._reply(302, b"", {"Location": "file:///etc/hostname"})

    # The hub ----------------------------------------------------------------------------------------------

    def _hub(self, body: bytes) -> None:
        match = _HUB.match(self.path)
        if match is None:
            return self._reply(404, b"{}")
        entries = [
            {"type": "file", "path": name, "size": self.server.size(name), "oid": "a" * 40}
            for name in self.server.files
        ]
        what = match[2]
        if what == "paths-info":
            wanted = (
                json.loads(body)["paths"] if body[:1] == b"{" else re.findall(r"paths=([^&]+)", body.decode())
            )
            return self._json([one for one in entries if one["path"] in wanted])
        if what == "tree":
            return self._json(entries)
        siblings = [{"rfilename": one["path"]} for one in entries]
        return self._json(
            {"id": match[1], "modelId": match[1], "sha": COMMIT, "siblings": siblings, "tags": []}
        )

    def _json(self, value: Any) -> None:
        self._reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    # Bytes ------------------------------------------------------------------------------------------------

    def _ranges(
        self, name: str, headers: Mapping[str, str], *, sent: float = 1.0, dropped: int = 0, shift: int = 0,
        claimed: int = 0,
    ) -> None:  # fmt: skip
        size = self.server.size(name)
        wanted = self.headers.get("Range", "")
        if "," in wanted:
            return self._list(name, wanted, headers, sent)
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
        if match is None:
            return self._reply(200, self.server.part(name, 0, size), headers)
        start = int(match[1]) if match[1] else max(size - int(match[2]), 0)
        stop = min(int(match[2]) + 1, size) if match[1] and match[2] else size
        if start >= stop:
            return self._reply(416, b"", {"Content-Range": f"bytes */{size}"})
        data = self.server.part(name, start, stop - dropped)
        where = f"bytes {start + shift}-{stop - 1 + shift}/{size + shift + claimed}"
        return self._reply(206, data, {**headers, "Content-Range": where, "Accept-Ranges": "bytes"}, sent)

    def _list(self, name: str, wanted: str, headers: Mapping[str, str], sent: float) -> None:
        """Several ranges, as RFC 9110, section 14.6 has them."""
        way, size = self.path.split("/")[1], self.server.size(name)
        spans = [(int(one), int(two) + 1) for one, two in re.findall(r"(\d+)-(\d+)", wanted)]
        if way == "one-range":  # what it knows of the list
            one = {**headers, "Content-Range": f"bytes {spans[0][0]}-{spans[0][1] - 1}/{size}"}
            return self._reply(206, self.server.part(name, *spans[0]), one)
        if way == "no-lists":
            return self._reply(200, self.server.part(name, 0, size), headers)
        if way == "long-lines":
            return self._reply(431, b"too long", headers)
        if way == "cut-lists":
            sent = 0.5
        body = b""
        for start, stop in reversed(spans):  # in any order
            shown = size + 1 if way == "wrong-lists" else size
            head = f"--{MARK}\r\ncontent-type: a/b\r\ncontent-range: bytes {start}-{stop - 1}/{shown}\r\n\r\n"
            body += head.encode() + self.server.part(name, start, stop) + b"\r\n"
        body += f"--{MARK}--\r\n".encode() if way != "endless-lists" else bytes(1 << 20)
        mark = "*=utf-8''%E2%82%AC" if way == "odd-lists" else f'="{MARK}"'
        kind = {"Content-Type": f"multipart/byteranges; boundary{mark}"}
        return self._reply(206, body, {**headers, **kind}, sent)

    def _reply(
        self, status: int, data: bytes, headers: Mapping[str, str] | None = None, sent: float = 1.0
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: int(len(data) * sent)])
        if sent < 1.0:
            self.close_connection = True


@contextlib.contextmanager
def serving(files: Mapping[str, bytes | Path]) -> Iterator[Server]:
    """A server for the length of a test."""
    server = Server(files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
