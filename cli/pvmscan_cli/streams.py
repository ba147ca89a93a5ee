"""The pickles of a file, for the verbs that look inside."""

from __future__ import annotations

from collections.abc import Iterator

import pvmscan
from pvm.hints import TYPE_CHECKING
from pvm.records import NamedTuple
from pvmscan.formats._safe import safe
from pvmscan_cli.common import check_there, shown
from pvmscan_cli.failures import Nothing, wrong_value

if TYPE_CHECKING:
    from pvm import Trace
    from pvm.decode import Data


class Stream(NamedTuple):
    """One pickle of a file, run."""

    number: int
    """Counted from 1."""
    member: str | None
    offset: int
    data: Data
    trace: Trace

    @property
    def title(self) -> str:
        """Where it is."""
        member = f" in {safe(self.member)}" if self.member is not None else ""
        return f"pickle {self.number} at {self.offset} (0x{self.offset:x}){member}"


def open_streams(path: str, number: int | None = None) -> Iterator[Stream]:
    """The pickles of a file or an address, or one of them. One without any is said to have none, with exit code 3."""
    check_there(path)
    name, count = shown(path), 0
    try:
        for count, found in enumerate(pvmscan.streams(path), 1):
            if number is None or number == count:
                yield Stream(count, found.member, found.offset, found.data, found.traces[0])
    except OSError as error:
        raise Nothing(f"{name} cannot be read: {error.strerror or error}") from None
    if count == 0:
        raise Nothing(f"no pickle found in {name}")
    if number is not None and number > count:
        raise wrong_value(f"{safe(name)} has {count} pickles.", "--stream")
