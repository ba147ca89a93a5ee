"""A headless Chromium, driven over the DevTools protocol on a pair of pipes: nothing but the browser is needed.

Protocol: https://chromedevtools.github.io/devtools-protocol/; `--remote-debugging-pipe` reads commands from file
descriptor 3 and answers on 4, JSON messages that end with a zero byte.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import resource
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-quic --hide-scrollbars --disable-extensions "
    "--disable-dev-shm-usage --disable-features=IsolateSandboxedIframes --remote-debugging-pipe"
).split()
"""Sandboxed frames stay in the page's process, where its session sees them."""
PATIENCE = 60.0
"""Seconds that an answer may take on a busy machine."""


def chromium() -> str | None:
    """The browser, if there is one. Those of snap see neither our pipes nor our files."""
    found = (shutil.which(name) for name in NAMES)
    return next((path for path in found if path and "/snap/" not in os.path.realpath(path) + path), None)


class Browser:
    """One browser with one page, and what went wrong or over the wire in it."""

    def __init__(self, program: str, profile: Path) -> None:
        read, self.write_end = os.pipe()
        self.read_end, write = os.pipe()
        # beyond 3 and 4, so that neither is closed by making the other
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (read, write)]

        def connect() -> None:
            # other tests cap this process's address space, of which a browser reserves a lot
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=connect,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (read, write, *ends):
            os.close(end)
        self.pending = b""
        self.number = 0
        self.complaints: list[str] = []
        """Console errors, exceptions and violations of the content security policy."""
        self.requests: list[str] = []
        self.session: str | None = None
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        targets = self.send("Target.getTargets", session=None)["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        attached = self.send("Target.attachToTarget", {"targetId": target, "flatten": True}, session=None)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, parameters: Any = None, *, session: str | None = "own") -> Any:
        """Give a command and wait for its answer."""
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def _receive(self) -> Any:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self.pending:
            ready, _, _ = select.select([self.read_end], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"the browser does not answer (exit code so far: {self.process.poll()})"
            part = os.read(self.read_end, 1 << 20)
            assert part, "the browser has gone"
            self.pending += part
        raw, _, self.pending = self.pending.partition(b"\0")
        message = json.loads(raw)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, parameters: Any) -> None:
        match method:
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(parameters["exceptionDetails"])[:500])
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                self.complaints.append(json.dumps(parameters["args"])[:500])
            case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                self.complaints.append(parameters["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Page.javascriptDialogOpening":
                self.complaints.append(f"a dialog: {parameters['message']}")

    def open(self, path: Path, width: int = 1280, height: int = 900) -> None:
        """Open a page from a file and wait until it is drawn."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", size)
        self.send("Page.navigate", {"url": path.resolve().as_uri()})
        self.wait("document.readyState === 'complete' && document.getElementById('page').childElementCount")
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, a promise's included."""
        wanted = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self.send("Runtime.evaluate", wanted)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + PATIENCE
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.05)

    def at(self, selector: str, number: int = 0) -> tuple[float, float]:
        """The middle of an element, scrolled into view."""
        element = f"document.querySelectorAll({json.dumps(selector)})[{number}]"
        x, y = self.evaluate(
            f"(() => {{ const one = {element}; one.scrollIntoView({{block: 'center', behavior: 'instant'}}); "
            "const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        return x, y

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """One mouse event."""
        self.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **more})

    def click(self, selector: str, number: int = 0) -> None:
        """Click an element as a person does."""
        x, y = self.at(selector, number)
        self.mouse("mouseMoved", x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def key(self, name: str, text: str = "") -> None:
        """Press and release a key, named as in `KeyboardEvent.key`."""
        code = {"Enter": 13, "Escape": 27, "Tab": 9}.get(name, 0)
        self.send(
            "Input.dispatchKeyEvent",
            {"type": "keyDown", "key": name, "text": text, "windowsVirtualKeyCode": code},
        )
        self.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": name, "windowsVirtualKeyCode": code})

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """A PNG of the page, or of what is in view."""
        picture = self.send("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(picture["data"]))

    def close(self) -> None:
        """End the browser."""
        try:
            self.send("Browser.close", session=None)
            self.process.wait(PATIENCE)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.read_end)
        os.close(self.write_end)
