"""pvm: the abstract pickle machine. It runs the program of a pickle without executing anything.

    import pvm
    trace = pvm.run(data, dialect="c")
    for event in trace.events: ...

The machine has no dependency and no opinion; `pvm.graph` alone needs networkx.
"""

from __future__ import annotations
