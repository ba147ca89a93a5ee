"""Writes the compiled copy of the rule files: `python -m pvmscan.knowledge`, after editing one.

Without it the edited file is read as TOML, which is right and slow.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from pvmscan.knowledge.rulefiles import COMPILED, FILES, parse, source


def compiled() -> str:
    """Text of the compiled copy."""
    copies = {}
    for name in FILES:
        text = source(name)
        copies[name] = {"checksum": zlib.crc32(text), "tables": parse(name, text)}
    return json.dumps(copies, separators=(",", ":"), sort_keys=True) + "\n"


if __name__ == "__main__":
    target = Path(__file__).with_name(COMPILED)
    target.write_text(compiled(), "utf-8")
    print(f"wrote {target}")
