"""modelscan and picklescan themselves, where `make peers` has installed them: tests that ask them skip otherwise."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PYTHON = Path(os.environ.get("PVMSCAN_PEERS", Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"))

MODELSCAN = """
import json, logging, sys
from modelscan.modelscan import ModelScan
print(json.dumps(ModelScan().scan(sys.argv[1])))
"""
PICKLESCAN = """
import json, os, sys
from picklescan.scanner import scan_directory_path, scan_file_path
scan = scan_directory_path if os.path.isdir(sys.argv[1]) else scan_file_path
found = scan(sys.argv[1], strict=len(sys.argv) > 2)
globals = sorted([one.module, one.name, one.safety.value] for one in found.globals)
print(json.dumps({**vars(found), "globals": globals}))
"""


def ask(program: str, *arguments: str | Path) -> dict[str, Any]:
    """What a peer says. It reads files as we do: nothing is loaded."""
    if not PYTHON.exists():
        pytest.skip(f"modelscan and picklescan are not at {PYTHON}: make peers")
    command = [str(PYTHON), "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
