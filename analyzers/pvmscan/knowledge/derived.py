"""The judgement of derived summaries with the values that the machine found.

A summary says which input reaches what. Whether that matters depends on what the file gives: a number where a command
is wanted reaches nothing, an input that is left out neither. Danger needs an input that the file controls and that
can be text; harmlessness needs that nothing unknown gets anything that the file controls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pvm import regex
from pvm.hints import Any
from pvm.paths import path_of
from pvm.records import NamedTuple
from pvm.values import (
    Attribute,
    Blob,
    Buffer,
    Call,
    Container,
    Global,
    Persistent,
    Unknown,
    Unset,
    Value,
    reveal,
)
from pvm.world import OUTSIDE
from pvmscan.knowledge.summary import DANGEROUS, MAX_REMEMBERED, ClassSummary, Effect, Summaries, Summary

SUSPICIOUS = ("import", "read")
NAMED = ("exec", "proc", "native", "deser")
"""Categories that are worth a word even if a callable is only carried."""
OPEN = frozenset(("opaque", "dispatch", "reflect", "kill", "setattr", "compile", *DANGEROUS, *SUSPICIOUS))
"""Categories that forbid to call a callable harmless."""
MAX_PARTS = 2000
"""Parts of a value that are looked at..."""
MAX_ITEMS = 20_000
"""...and items of containers that are looked through for them: numbers are no parts."""
PROTOCOL = (
    "__new__ __init__ __post_init__ __attrs_post_init__ "
    "__setstate__ __setitem__ append extend add __hash__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ "
    "__getattr__ __getattribute__ __setattr__ __delattr__ __del__ __call__ __len__ __iter__ __next__ __contains__ "
    "__getitem__ __bool__ __index__ __int__ __float__ __complex__ __add__ __radd__ __iadd__ __sub__ __mul__ __rmul__ "
    "__matmul__ __truediv__ __floordiv__ __mod__ __pow__ __neg__ __pos__ __abs__ __invert__ __and__ __or__ __xor__ "
    "__lshift__ __rshift__ __array__ __fspath__ __bytes__ __get__ __set__ __set_name__ __instancecheck__ "
    "__subclasscheck__ __class_getitem__ __init_subclass__ __missing__ __reversed__ __length_hint__ __prepare__ "
    "items keys values get pop update copy clear insert remove join split strip encode decode format replace find"
).split()
"""Methods that opcodes, operators and plain functions call without naming them."""
RUN_BY_OPCODES = PROTOCOL[: PROTOCOL.index("__len__")]
"""Those that opcodes run by themselves."""


class Reached(NamedTuple):
    """An effect that a call has, and the callable it starts from."""

    effect: Effect
    summary: Summary


class Answer(NamedTuple):
    """What the derived summaries say of a call."""

    harmless: bool
    reached: tuple[Reached, ...] = ()
    """Dangerous and suspicious effects, the worst and shortest first."""
    risky: bool = False
    """Without a call: some arguments, or some state, reach something dangerous."""


def answer(summaries: Summaries, path: str, call: Call | None) -> Answer | None:
    """What the callable under a path does with the arguments of a call; None if nothing is known."""
    found = summaries.find(path)
    if found is None:
        return None
    if call is None:
        known = summaries.answers.get(found.path)
        if known is None:
            if len(summaries.answers) > MAX_REMEMBERED:
                summaries.answers.clear()
            known = summaries.answers[found.path] = _any_arguments(summaries, found)
        return known
    if isinstance(found, ClassSummary):
        return _made(summaries, found, call)
    return _called(summaries, found, call)


# With any arguments ---------------------------------------------------------------------------------------


def _any_arguments(summaries: Summaries, found: Summary | ClassSummary) -> Answer:
    if isinstance(found, ClassSummary):
        return Answer(is_plain_class(summaries, found), risky=_is_risky_class(summaries, found))
    harmless = not any(effect.kind in OPEN for effect in found.effects)
    reached = [Reached(one, found) for one in found.effects if one.kind in NAMED and one.origin]
    risky = any(one.origin and one.kind in (*DANGEROUS, "dispatch") for one in found.effects)
    return Answer(harmless, _ranked(reached), risky)


def _is_risky_class(summaries: Summaries, cls: ClassSummary) -> bool:
    methods = [method for name in RUN_BY_OPCODES if (method := summaries.member(cls, name)) is not None]
    return any(one.kind in DANGEROUS and one.origin for method in methods for one in method.effects)


_KNOWN_BASES = regex.later(
    r"builtins\.(object|dict|list|tuple|set|frozenset|str|bytes|int|float|complex|\w*Error|\w*Exception|\w*Warning)"
    r"|typing\.(Generic|Protocol|NamedTuple).*|abc\.ABC|collections\.(OrderedDict|defaultdict|deque|namedtuple.*)"
    r"|_collections\.\w+|enum\.\w+|torch\.nn\.\w*Module|_random\.Random|_thread\._local|_io\.(BytesIO|StringIO)"
)


def _is_known_kind(summaries: Summaries, cls: ClassSummary) -> bool:
    """Are all base classes known, and is the class made in the ordinary way?"""
    if any(not _KNOWN_BASES.fullmatch(base) for base in summaries.unknown_bases(cls)):
        return False
    plain = ("", "enum.EnumMeta", "enum.EnumType", "abc.ABCMeta")
    return all(one.metaclass in plain for one in summaries.order(cls))


def is_plain_class(summaries: Summaries, cls: ClassSummary) -> bool:
    """Is everything harmless that opcodes and operators do with the class and its instances?"""
    if not _is_known_kind(summaries, cls):
        return False
    for name in PROTOCOL:
        method = summaries.member(cls, name)
        if method is not None and any(effect.kind in OPEN for effect in method.effects):
            return False
    return True


# With the arguments of a call ------------------------------------------------------------------------------


_AFTER_INIT = ("__post_init__", "__attrs_post_init__")
"""Methods that generated constructors call when they have kept their arguments."""


def _made(summaries: Summaries, cls: ClassSummary, call: Call) -> Answer:
    names = ("__new__",) if call.mode == "new" else ("__new__", "__init__", *_AFTER_INIT)
    harmless = _is_known_kind(summaries, cls)
    reached: list[Reached] = []
    for name in names:
        method = summaries.member(cls, name)
        if method is None:
            continue
        own = call if name in _AFTER_INIT else None
        inner = _judge(summaries, method, _Arguments(method, call, shift=1, own=own))
        harmless = harmless and inner.harmless
        reached.extend(inner.reached)
    return Answer(harmless, _ranked(reached))


def _called(summaries: Summaries, found: Summary, call: Call) -> Answer:
    callee = reveal(call.callee)
    own: Value = None
    shift = 0
    if found.method == 2:
        shift = 1
    elif found.method and isinstance(callee, Attribute | Call):
        own, shift = reveal(callee.base) if isinstance(callee, Attribute) else callee, 1
    elif found.method and call.args:
        own = reveal(call.args[0])
    return _judge(summaries, found, _Arguments(found, call, shift, own))


def method_answer(
    summaries: Summaries, path: str, name: str, owner: Call, args: tuple[Value, ...]
) -> Answer | None:
    """What a method does with an object that a call of the class under a path made; None if nothing dangerous."""
    method = summaries.risky_method(path, name)
    if method is None:
        return None
    asked = Call(owner.offset, name, owner, args)
    answer = _judge(summaries, method, _Arguments(method, asked, shift=1, own=owner))
    return answer if answer.reached else None


class _Arguments:
    """The values of the inputs of one call."""

    def __init__(self, summary: Summary, call: Call, shift: int, own: Value) -> None:
        self.summary = summary
        self.call = call
        self.shift = shift
        self.own = own
        self.named = reveal(call.kwargs)
        computed = None if isinstance(self.named, Container) else self.named
        self.open = [one for one in (call.splat, computed) if one is not None]
        """Arguments of which it is not known which parameters get them."""

    def of(self, origin: str) -> list[Value]:
        """Values of an input; none if it is left out."""
        root = origin.partition(".")[0]
        if root == "self" and self.summary.method:
            return own_values(self.own, origin)
        found: list[Value] = []
        position = -self.shift
        known: set[str] = set()
        for one in self.summary.parameters:
            known.add(one.name)
            if one.kind == "p":
                if one.name == root and 0 <= position < len(self.call.args):
                    found.append(self.call.args[position])
                position += 1
            elif one.kind == "*" and one.name == root:
                found.extend(self.call.args[max(position, 0) :])
        starred = any(one.kind == "**" and one.name == root for one in self.summary.parameters)
        if isinstance(self.named, Container):
            for key, value in self.named.pairs():
                name = reveal(key)
                if name == root or (starred and name not in known):
                    found.append(value)
        if root not in known:
            found.extend(self.call.args)  # a parameter of another version
        found.extend(self.open)
        return found

    def passes(self, guard: str) -> bool:
        """Can the guard hold?"""
        if not guard:
            return True
        name, _, pattern = guard.partition("~")
        values = self.of(name)
        if not values:
            default = next((one.default for one in self.summary.parameters if one.name == name), ...)
            return default is ... or _holds(default, pattern)
        return any(_may_hold(reveal(value), pattern) for value in values)


def _may_hold(value: Value, pattern: str) -> bool:
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return _holds(value, pattern)
    if isinstance(value, tuple) and not pattern:
        return bool(value)
    return True


def _holds(value: Any, pattern: str) -> bool:
    if not pattern:
        return bool(value)
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return re.search(pattern, text) is not None


def own_values(own: Value, origin: str) -> list[Value]:
    """What the file puts into an attribute of an object, or into the object: nothing if it leaves it as it was."""
    if own is None or isinstance(own, Global):
        return []
    if not isinstance(own, Call) or own.args or own.kwargs is not None or own.splat is not None:
        return [own]
    attribute = origin.partition(".")[2]
    found: list[Value] = []
    for state in map(reveal, own.state or ()):
        for part in map(reveal, state) if isinstance(state, tuple) and len(state) == 2 else (state,):
            if part is None:
                continue
            if not isinstance(part, Container) or part.kind != "dict":
                return [own, state]  # a method of the class makes of it what it will
            found.extend(value for key, value in part.pairs() if not attribute or reveal(key) == attribute)
    return found


def _judge(summaries: Summaries, summary: Summary, arguments: _Arguments) -> Answer:
    harmless = True
    reached: list[Reached] = []
    for effect in summary.effects:
        if not arguments.passes(effect.guard):
            continue
        if not effect.origin:
            harmless = harmless and effect.kind not in OPEN
            continue
        values = arguments.of(effect.origin)
        if not values:
            continue
        if effect.kind in DANGEROUS or effect.kind in SUSPICIOUS:
            own = effect.kind == "exec" and effect.origin.startswith("self.")
            if any(may_be_text(value) for value in values) and not (own and _is_inert(values, arguments.own)):
                reached.append(Reached(effect, summary))
            harmless = False
        elif effect.kind == "dispatch":
            reached.extend(_dispatched(summaries, summary, effect, values))
            harmless = harmless and all(is_plain(value) for value in values)
        elif effect.kind == "call":
            harmless = harmless and not any(_is_callable(value) for value in values)
        else:
            harmless = False
    return Answer(harmless and not reached, _ranked(reached))


def _dispatched(
    summaries: Summaries, summary: Summary, effect: Effect, values: Iterable[Value]
) -> Iterator[Reached]:
    """A method, called by name, of an object that the file made."""
    steps = list(path_through(summaries, summary, effect))
    name = steps[-1][1].callee if steps else ""
    for value in map(reveal, values):
        if not isinstance(value, Call) or not name.isidentifier():
            continue
        path = path_of(value.callee)
        cls = summaries.find(path) if path is not None else None
        method = summaries.member(cls, name) if isinstance(cls, ClassSummary) else None
        for one in method.effects if method is not None else ():
            own = one.kind in DANGEROUS and one.origin.partition(".")[0] == "self"
            if own and method is not None and any(map(may_be_text, own_values(value, one.origin))):
                yield Reached(one, method)


def _ranked(reached: Iterable[Reached]) -> tuple[Reached, ...]:
    order = {kind: rank for rank, kind in enumerate((*DANGEROUS, *SUSPICIOUS))}
    best: dict[str, Reached] = {}
    for one in sorted(reached, key=lambda one: (one.effect.distance, one.effect.origin)):
        best.setdefault(one.effect.kind, one)
    return tuple(sorted(best.values(), key=lambda one: order.get(one.effect.kind, 99)))


# Values ---------------------------------------------------------------------------------------------------


def may_be_text(value: Value) -> bool:
    """Can the value be text or bytes, or hold some?"""
    for part in _parts(value):
        if isinstance(part, str | bytes | Blob | Buffer | Persistent):
            return True
        if isinstance(part, Call) and not _is_number(part):
            return True
        if (
            not isinstance(part, bool | int | float | tuple | Container | Global | Attribute | Call)
            and part is not None
        ):
            return True
    return False


_REST = Unknown(0, "the rest of a value of many parts")
_NUMBERS = frozenset((type(None), bool, int, float))


def _is_number(call: Call) -> bool:
    """An object that a call of a plain callable made of numbers alone."""
    named = reveal(call.kwargs)
    if call.splat is not None or not (named is None or isinstance(named, Container)):
        return False
    given = (*call.args, *(value for _, value in named.pairs())) if named is not None else call.args
    return not any(
        part is _REST or isinstance(part, str | bytes | Blob | Buffer | Call)
        for one in given
        for part in _parts(one)
    )


def is_plain(value: Value) -> bool:
    """Is it a constant, or built-in containers of constants?"""
    return all(
        part is None or isinstance(part, bool | int | float | str | bytes | tuple | Container | Blob)
        for part in _parts(value)
    )


def _is_inert(sources: Iterable[Value], own: Value) -> bool:
    """Is all text that an object has got by its state source that does nothing, whichever of it is run? The object
    itself, and random generators beside it, are no text.
    """
    if not isinstance(own, Call) or own.args or own.kwargs is not None or own.splat is not None:
        return False
    texts: list[str] = []
    for part in (part for source in sources for part in _parts(source)):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Call):
            if part is not own and not (path_of(part.callee) or "").startswith("numpy.random."):
                return False
        elif part is not None and not isinstance(part, bool | int | float | tuple | Container):
            return False
    from pvmscan.pysource import only_returns  # reads syntax trees, of which nearly no file has any

    return all(map(only_returns, texts))


def _is_callable(value: Value) -> bool:
    return any(isinstance(part, OUTSIDE) for part in _parts(value))


def _parts(value: Value) -> Iterator[Value]:
    """The value and what it holds, but for the numbers in containers; the rest of too much as something unknown."""
    pending: list[Value] = [value]
    seen: set[int] = set()
    items = MAX_ITEMS
    for _ in range(MAX_PARTS):
        if not pending:
            return
        part = reveal(pending.pop())
        if isinstance(part, tuple | Container):
            if id(part) in seen:
                continue
            seen.add(id(part))
            inner = part if isinstance(part, tuple) else part.ever()
            items -= len(inner)
            if items < 0:
                break
            pending.extend(one for one in inner if type(one) not in _NUMBERS)
        yield part
    yield _REST


# Chains ---------------------------------------------------------------------------------------------------


def path_through(summaries: Summaries, summary: Summary, effect: Effect) -> Iterator[tuple[Summary, Effect]]:
    """The steps through the source from a callable to the primitive."""
    seen: set[tuple[str, str]] = set()
    while (summary.path, effect.origin) not in seen:
        seen.add((summary.path, effect.origin))
        yield summary, effect
        following = summaries.find(effect.callee) if effect.callee else None
        if not isinstance(following, Summary):
            return
        onward = [
            one for one in following.effects if one.kind == effect.kind and one.origin == effect.callee_origin
        ]
        if not onward or effect.distance <= 1:
            onward = [
                one for one in following.effects if one.kind == effect.kind and one.distance < effect.distance
            ]
        if not onward:
            return
        summary, effect = following, min(onward, key=lambda one: one.distance)


__all__ = ["Answer", "Reached", "Unset", "answer", "is_plain_class", "method_answer", "path_through"]
