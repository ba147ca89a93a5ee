"""Objects of the standard library and of a user's own classes, as Python itself pickles them: none is an alarm."""

from __future__ import annotations

import argparse
import array
import ast
import calendar
import collections
import configparser
import ctypes
import datetime
import decimal
import difflib
import email
import enum
import fractions
import functools
import http.cookies
import io
import ipaddress
import itertools
import logging
import operator
import os
import pathlib
import pickle
import random
import re
import statistics
import string
import subprocess
import textwrap
import types
import urllib.parse
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from pvmscan.report import Verdict
from pvmscan.scan import scan_bytes


class Callable_:
    """An object with methods whose names are Python's own."""

    def __call__(self) -> None: ...

    def __getitem__(self, key: object) -> object:
        return key


class Keywords:
    """Its `__new__` takes keywords, which older protocols pickle as a bound `partial` that is called."""

    value: int

    def __new__(cls, *, value: int = 0) -> Keywords:
        made = super().__new__(cls)
        made.value = value
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, int]]:
        return (), {"value": self.value}


class Colour(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


OBJECTS: dict[str, Callable[[], Any]] = {
    "keywords": lambda: Keywords(value=3),
    "bound operators": lambda: [
        Callable_().__call__,
        Callable_().__getitem__,
        {}.__getitem__,
        [].__len__,
        "".__eq__,
    ],
    "bound methods": lambda: [
        [].append,
        {}.get,
        "a".join,
        dict.fromkeys,
        bytes.fromhex,
        datetime.datetime.now,
    ],
    "callables": lambda: [
        operator.methodcaller("lower"),
        operator.attrgetter("a.b"),
        operator.itemgetter(1, 2),
        functools.partial(int, base=2),
        functools.partial("".join, ["a"]),
    ],
    "C numbers": lambda: [
        ctypes.c_double(2),
        ctypes.c_int(1),
        ctypes.c_bool(True),
        ctypes.c_char(b"a"),
        ctypes.c_size_t(3),
    ],
    "iterators": lambda: [
        zip([1], [2], strict=False),
        enumerate([1]),
        map(str, [1]),
        filter(None, [1]),
        reversed([1]),
        iter([1]),
        iter({}),
    ],
    "itertools": lambda: [
        itertools.count(3),
        itertools.repeat(1, 3),
        itertools.chain([1], [2]),
        itertools.cycle([1]),
    ],
    "enumerations": lambda: [Colour.RED, Access.READ | Access.WRITE, Colour, re.compile("a+", re.I)],
    "collections": lambda: [
        collections.Counter("ab"),
        collections.OrderedDict(a=1),
        collections.defaultdict(functools.partial(collections.defaultdict, int), {"a": 1}),
        collections.deque([1], 3),
        collections.ChainMap({}, {}),
        collections.UserDict(a=1),
        collections.UserString("x"),
    ],
    "numbers": lambda: [
        decimal.Decimal("1.5"),
        fractions.Fraction(1, 3),
        complex(1, 2),
        range(1, 10, 2),
        slice(1, 2),
    ],
    "times": lambda: [datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), datetime.timedelta(1)],
    "identifiers": lambda: [
        uuid.UUID(int=5),
        ipaddress.ip_network("127.0.0.0/8"),
        pathlib.PurePosixPath("/x"),
    ],
    "buffers": lambda: [io.BytesIO(b"abc"), io.StringIO("abc"), bytearray(b"x"), array.array("d", [1.0])],
    "errors": lambda: [
        OSError(2, "x", "f"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "r"),
        SystemExit(1),
        subprocess.CalledProcessError(1, ["ls"]),
    ],
    "types": lambda: [type(None), type(...), ..., NotImplemented, list[int], int | str],
    "syntax tree": lambda: ast.parse("x = f(1)"),
    "elements": lambda: ET.fromstring('<a b="c"><d/></a>'),
    "messages": lambda: [email.message_from_string("A: b\n\nhi"), http.cookies.SimpleCookie("a=b")],
    "logging": lambda: [logging.getLogger("a.b"), logging.LogRecord("n", 1, "p", 2, "m", (), None)],
    "random": lambda: random.Random(1),
    "tools": lambda: [
        argparse.Namespace(a=1),
        types.SimpleNamespace(a=1),
        calendar.TextCalendar(),
        configparser.ConfigParser(),
        difflib.SequenceMatcher(None, "abc", "abd"),
        statistics.NormalDist(1, 2),
        string.Template("$a"),
        textwrap.TextWrapper(),
        urllib.parse.urlparse("http://127.0.0.1/x?y"),
        os.stat("."),
    ],
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", OBJECTS)
def test_no_object_is_an_alarm(name: str, protocol: int) -> None:
    try:
        data = pickle.dumps(OBJECTS[name](), protocol)
    except (TypeError, pickle.PicklingError) as refused:
        pytest.skip(f"Python does not pickle that: {refused}")
    report = scan_bytes(data, name="objects.pkl").files[0]
    assert report.verdict <= Verdict.UNVERIFIED, [one.message for one in report.findings]
