"""Starts one command and says what it cost: `launch.py COMMAND...` prints wall, user, system, peak and status.

Seconds and KiB, on the last line of standard output. A process of its own, and a small one, because Linux counts
the memory of the parent at the time of the start into the child's peak.
"""

import os
import sys
import time


def main() -> None:
    """The command's own output goes to standard error."""
    before = time.perf_counter()
    redirect = [(os.POSIX_SPAWN_DUP2, 2, 1)]
    child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=redirect)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - before
    peak = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    print(wall, usage.ru_utime, usage.ru_stime, peak, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
