"""What readers say alike: names that are called, pickles in disguise."""

from __future__ import annotations

import assemble as asm
from pvmscan import Verdict
from pvmscan.readers.base import Source
from pvmscan.readers.evidence import is_pickle_too, named


def test_names() -> None:
    source = Source(b"", "x", "m.json")
    sink = named("os.system", "It names", source, 7)
    assert sink is not None
    assert (sink.verdict, sink.effect, sink.member, sink.offset) == (
        Verdict.DANGEROUS,
        "command",
        "m.json",
        7,
    )
    reader = named("builtins.getattr", "It names", source)
    assert reader is None or reader.verdict <= Verdict.SUSPICIOUS
    unknown = named("mypkg.Net", "It names", source)
    assert unknown is not None
    assert unknown.verdict is Verdict.UNVERIFIED
    assert named("mypkg.Net", "It names", source, trusted=("mypkg.",)) is None
    assert named("collections.OrderedDict", "It names", source) is None
    assert named("os.system", "It names", source, trusted=("os.",)) is not None
    assert named("nemo.collections.Net", "It names", source, trusted=("nemo.",)) is None
    for path in ("posix.system", "nemo.utils.os.system"):
        by_another_way = named(path, "It names", source, trusted=("nemo.",))
        assert by_another_way is not None
        assert by_another_way.verdict is Verdict.DANGEROUS


def test_pickles_in_disguise() -> None:
    assert is_pickle_too(asm.malicious(0))
    assert is_pickle_too(asm.honest())
    assert not is_pickle_too(b"GGUF" + bytes(100))
    assert not is_pickle_too(b"")
