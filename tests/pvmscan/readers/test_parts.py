"""Small parts are copied, large ones are not."""

from __future__ import annotations

import mmap
import tempfile

from pvmscan.readers.parts import COPIED, part


def test_only_large_parts_are_views() -> None:
    assert type(part(b"abc", 1, 2)) is bytes
    with tempfile.TemporaryFile() as file:
        file.truncate(COPIED + 2)
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        large = part(data, 1, COPIED + 2)
        assert not isinstance(large, bytes)
        assert len(large) == COPIED + 1
