"""One short handler per opcode, entered into `HANDLERS` under the opcode's code.

Where the real unpicklers differ, the handler asks the dialect, and the place is noted as a `Quirk` or ends in
a rejection: a run without either means the same to all of them. Sources: `_pickle.c` and `pickle.py` of
CPython 3.8 to 3.13.
"""

from __future__ import annotations

from pvm.handlers import constants, containers, control, objects
from pvm.handlers.table import HANDLERS, Handler

__all__ = ["HANDLERS", "Handler", "constants", "containers", "control", "objects"]
