"""Would `torch.load(path, weights_only=True)` take a file, and what would it refuse?

PyTorch's restricted unpickler knows 34 opcodes and a list of globals, calls only what is on the list, gives states to a
few types, appends to lists, sets items of dictionaries, and takes persistent ids of storages alone (PyTorch 2.13,
`torch/_weights_only_unpickler.py`). Its rules are checked while the machine runs the pickle, on the types that the
program itself makes; what a listed function does with its arguments is not. `readers/data/weights_only.json` holds
the lists. Names that an application adds with `torch.serialization.add_safe_globals` are not known here.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import pvm
from pvm.hints import Any
from pvm.opcodes import BY_CODE
from pvm.state import State
from pvm.trace import Import, Trace
from pvm.values import Call, Container, Global, Persistent, Value, reveal
from pvmscan.readers import torchmagic, zipdir
from pvmscan.readers.base import Buffer
from pvmscan.readers.data import table, words

_LIMIT = 1 << 30
_RECEIVERS = {
    "APPEND": frozenset({"list"}),
    "APPENDS": frozenset({"list"}),
    "SETITEM": frozenset({"dict", "collections.OrderedDict", "collections.Counter"}),
    "SETITEMS": frozenset({"dict", "collections.OrderedDict", "collections.Counter"}),
}
_PROTOCOL = 1001
"""Second pickle of the format before 1.6."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why the restricted unpickler would stop."""

    reason: str
    member: str | None = None
    offset: int | None = None
    """In bytes from the start of the member."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"reason": self.reason, "member": self.member, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class WeightsOnly:
    """What `torch.load(weights_only=True)` would make of a file."""

    applies: bool
    """It is a file that `torch.load` unpickles at all; if not, `refusals` says why."""
    refusals: tuple[Refusal, ...] = ()
    """In the order of the file; the loader stops at the first."""
    globals: tuple[str, ...] = ()
    """Globals that it would refuse, each once: `torch.serialization.add_safe_globals` would have to name them."""

    @property
    def accepts(self) -> bool:
        """The loader would read it to its end."""
        return self.applies and not self.refusals

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "applies": self.applies,
            "accepts": self.accepts,
            "globals": list(self.globals),
            "refusals": [one.to_dict() for one in self.refusals],
        }


def check(path: str | os.PathLike[str]) -> WeightsOnly:
    """Ask for a file. Raises `OSError` if it cannot be read, and nothing for what it contains."""
    with open(path, "rb") as file:
        empty = os.fstat(file.fileno()).st_size == 0
        return check_bytes(b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def check_bytes(data: Buffer) -> WeightsOnly:
    """Ask for the content of a file."""
    if not data:
        return WeightsOnly(False, (Refusal("the file is empty"),))
    return _check_zip(data) if data[:4] == b"PK\x03\x04" else _check_legacy(data)


def check_pickle(data: Buffer, start: int = 0, member: str | None = None) -> WeightsOnly:
    """Ask for one pickle, wherever it comes from."""
    watcher, _ = _watch(data, start, member)
    return watcher.verdict()


def _check_zip(data: Buffer) -> WeightsOnly:
    directory = zipdir.read_directory(data)
    names = [(member, name) for member in directory.members for name in (member.name, *member.aliases)]
    if any(name.endswith("/constants.pkl") and name.count("/") == 1 for _, name in names):
        return WeightsOnly(
            True, (Refusal("a TorchScript archive: torch.jit.load reads it, without this restriction"),)
        )
    # the reader compares names without regard to ASCII case, and which of several copies it takes is not plain
    found = [(member, name) for member, name in names if name.split("\0")[0].lower().endswith("/data.pkl")]
    pickles = [(member, name) for member, name in found if name.count("/") == 1] or found
    if not pickles:
        return WeightsOnly(False, (Refusal("a zip archive without data.pkl"),))
    verdicts = []
    for member, name in pickles:
        content = zipdir.member_bytes(data, member, limit=_LIMIT)
        if not content.complete:
            verdicts.append(WeightsOnly(True, (Refusal(f"{name}: {content.reason}", name, 0),)))
            continue
        verdicts.append(check_pickle(content.data, 0, name))
    return _together(verdicts)


def _check_legacy(data: Buffer) -> WeightsOnly:
    """Five pickles in a row, each read by the restricted unpickler."""
    at: int | None = 0
    verdicts: list[WeightsOnly] = []
    for number in range(torchmagic.PICKLES):
        if at is None or at >= len(data):
            break
        watcher, trace = _watch(data, at, None)
        verdicts.append(watcher.verdict())
        if number == 0 and trace.result != torchmagic.MAGIC:
            return WeightsOnly(
                False,
                (Refusal("not a file of torch.save: neither a zip archive nor its magic number", None, 0),),
            )
        if number == 1 and trace.complete and trace.result != _PROTOCOL:
            verdicts.append(WeightsOnly(True, (Refusal(f"a protocol other than {_PROTOCOL}", None, at),)))
        at = trace.resume
    if len(verdicts) < torchmagic.PICKLES and not any(one.refusals for one in verdicts):
        verdicts.append(
            WeightsOnly(True, (Refusal("the file ends before its five pickles do", None, len(data)),))
        )
    return _together(verdicts)


def _together(verdicts: list[WeightsOnly]) -> WeightsOnly:
    return WeightsOnly(
        True,
        tuple(refusal for one in verdicts for refusal in one.refusals),
        tuple(dict.fromkeys(name for one in verdicts for name in one.globals)),
    )


def _watch(data: Buffer, start: int, member: str | None) -> tuple[_Watcher, Trace]:
    watcher = _Watcher(member)
    # it is written in Python and knows no frames, which the opcodes it refuses would begin
    trace = pvm.run(data, "python", start=start, encoding="bytes", observer=watcher)
    if trace.fault is not None:
        watcher.refuse(trace.fault.offset, trace.fault.reason)
    return watcher, trace


@cache
def _allowed() -> frozenset[str]:
    """Paths of all globals on the list."""
    content = table("weights_only")
    listed = {
        f"{module}.{name}"
        for module, lines in content["globals"].items()
        for line in lines
        for name in line.split()
    }
    return frozenset(listed) | words("weights_only", "added")


@dataclass(slots=True)
class _Watcher:
    """Looks at the state after each instruction."""

    member: str | None
    refusals: list[Refusal] = field(default_factory=list)
    globals: dict[str, None] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    """Path of each global by identity, as the restricted unpickler spells it."""
    opcodes: set[str] = field(default_factory=set)
    """Opcodes that were refused."""

    def verdict(self) -> WeightsOnly:
        """What has been found."""
        return WeightsOnly(True, tuple(self.refusals), tuple(self.globals))

    def refuse(self, offset: int, reason: str) -> None:
        """Note a reason."""
        self.refusals.append(Refusal(reason, self.member, offset))

    def __call__(self, state: State) -> None:
        """Check the instruction that has just run."""
        name = BY_CODE[state.data[state.offset]].name
        if name not in words("weights_only", "opcodes"):
            if name not in self.opcodes:
                self.opcodes.add(name)
                self.refuse(state.offset, f"the opcode {name} is not supported")
            if name not in ("STACK_GLOBAL", "INST"):
                return
        for reason in self._reasons(name, state):
            self.refuse(state.offset, reason)

    def _reasons(self, name: str, state: State) -> Iterator[str]:
        match name:
            case "GLOBAL" | "STACK_GLOBAL" | "INST":
                yield from self._import(state)
            case "REDUCE" | "NEWOBJ" if isinstance(call := state.stack[-1], Call):
                if self._path(call.callee) is None:
                    yield f"{name} of something that is no global of the list"
            case "BUILD":
                kind = self._type(state.stack[-1])
                if kind not in _allowed():
                    yield f"BUILD of {_article(kind)}"
            case "BINPERSID":
                yield from _persistent(state.stack[-1])
            case _ if name in _RECEIVERS:
                kind = self._type(state.stack[-1])
                if kind not in _RECEIVERS[name]:
                    yield f"{name} to {_article(kind)}"
            case _:
                pass

    def _import(self, state: State) -> Iterator[str]:
        event = next((one for one in reversed(state.trace.events) if isinstance(one, Import)), None)
        if event is None:
            return
        path = _renamed(event.module, event.name)
        blocked = path.rpartition(".")[0] in words("weights_only", "blocked_modules")
        if path in _allowed() and not blocked:
            self.paths[id(reveal(event.value))] = path
        elif path not in self.globals:
            self.globals[path] = None
            yield f"the global {path} is {'blocked' if blocked else 'not allowed by default'}"

    def _path(self, value: Value) -> str | None:
        """Path of a global on the list; None for anything else."""
        return self.paths.get(id(reveal(value)))

    def _type(self, value: Value) -> str | None:
        """Type of a value, by its path: that of a listed function's result is in the table."""
        if isinstance(value, Call):
            path = self._path(value.callee)
            if path is None:
                return None
            content = table("weights_only")
            index = content["class_arguments"].get(path)
            if index is not None:
                return self._path(value.args[index]) if index < len(value.args) else None
            result: str = content["results"].get(path, path)
            return result
        if isinstance(value, Container):
            return value.kind
        if isinstance(value, Global):
            return "type"
        return type(value).__name__.lower()


def _persistent(value: Value) -> Iterator[str]:
    pid = reveal(value.pid) if isinstance(value, Persistent) else None
    if isinstance(pid, tuple):
        kind = reveal(pid[0]) if pid else None
        if pid and kind not in ("storage", b"storage"):
            yield f"a persistent id of another kind than storage: {kind!r}"
    elif not isinstance(pid, int):
        yield "a persistent id that is neither a tuple nor a number"


def _renamed(module: str, name: str) -> str:
    """The path as PyTorch spells it: names of Python 2 are renamed, whatever the protocol."""
    content = table("weights_only")
    path = content["renamed_globals"].get(f"{module}.{name}")
    return str(path) if path is not None else f"{content['renamed_modules'].get(module, module)}.{name}"


def _article(kind: str | None) -> str:
    return "an object of a type that cannot be told" if kind is None else f"a {kind}"
