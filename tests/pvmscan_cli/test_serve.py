"""`pvmscan serve`: what it says, and what it refuses before it listens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pvmscan_cli.main import cli
from services import Client

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
ROOT = Path(__file__).parents[2]
FLOORS = os.pathsep.join(str(ROOT / part) for part in ("pvm", "analyzers", "cli"))


def test_it_listens_where_it_says_and_ends_by_a_signal(tmp_path: Path) -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "pvmscan_cli.main",
        "serve",
        "--port",
        str(port),
        "--scans",
        "1",
        "--no-config",
    ]
    environment = {**os.environ, "PYTHONPATH": FLOORS}
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == (
                f"pvmscan: listening on http://127.0.0.1:{port}; may fetch nothing\n"
            )
            assert _health(Client(port))["status"] == "ok"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, -signal.SIGTERM)


def _health(client: Client) -> dict[str, str]:
    import time

    for _ in range(600):
        try:
            answer: dict[str, str] = client.ask("GET", "/healthz").json
            return answer
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--allow", "file:///models"], "never fetched"), (["--allow", "models"], "cannot be allowed"),
     (["--port", "70000"], "70000"), (["--config", "none.toml"], "none.toml")],
)  # fmt: skip
def test_what_cannot_be_is_refused(arguments: list[str], reason: str) -> None:
    result = CliRunner().invoke(cli, ["serve", *arguments])
    assert result.exit_code == 4
    assert reason in re.sub(r"\s+", " ", result.output)


def test_without_its_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(cli, ["serve", "--no-config"])
    assert result.exit_code == 4 and "pvmscan[serve]" in result.output
