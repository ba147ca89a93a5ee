"""The tables of the rule files as frozen data, and their validation: unknown keys are errors."""

from __future__ import annotations

from collections.abc import Mapping

from pvm.hints import Any
from pvm.records import NamedTuple
from pvmscan.report import Confidence, Severity

EFFECTS = (
    "code-execution",
    "command",
    "native-code",
    "deserialisation",
    "file-write",
    "network",
    "tampering",
    "reflection",
    "trampoline",
    "import-side-effect",
    "file-read",
    "resource-exhaustion",
)
"""Effect categories, the worst first; each is the name of a rule file."""


class RuleError(Exception):
    """A rule file is wrong: the author's fault, with file, table and key."""


class Condition(NamedTuple):
    """A condition on one argument. An argument that is not constant counts as meeting it."""

    arg: int | None = None
    keyword: str | None = None
    match: str | None = None
    """Regular expression searched in the argument's text."""
    above: int | None = None
    """The argument is a number above this."""
    path: str | None = None
    """Regular expression searched in the dotted path of a global that is the argument, or, with `()` behind it, of one
    whose call has made the argument; nothing else counts as known."""
    default: Any = None
    """Value of an argument that is absent."""


class Rule(NamedTuple):
    """What a group of callables does that no honest model file needs."""

    id: str
    title: str
    effect: str
    severity: Severity
    confidence: Confidence
    why: str
    calls: tuple[str, ...] = ()
    """Patterns on canonical dotted paths; `*` stays within a component, `**` crosses dots."""
    imports: tuple[str, ...] = ()
    """Patterns on modules whose import alone has the effect."""
    targets: tuple[str, ...] = ()
    """Patterns on objects that must not be written to."""
    when: tuple[Condition, ...] = ()
    payload: tuple[int, ...] = ()
    """Positions of the arguments that a reader wants to see."""
    callable: tuple[int | str, ...] = ()
    """Positions or keywords of the callables that a trampoline calls."""
    carried: bool = True
    """Is it worth a word when an object refers to it without a call? Not for classes that honest objects name."""
    references: tuple[str, ...] = ()
    example: Any = None
    counter_example: Any = None

    @property
    def phrase(self) -> str:
        """The title as it stands inside a sentence."""
        return self.title[:1].lower() + self.title[1:]


class Harmless(NamedTuple):
    """Callables that only build data, whatever their arguments (unless `when` says otherwise)."""

    package: str
    calls: tuple[str, ...]
    why: str
    when: tuple[Condition, ...] = ()


class Loader(NamedTuple):
    """Callables that load a further layer from an argument: the scan goes on inside it."""

    calls: tuple[str, ...]
    argument: int
    why: str
    honest: bool = False
    """Honest files use it: the verdict is that of what lies inside, if that is constant."""


def _check(table: Mapping[str, Any], kind: type[NamedTuple], where: str) -> None:
    unknown = set(table) - set(kind._fields)
    if unknown:
        raise RuleError(f"{where}: unknown key {', '.join(sorted(unknown))}")


def conditions(tables: Any, where: str) -> tuple[Condition, ...]:
    """The `when` list of a table."""
    for table in tables:
        _check(table, Condition, f"{where}, when")
    return tuple(Condition(**table) for table in tables)


def _frozen(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def rule(table: Mapping[str, Any], effect: str, where: str) -> Rule:
    """One `[[rule]]` table."""
    _check(table, Rule, where)
    try:
        values: dict[str, Any] = dict(table)
        payload, callables = values.pop("payload", ()), values.pop("callable", ())
        return Rule(
            effect=effect,
            severity=Severity[values.pop("severity").upper()],
            confidence=Confidence[values.pop("confidence").upper()],
            when=conditions(values.pop("when", ()), where),
            payload=(payload,) if isinstance(payload, int) else tuple(payload),
            callable=(callables,) if isinstance(callables, int | str) else tuple(callables),
            **_frozen(values),
        )
    except (KeyError, TypeError) as error:
        raise RuleError(f"{where}: {error}") from error


def harmless(table: Mapping[str, Any], where: str) -> Harmless:
    """One `[[harmless]]` table."""
    _check(table, Harmless, where)
    values = dict(table)
    when = conditions(values.pop("when", ()), where)
    try:
        return Harmless(calls=tuple(values.pop("calls")), when=when, **values)
    except (KeyError, TypeError) as error:
        raise RuleError(f"{where}: {error}") from error


def loader(table: Mapping[str, Any], where: str) -> Loader:
    """One `[[loader]]` table."""
    _check(table, Loader, where)
    values = dict(table)
    try:
        return Loader(calls=tuple(values.pop("calls")), **values)
    except (KeyError, TypeError) as error:
        raise RuleError(f"{where}: {error}") from error
