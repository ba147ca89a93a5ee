"""The machine against the real unpicklers: imports, calls, arguments, look-ups, order, stopping point."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings

import mirror
import oracle
import programs
from corpus import CORPUS, rows

LOADER_FIELDS = {"c": "c_memory", "c-stream": "c_stream_nopeek", "python": "python"}


@pytest.fixture(autouse=True, scope="module")
def _bounded_memory() -> None:
    oracle.limit_memory(8)


@pytest.mark.parametrize("seed", range(10))
def test_generated_programs_behave_as_in_the_real_unpicklers(seed: int) -> None:
    """20,000 programs in three loaders, with few and with many edge-case arguments."""
    edge = 0.3 if seed % 2 else 0.06
    for program in islice(programs.stream(1000 + seed, edge=edge), 2000):
        for loader in oracle.LOADERS:
            assert mirror.difference(program, loader) is None


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs.programs())
def test_any_program_behaves_as_in_the_real_unpicklers(program: bytes) -> None:
    """The same law, with programs that shrink."""
    for loader in oracle.LOADERS:
        assert mirror.difference(program, loader) is None


def test_golden_cases_per_loader() -> None:
    """Recorded behaviour of the real unpicklers, of other interpreters than this one."""
    for row in rows("semantics"):
        data = (CORPUS / "semantics" / row["file"]).read_bytes()
        for loader, field in LOADER_FIELDS.items():
            recorded = row[field]
            ours = mirror.run(data, loader, (3, 11))
            assert (ours.outcome == "ok") == (recorded["outcome"] == "ok"), (row["file"], loader)
            assert ours.trace == recorded["trace"], (row["file"], loader)
            assert ours.stop == recorded["stop"], (row["file"], loader)
