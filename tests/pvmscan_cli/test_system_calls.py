"""The command line, seen from outside: under strace it starts nothing but its own worker, connects to nothing, and
opens for writing nothing but its report.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import assemble as asm
from corpus import CORPUS

ROOT = Path(__file__).parents[2]
WATCHED = (
    "execve,execveat,socket,connect,bind,openat,open,creat,openat2,unlink,unlinkat,rename,renameat,renameat2,mkdir,"
    "mkdirat,rmdir,link,linkat,symlink,symlinkat,truncate,chmod,fchmodat,chown,fchownat,ptrace,mount,kill"
)
WORKER = "from pvmscan.isolation import serve"
PREPARING = ('["uname", "-p"]', '["/sbin/ldconfig", "-p"]')
"""What importing h5py, and looking for libseccomp, run in the worker, before it is confined and sees the file."""
WRITING = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)")
NAMED = "/tmp/pvmscan-inert-named"


@cache
def reason_to_skip() -> str:
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "strace may not trace here"


def calls(paths: list[Path], folder: Path) -> list[str]:
    """Lines of the trace of one scan that succeeded in doing something."""
    if reason_to_skip():
        pytest.skip(reason_to_skip())
    log, report = folder / "calls.log", folder / "report.json"
    floors = os.pathsep.join(str(ROOT / floor) for floor in ("pvm", "analyzers", "cli"))
    scan = [sys.executable, "-m", "pvmscan_cli.main", "scan", "--no-config", "-f", "json", "-o", str(report)]
    trace = [
        "strace",
        "-f",
        "-qq",
        "-s",
        "4096",
        "-e",
        f"trace={WATCHED}",
        "-e",
        "signal=none",
        "-o",
        str(log),
    ]
    environment = {**os.environ, "PYTHONPATH": floors, "PYTHONDONTWRITEBYTECODE": "1", "PVM_PURE": "1"}
    done = subprocess.run(
        [*trace, *scan, *map(str, paths)], env=environment, capture_output=True, check=False, timeout=500
    )
    assert done.returncode == 1, done.stderr
    assert report.stat().st_size > 100
    return log.read_text("utf-8", "replace").splitlines()


def check(paths: list[Path], folder: Path) -> None:
    allowed = {str(folder / "report.json"), os.devnull}
    started = 0
    for line in calls(paths, folder):
        call = line.partition(" ")[2].lstrip()
        name, _, rest = call.partition("(")
        if name in ("open", "openat", "openat2", "creat"):
            named = re.search(r'"((?:[^"\\]|\\.)*)"', rest)
            assert named is not None, line
            assert NAMED not in named[1], line
            assert not WRITING.search(rest) or named[1] in allowed, line
        elif name in ("execve", "execveat"):
            preparing = any(command in line for command in PREPARING)
            started += not preparing
            assert started == 1 or WORKER in line or preparing, line
        elif name == "kill":
            assert "SIGKILL" in line or "SIGTERM" in line, line  # the worker is dismissed
        else:
            # of a process that died at the beginning of a call strace cannot tell which one it was
            assert call.startswith(("+++", "---", "<... ", "???(")), line
    assert started >= 1


def crafted(folder: Path) -> list[Path]:
    """Files that name a file, a program, and an address; and one for the worker."""
    opened = asm.call(asm.at("builtins.open"), asm.text(NAMED), asm.text("w"))
    connected = asm.call(
        asm.at("socket.create_connection"), asm.tuple_of(asm.text("127.0.0.1"), asm.number(9))
    )
    samples = {
        "run.pkl": asm.malicious(),
        "open.pkl": asm.program(4, opened),
        "connect.pkl": asm.program(4, connected),
        "loads.pkl": asm.nested(asm.program(4, opened)),
        "npy.npy": asm.npy(asm.program(4, opened)),
    }
    paths = []
    for name, data in samples.items():
        paths.append(folder / name)
        paths[-1].write_bytes(data)
    return [*paths, ROOT / "tests" / "cases" / "keras" / "lambda_honest.h5"]


def test_crafted_files_make_no_system_call(tmp_path: Path) -> None:
    check(crafted(tmp_path), tmp_path)


def test_the_corpus_makes_no_system_call(tmp_path: Path) -> None:
    folders = [CORPUS / "malicious", CORPUS / "formats"]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip(f"the development corpus is not at {CORPUS}")
    check(folders, tmp_path)


def test_the_watch_would_notice(tmp_path: Path) -> None:
    """A process that does what the crafted files name is seen doing it."""
    if reason_to_skip():
        pytest.skip(reason_to_skip())
    log = tmp_path / "calls.log"
    program = f"import subprocess; open({str(tmp_path / 'made')!r}, 'w'); subprocess.run(['true'])"
    trace = ["strace", "-f", "-qq", "-e", f"trace={WATCHED}", "-o", str(log), sys.executable, "-c", program]
    subprocess.run(trace, check=True, capture_output=True)
    text = log.read_text("utf-8", "replace")
    assert re.search(r'made", O_WRONLY', text)
    assert text.count("execve(") >= 2
