"""Honest values with calls that matter between them, to pickle: what leaps are for. None of it is ever loaded."""

from __future__ import annotations

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
    """An object that pickles as a call. It is never loaded."""

    def __init__(self, callee: Any, *args: Any) -> None:
        self.callee = callee
        self.args = args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.callee, self.args


def program(rng: random.Random) -> bytes:
    """Honest values, with some calls that matter between them; what they get may be part of the honest values."""
    shared: list[Any] = [("pair", (1, 2)), ["list"], {"a": 1}, "text" * 3, os.system, honest.Plain()]
    values = [honest.value(rng, shared) for _ in range(rng.choice([3, 10, 40]))]
    for _ in range(rng.choice([1, 1, 2, 5])):
        callee = rng.choice(CALLEES)
        arg = rng.choice(["echo inert", b"", rng.choice(values), rng.choice(shared), [rng.choice(shared)]])
        call = Calling(callee, arg)
        values.insert(rng.randrange(len(values) + 1), rng.choice([call, [call], ("in", call), {"k": call}]))
        if rng.random() < 0.3:
            shared.append(call)
            values.append(honest.value(rng, shared))
    whole: Any = rng.choice([values, dict(enumerate(values)), tuple(values), [values, values[:2]]])
    data = pickle.dumps(whole, rng.choice([1, 2, 2, 3, 4, 4, 5]))
    if rng.random() < 0.8:
        for name in HOOKS:
            data = data.replace(name, name.upper())
    return data
