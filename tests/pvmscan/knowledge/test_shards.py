"""Shards: what is packed is read again, block by block."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan.knowledge.shards import BLOCK, Library, Shard, ShardError, pack

NAMES = st.text("ab._", min_size=1, max_size=6)
RECORDS = st.dictionaries(st.sampled_from(["h", "u", "i"]), st.text(max_size=5))


@given(st.dictionaries(NAMES, RECORDS, max_size=20))
def test_what_is_packed_is_read_again(modules: dict[str, dict[str, str]]) -> None:
    shard = Shard(pack({"package": "p"}, modules), "p")
    assert shard.modules() == modules
    assert all(shard.module(name) == record for name, record in modules.items())
    assert shard.module("zz.no") is None and shard.module("") == modules.get("")


def test_large_shards_have_blocks_that_are_read_alone() -> None:
    modules = {f"m{number:03}": {"h": "x" * (BLOCK // 3)} for number in range(20)}
    shard = Shard(pack({"package": "p"}, modules), "p")
    assert len(shard.header["blocks"]) > 4
    assert shard.module("m010") == modules["m010"]
    assert len(shard._blocks) == 1


def test_the_order_of_modules_does_not_change_the_bytes() -> None:
    modules = {"b": {"h": "x"}, "a": {"h": "y"}}
    assert pack({}, modules) == pack({}, dict(sorted(modules.items())))


@pytest.mark.parametrize("data", [b"", b"PVMSCAN0....", b"PVMSCAN2\0\0\0\x05hello"])
def test_damaged_shards_say_what_to_do(data: bytes) -> None:
    with pytest.raises(ShardError, match="build it again"):
        Shard(data, "x")


def test_a_library_without_a_database_knows_nothing(tmp_path: Path) -> None:
    empty = Library(str(tmp_path))
    assert empty.module("os") is None
    assert empty.provenance() == "none (0 packages)"


def test_a_library_asks_only_the_shards_that_it_may(tmp_path: Path) -> None:
    (tmp_path / "p.pvmk").write_bytes(pack({"package": "p"}, {"m": {"h": "f"}}))
    index = {"digest": "0", "packages": {"p": ["1"]}, "tops": {"m": "p"}}
    (tmp_path / "index.json").write_text(json.dumps(index), "utf-8")
    assert Library(str(tmp_path)).module("m") == {"h": "f"}
    assert Library(str(tmp_path), frozenset({"python"})).module("m") is None
