"""Names for annotations: those of `typing`, without importing it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import typing
from pathlib import Path

from pvm import hints
from pvm.hints import Generic, Literal, Protocol, TypeAlias, TypeVar, cast

T = TypeVar("T", bound="int")
Either: TypeAlias = Literal["a", "b"] | int


class Speaks(Protocol):
    """Is inherited from."""

    def speak(self) -> str:
        """Says something."""


class Box(Generic[T]):
    """Is subscribed."""

    def __init__(self, content: T) -> None:
        self.content = content


class Dog:
    """Speaks."""

    def speak(self) -> str:
        """Says something."""
        return "wow"


def test_they_can_be_called_subscribed_and_inherited_from() -> None:
    dog: Speaks = Dog()
    either: Either = "a"
    assert dog.speak() == "wow" and Box[int](3).content == 3
    something: object = dog
    assert cast(Dog, something) is dog and either == "a"


def test_each_name_that_type_checkers_see_is_there() -> None:
    tree = ast.parse(Path(str(hints.__file__)).read_text("utf-8"))
    names = [one.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "typing"
             for one in node.names]  # fmt: skip
    assert len(names) > 9
    assert all(hasattr(typing, name) and hasattr(hints, name) for name in names)


def test_the_machine_does_not_import_typing() -> None:
    code = "import sys, pvm, pvm.skeleton, pvm.machine, pvm.interpreter; print('typing' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, env=environment, check=True
    )
    assert done.stdout.strip() == b"False"
