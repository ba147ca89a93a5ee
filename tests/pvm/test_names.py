"""Names: the Python 2 tables, aliases, dotted names."""

from __future__ import annotations

import _compat_pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvm.names import canonical, fix_import, resolve


def test_python_2_names_are_those_of_the_interpreter() -> None:
    """Later versions drop single modules; none changes its meaning."""
    for (module, name), expected in _compat_pickle.NAME_MAPPING.items():
        assert fix_import(module, name) == expected
    for module, renamed in _compat_pickle.IMPORT_MAPPING.items():
        assert fix_import(module, "some_name") == (renamed, "some_name")


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("os", "system", "os.system"),
        ("posix", "system", "os.system"),
        ("nt", "system", "os.system"),
        ("ntpath", "os.system", "os.system"),
        ("os.path", "os.system", "os.system"),
        ("pathlib", "os.system", "os.system"),
        ("torch.library", "torch.os.popen", "os.popen"),
        ("six.moves.builtins", "eval", "builtins.eval"),
        ("builtins", "len.__self__.eval", "builtins.eval"),
        ("shutil", "rmtree.__globals__", "shutil.__dict__"),
        ("datetime", "datetime", "datetime.datetime"),
        ("numpy", "array", "numpy.array"),
        ("new", "code", "new.code"),
        (
            "joblib.externals.cloudpickle.cloudpickle",
            "_make_function",
            "cloudpickle.cloudpickle._make_function",
        ),
        ("numba.cloudpickle.cloudpickle_fast", "loads", "cloudpickle.cloudpickle_fast.loads"),
        ("collections", "OrderedDict.fromkeys", "collections.OrderedDict.fromkeys"),
    ],
)
def test_spellings_of_one_object(module: str, name: str, expected: str) -> None:
    assert ".".join(filter(None, canonical(module, name))) == expected


@given(st.text(max_size=30), st.text(max_size=60), st.integers(0, 5))
def test_any_name_resolves_to_something(module: str, name: str, protocol: int) -> None:
    resolved = resolve(module, name, protocol)
    assert len(resolved) == 2 and all(isinstance(part, str) for part in resolved)


@given(
    st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,3}", fullmatch=True),
    st.from_regex(r"[A-Z]\w{0,9}", fullmatch=True),
)
def test_canonical_names_stay_as_they_are(module: str, name: str) -> None:
    once = canonical(module, name)
    assert canonical(*once) == once
