"""Honest values with calls that matter between them, to pickle: what leaps are for. None of it is ever loaded."""

from __future__ import annotations

import collections
import copyreg
import datetime
import functools
import importlib
import operator
import os
import pickle
import random
import subprocess
from typing import Any

import honest

CALLEES = (os.system, subprocess.Popen, pickle.loads, os.getcwd, bytearray)
HOOKS = (b"append", b"add", b"extend")
"""Names for which the skeletal pass leaves the whole pickle to the machine."""


class Calling:
    """An object that pickles as a call, and is called itself in others. It is never loaded."""

    def __init__(self, callee: Any, *args: Any, state: Any = None) -> None:
        self.callee = callee
        self.args = args
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        return (self.callee, self.args) if self.state is None else (self.callee, self.args, self.state)

    def __call__(self) -> None:
        """Only what can be called is pickled as a callee."""


def _module(rng: random.Random, name: str) -> Calling:
    return Calling(rng.choice([__import__, importlib.import_module]), name)


def _deciding(rng: random.Random, arg: Any, shared: list[Any]) -> Any:
    """A call, or several in each other, of callees that look at their arguments: what attackers write, and what honest
    files hold; `arg` is part of the honest values, or a text.
    """
    system = rng.choice([os.system, Calling(getattr, _module(rng, "os"), "system"), os.getcwd])
    made: Any = rng.choice([honest.Plain, collections.OrderedDict, _unknown])
    container = rng.choice([["fresh"], {"fresh": 1}, *shared[1:3]])
    match rng.randrange(26):
        case 0:
            return Calling(Calling(getattr, _module(rng, "os"), "system"), arg)
        case 1:
            return Calling(functools.partial(print, 1), arg)
        case 2:
            return Calling(Calling(functools.partial, system, "echo inert"))
        case 3:
            return Calling(functools.partial, system, arg, state=(system, (arg,), {}, None))
        case 4:
            return Calling(rng.choice([list, tuple, collections.OrderedDict]), Calling(map, system, [arg]))
        case 5:
            return Calling(operator.methodcaller("system", "echo inert"), _module(rng, "os"))
        case 6:
            return Calling(Calling(operator.attrgetter("system"), _module(rng, "os")), arg)
        case 7:
            return Calling(setattr, rng.choice([_module(rng, "collections"), honest.Plain, arg]), "x", arg)
        case 8:
            return Calling(operator.setitem, container, 0, arg)
        case 9:
            return Calling(Calling(getattr, container, "append"), arg)
        case 10:
            return Calling(functools.reduce, getattr, ["posix", "system"], _module(rng, "sys"))
        case 11 | 12 | 13:  # as members of enums are pickled
            return Calling(getattr, rng.choice([honest.Plain, datetime.timezone]), rng.choice(["RED", "utc"]))
        case 14:
            return container.append if isinstance(container, list) else container.get
        case 15:
            return Calling(rng.choice([operator.getitem, operator.contains]), arg, 0)
        case 16:
            return Calling(type, "Made", (), {"append": system, "x": arg})
        case 17:
            return Calling(Calling(type, "Made", (object,), {"__setstate__": system}), state={"x": arg})
        case 18:
            return Calling(Calling(getattr, _module(rng, "collections"), "OrderedDict"), arg)
        case 19:
            return Calling(functools.partial(made), arg)
        case 20:
            return Calling(Calling(operator.getitem, ("text", 2), 0), arg)
        case 21:
            wrapper = Calling(getattr, _module(rng, "joblib.numpy_pickle"), "NumpyArrayWrapper")
            return Calling(wrapper, state={"shape": (1,)})
        case 22:
            return Calling(copyreg.add_extension, "os", "system", 7)
        case 23:
            return Calling(Calling(made), arg)
        case 24:
            return Calling(operator.itemgetter(rng.choice([0, "a"])), arg)
        case _:
            return Calling(rng.choice([list, dict, bytes]), Calling(rng.choice([zip, enumerate, iter]), arg))


def _unknown(*args: Any) -> None:
    """A function of which nothing is known."""


def _around(call: Any) -> list[Any]:
    """A call as it stands in other values; many are keys."""
    around = [call, [call], ("in", call), {"k": call}]
    return [*around, {call: 1}] if isinstance(call, Calling) else around


def program(rng: random.Random) -> bytes:
    """Honest values, with some calls that matter between them; what they get may be part of the honest values."""
    shared: list[Any] = [("pair", (1, 2)), ["list"], {"a": 1}, "text" * 3, os.system, honest.Plain()]
    values = [honest.value(rng, shared) for _ in range(rng.choice([3, 10, 40]))]
    for _ in range(rng.choice([1, 1, 2, 5])):
        callee = rng.choice(CALLEES)
        arg = rng.choice(["echo inert", b"", rng.choice(values), rng.choice(shared), [rng.choice(shared)]])
        call = Calling(callee, arg) if rng.random() < 0.5 else _deciding(rng, arg, shared)
        values.insert(rng.randrange(len(values) + 1), rng.choice(_around(call)))
        if rng.random() < 0.3:
            shared.append(call)
            values.append(honest.value(rng, shared))
    whole: Any = rng.choice([values, dict(enumerate(values)), tuple(values), [values, values[:2]]])
    data = pickle.dumps(whole, rng.choice([1, 2, 2, 3, 4, 4, 5]))
    if rng.random() < 0.8:
        for name in HOOKS:
            data = data.replace(name, name.upper())
    return data
