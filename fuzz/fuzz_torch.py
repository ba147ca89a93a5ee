"""Invariant: whatever damages a PyTorch file, a scan of it ends with a report, and while the payload of a crafted one
would still run the report is not clean.

    python fuzz/fuzz_torch.py --inputs 20000 --seed 1
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "analyzers", "cli", "tests")]

import fuzzloop  # noqa: E402

if __name__ == "__main__":
    sys.exit(fuzzloop.damage(__doc__, (".pt", ".pt2", ".mar", ".ckpt", ".distcp", ".metadata")))
