"""Paths that stay in their folder, and paths that do not."""

from __future__ import annotations

import pytest

from pvmscan.readers.paths import leaves_folder


@pytest.mark.parametrize(
    "path", ["..", "../x", "a/../../x", "/x", "\\x", "..\\x", "C:\\x", "c:x", "a/b/../../../x"]
)
def test_paths_that_leave(path: str) -> None:
    assert leaves_folder(path)


@pytest.mark.parametrize(
    "path", ["", "x", "./x", "a/../x", "a//b", "..x", "a/..b/c", "x..", "model.onnx.data"]
)
def test_paths_that_stay(path: str) -> None:
    assert leaves_folder(path) is None
