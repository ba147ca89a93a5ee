"""What the unpicklers of the Python that runs this do with programs: hex lines in, JSON lines out.

For `fuzz_oracle.py --python`. It needs nothing but the oracle, so that Pythons which are too old for the machine can
be asked: 3.8 and later. The first line is the version; then one line for each program, with one result for each
loader, as the fields of `oracle.Result`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import oracle


def main() -> None:
    """Until the input ends."""
    print(json.dumps(list(sys.version_info[:3])))
    for line in sys.stdin:
        program = bytes.fromhex(line.strip())
        print(json.dumps([oracle.run(program, loader) for loader in oracle.LOADERS]))


if __name__ == "__main__":
    main()
