"""Writes the compiled copy of the rule files: `python -m pvmscan.knowledge`, after editing one.

Without it the edited files are read as TOML, which is right and slow.
"""

from __future__ import annotations

from pathlib import Path

from pvmscan.knowledge.compiling import compiled
from pvmscan.knowledge.rulefiles import COMPILED, source

if __name__ == "__main__":
    target = Path(__file__).with_name(COMPILED)
    target.write_text(compiled(source), "utf-8")
    print(f"wrote {target}")
