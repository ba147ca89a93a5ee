"""Python modules that a loader imports: which calls do they reach, and do these run on import?

Read as a syntax tree, never compiled. Names are resolved through imports, assignments, `getattr`, `__import__`
and constant strings; a name that several assignments give stands for all of them. What runs is found from the
statements of the module and of its classes, from the functions that these call, and from the entries that the
caller names.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pvm.names import canonical
from pvm.values import Call, Container, Global, Unknown, Value
from pvmscan.knowledge import Knowledge, Rule, Status, effects_of

MAX_SOURCE = 4 << 20
"""Bytes of source that are parsed."""
MAX_TEXT = 16 << 20
"""Characters of joined strings, all together."""
MAX_PATHS = 64
"""Meanings of one name that are kept; what has more is told as not understood..."""
MAX_RESULTS = 16
"""...but for results of calls, of which variables have many and which are seldom called themselves."""
MAX_JUDGED = 300_000
"""Meanings of callees that are judged in one module."""
MAX_ROUNDS = 16
"""How often assignments are gone through: an alias may stand before what it is an alias of."""
_TEXT_ROUNDS = 3
"""The same for texts, which may grow in every round."""
_BUILTINS = frozenset(dir(builtins))
_RUN_TEXT = frozenset({"builtins.exec", "builtins.eval", "builtins.compile"})
_DECODERS = (
    "base64.", "binascii.", "zlib.", "gzip.", "bz2.", "lzma.", "codecs.", "marshal.", "urllib.", "requests.", "socket.",
    "http.", "builtins.bytes.fromhex", "bytes.fromhex",
)  # fmt: skip
_SPELLERS = ("base64.", "binascii.", "builtins.bytes.fromhex", "bytes.fromhex")
"""Decoders of text that stands in the source."""
_NOT_CALLING = frozenset(
    f"builtins.{name}"
    for name in "isinstance issubclass hasattr getattr setattr type print repr str id".split()
)
"""Functions that do not call what they are given."""
_HANDED_OVER = frozenset({"command", "code-execution"})
_IMPORTERS = frozenset({"builtins.__import__", "importlib.import_module", "importlib.__import__"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SPECIAL = frozenset(
    """__setstate__ __new__ __init__ __init_subclass__ __set_name__ __del__ __getattr__ __getattribute__ __setattr__
    __setitem__ __hash__ __eq__ __call__ __reduce__ __reduce_ex__ __class_getitem__ extend append""".split()
)
"""Methods that an unpickler, or Python on its behalf, may call."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A call of a sink."""

    path: str
    line: int
    text: str
    rule: Rule
    on_import: bool
    """The statements of the module, or an entry, lead here."""
    hidden: bool
    """It runs source, or loads a pickle, that the module carries, decodes or fetches."""


def sinks(
    source: str,
    knowledge: Knowledge,
    entries: frozenset[str] = frozenset(),
    rules: frozenset[str] | None = None,
    limits: list[str] | None = None,
) -> tuple[Reached, ...] | None:
    """Calls of sinks in the source of a module, in order of lines; None if it does not parse.

    `entries` are names of functions that something outside the module calls, `rules` the ids of the rules that
    count: all if there are none. What was not followed to its end is added to `limits`.
    """
    if len(source) > MAX_SOURCE:
        return None
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    try:
        module = _Module(tree, knowledge, rules)
        found = tuple(module.sinks(entries))
        if limits is not None:
            limits.extend(sorted(module.names.limits))
        return found
    except RecursionError:
        return None


@dataclass(slots=True)
class _Scope:
    """One function, or the module with its classes: the calls in it."""

    name: str
    calls: list[ast.Call] = field(default_factory=list)


class Names:
    """What the names of a module stand for, as dotted paths."""

    def __init__(self, tree: ast.AST, given: Sequence[str] = ()) -> None:
        self.known: dict[str, set[str]] = {name: {name} for name in given}
        """Paths by name; `given` are names that need no import."""
        self.stars: list[str] = []
        self.texts: dict[str, str] = {}
        self._results: dict[str, int] = {}
        """How many results of calls each name stands for."""
        self.decoded: set[str] = set()
        """Names that stand for something decoded or fetched."""
        self.limits: set[str] = set()
        """What was not followed to its end."""
        self._room = MAX_TEXT
        assigned: list[tuple[str, ast.expr]] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    head = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._add(alias.asname or head, head)
            elif isinstance(node, ast.ImportFrom):
                self._import_from(node)
            elif isinstance(node, ast.Assign):
                assigned += [
                    (target.id, node.value) for target in node.targets if isinstance(target, ast.Name)
                ]
            elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Name):
                items = node.iter.elts if isinstance(node.iter, ast.List | ast.Tuple) else []
                assigned += [(node.target.id, item) for item in items]
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name):
                assigned += [(node.target.id, node.value)] if node.value is not None else []
        self._follow(assigned)

    def _follow(self, assigned: Sequence[tuple[str, ast.expr]]) -> None:
        """Find what names stand for to which these values are assigned, until nothing new comes of it."""
        for number in range(MAX_ROUNDS):
            before = self._size()
            # forwards, as it runs, and backwards: so aliases are soon known in whatever order they stand
            for name, value in assigned if number % 2 == 0 else reversed(assigned):
                text = self.text(value) if number < _TEXT_ROUNDS else None
                if text is not None:
                    self.texts[name] = text
                for path in self.paths(value):
                    self._add(name, path)
                if self.decodes(value):
                    self.decoded.add(name)
            if number + 1 >= _TEXT_ROUNDS and self._size() == before:
                return
        self.limits.add("names that stand for each other in too long a row")

    def _size(self) -> int:
        """How much is known but for results of calls, which grow in every round: `x = x.strip()`."""
        plain = sum(map(len, self.known.values())) - sum(self._results.values())
        return plain + len(self.decoded)

    def decodes(self, node: ast.expr) -> bool:
        """Does the value come out of a decoder or off the network?"""
        return any(
            part.id in self.decoded
            if isinstance(part, ast.Name)
            else any(path.startswith(_DECODERS) for path in self.paths(part.func))
            for part in ast.walk(node)
            if isinstance(part, ast.Name | ast.Call)
        )

    def spelled_out(self, node: ast.expr) -> bool:
        """Is it decoded from text that stands in the source?"""
        return any(
            any(path.startswith(_SPELLERS) for path in self.paths(part.func))
            and any(self.text(argument) for argument in part.args)
            for part in ast.walk(node)
            if isinstance(part, ast.Call)
        )

    def _add(self, name: str, path: str) -> None:
        paths = self.known.setdefault(name, set())
        parts = path.split(".")
        if parts.count(parts[-1]) > 2:  # what `x = x.next` makes of a name again and again
            path = ".".join(parts[: parts.index(parts[-1], parts.index(parts[-1]) + 1) + 1])
        if path in paths:
            return
        if "()" in path:
            if self._results.get(name, 0) < MAX_RESULTS:
                self._results[name] = self._results.get(name, 0) + 1
                paths.add(path)
        elif len(paths) < MAX_PATHS + MAX_RESULTS:
            paths.add(path)
        else:
            self.limits.add("a name of too many meanings")

    def _import_from(self, node: ast.ImportFrom) -> None:
        if node.level:
            return
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(node.module or "")
            else:
                self._add(alias.asname or alias.name, f"{node.module}.{alias.name}")

    def paths(self, node: ast.expr) -> list[str]:
        """Dotted paths of what an expression may stand for."""
        match node:
            case ast.Name(id=name):
                if name in self.known:
                    return sorted(self.known[name])
                found = [f"{module}.{name}" for module in self.stars]
                return [*found, f"builtins.{name}"] if name in _BUILTINS or name == "__builtins__" else found
            case ast.Attribute(value=base, attr=name):
                return [_join(path, name) for path in self.paths(base)]
            case ast.Subscript(value=base, slice=key):
                return self._item(base, key)
            case ast.Call():
                return self._called(node)
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self.paths(value)
            case ast.IfExp(body=one, orelse=other):
                return [*self.paths(one), *self.paths(other)]
            case _:
                return []

    def _item(self, base: ast.expr, key: ast.expr) -> list[str]:
        """`sys.modules['os']`, `globals()['eval']`, `vars(os)['system']`, `os.__dict__['system']`."""
        text = self.text(key)
        if text is None:
            return []
        found = []
        for path in self.paths(base):
            if path in ("sys.modules", "builtins.globals()", "builtins.locals()", "builtins.vars()"):
                found += (
                    [text] if path == "sys.modules" else sorted(self.known.get(text, {f"builtins.{text}"}))
                )
            elif path == "builtins.__builtins__":
                found.append(f"builtins.{text}")
            elif path.endswith(".__dict__"):
                found.append(f"{path.removesuffix('.__dict__')}.{text}")
        return found

    def _called(self, node: ast.Call) -> list[str]:
        """What a call returns, where that is plain from its arguments."""
        found = []
        for path in self.paths(node.func):
            arguments = node.args
            if path in _IMPORTERS and arguments:
                text = self.text(arguments[0])
                head = text.partition(".")[0] if text and path != "importlib.import_module" else text
                found += [head] if head else []
            elif path == "builtins.getattr" and len(arguments) > 1:
                text = self.text(arguments[1])
                found += [_join(base, text) for base in self.paths(arguments[0])] if text else []
            elif path == "builtins.vars" and arguments:
                found += [f"{base}.__dict__" for base in self.paths(arguments[0])]
            elif path == "functools.partial" and arguments:
                found += self.paths(arguments[0])
            else:
                found.append(f"{path}()")
        return found

    def text(self, node: ast.expr) -> str | None:
        """The string that an expression gives, where that is plain."""
        match node:
            case ast.Constant(value=str(value)):
                return value
            case ast.Constant(value=bytes(value)):
                return value.decode("latin-1")
            case ast.Name(id=name):
                return self.texts.get(name)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                one, other = self.text(left), self.text(right)
                return None if one is None or other is None else self._joined([one, other])
            case ast.JoinedStr(values=values):
                plain = [part.value if isinstance(part, ast.FormattedValue) else part for part in values]
                return self._joined([self.text(part) for part in plain])
            case ast.Subscript(value=value, slice=ast.Slice(lower=None, upper=None, step=step)):
                whole = self.text(value)
                back = isinstance(step, ast.UnaryOp) and ast.unparse(step) == "-1"
                return whole[::-1] if whole is not None and back else None
            case ast.Call(
                func=ast.Attribute(value=value, attr="join"), args=[ast.List() | ast.Tuple() as parts]
            ):
                glue = self.text(value)
                return None if glue is None else self._joined([self.text(part) for part in parts.elts], glue)
            case ast.Call(func=ast.Attribute(value=value, attr="lower" | "upper" | "strip" as name), args=[]):
                text = self.text(value)
                return None if text is None else str(getattr(text, name)())
            case ast.Call(func=ast.Attribute(value=value, attr="decode" | "encode")):
                return self.text(value)
            case ast.Call(func=ast.Name(id="chr"), args=[ast.Constant(value=int(code))]) if (
                0 <= code < 0x110000
            ):
                return chr(code)
            case _:
                return None

    def _joined(self, parts: Sequence[str | None], glue: str = "") -> str | None:
        """Strings in a row; None if one of them is not plain, or they are too long together."""
        texts = [part for part in parts if part is not None]
        self._room -= sum(map(len, texts)) + len(glue) * len(texts)
        if self._room <= 0:
            self.limits.add("texts that are too long when they are put together")
        return glue.join(texts) if len(texts) == len(parts) and self._room > 0 else None


def _join(path: str, name: str) -> str:
    return f"builtins.{name}" if path == "builtins.__builtins__" else f"{path}.{name}"


class _Module:
    def __init__(self, tree: ast.Module, knowledge: Knowledge, rules: frozenset[str] | None) -> None:
        self.knowledge = knowledge
        self.rules = rules
        self.names = Names(tree)
        self._left = MAX_JUDGED
        self.top = _Scope("")
        self.functions: dict[str, list[_Scope]] = {}
        self.methods: dict[str, list[str]] = {}
        """Names of the methods of a class."""
        self._collect(tree, self.top)

    def _collect(self, node: ast.AST, scope: _Scope) -> None:
        """Sort calls by the function in which they stand; decorators and defaults stand outside of it."""
        pending: list[tuple[ast.AST, _Scope]] = [(node, scope)]
        while pending:
            part, within = pending.pop()
            if isinstance(part, ast.Call):
                within.calls.append(part)
            if isinstance(part, ast.If) and _is_main(part.test):
                program = _Scope("<main>")
                self.functions.setdefault(program.name, []).append(program)
                pending += [(one, program) for one in part.body]
                pending += [(one, within) for one in part.orelse]
                continue
            if isinstance(part, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                within.calls += [
                    ast.copy_location(ast.Call(one, [], []), one)
                    for one in part.decorator_list
                    if not isinstance(one, ast.Call)
                ]
            if isinstance(part, ast.ClassDef):
                self.methods[part.name] = [
                    one.name for one in part.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
                ]
            if isinstance(part, _FUNCTIONS):
                name = "<lambda>" if isinstance(part, ast.Lambda) else part.name
                inner = within if isinstance(part, ast.Lambda) else _Scope(name)
                self.functions.setdefault(name, []).append(inner)
                body = [part.body] if isinstance(part, ast.Lambda) else part.body
                pending += [(one, inner) for one in body]
                inside = set(map(id, body))
                pending += [(one, within) for one in ast.iter_child_nodes(part) if id(one) not in inside]
            else:
                pending += [(one, within) for one in ast.iter_child_nodes(part)]

    def sinks(self, entries: frozenset[str]) -> Iterator[Reached]:
        running = self._running(entries)
        scopes = [self.top, *(scope for group in self.functions.values() for scope in group)]
        found: dict[tuple[int, str], Reached] = {}
        for scope in scopes:
            for call in scope.calls:
                for one in self._judge(call, scope is self.top or id(scope) in running):
                    found.setdefault((one.line, one.path), one)
        yield from (found[key] for key in sorted(found))

    def _running(self, entries: frozenset[str]) -> set[int]:
        """Identities of the scopes that run: by name, so a method counts as called when any of that name is."""
        pending = [self.top, *(one for name in entries for one in self.functions.get(name, ()))]
        running: set[int] = set()
        while pending:
            scope = pending.pop()
            if id(scope) in running:
                continue
            running.add(id(scope))
            for call in scope.calls:
                for name in _called_names(call):
                    names = [name, *self.methods.get(name, ())] if name in self.methods else [name]
                    pending += [
                        one
                        for each in names
                        if each == name or each in SPECIAL
                        for one in self.functions.get(each, ())
                    ]
        return running

    def _judge(self, call: ast.Call, runs: bool) -> Iterator[Reached]:
        for path in map(_one_spelling, self.names.paths(call.func)):
            self._left -= 1
            if self._left < 0:
                self.names.limits.add("more calls, with what they may mean, than the limit allows")
                return
            hidden = path in _RUN_TEXT and self._decodes(call)
            if path in _RUN_TEXT and not hidden:
                inner = self.names.text(call.args[0]) if call.args else None
                found = sinks(inner, self.knowledge, rules=self.rules) if inner is not None else None
                if found is not None:
                    for one in found:
                        yield Reached(one.path, call.lineno, one.text, one.rule, runs and one.on_import, True)
                    continue
            judgement = effects_of(self.knowledge, path, self._as_call(call, path))
            rule = next((one for one in judgement.rules if self.rules is None or one.id in self.rules), None)
            if judgement.status is Status.SINK and rule is not None:
                hidden = hidden or (rule.effect == "deserialisation" and self._carries(call))
                yield Reached(path, call.lineno, ast.unparse(call)[:200], rule, runs, hidden)
        yield from self._handed_over(call, runs)

    def _handed_over(self, call: ast.Call, runs: bool) -> Iterator[Reached]:
        """Sinks that are given to a function, which may call them: `map`, `Thread(target=...)`."""
        if set(self.names.paths(call.func)) & _NOT_CALLING:
            return
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            if isinstance(argument, ast.Name | ast.Attribute):
                for path in map(_one_spelling, self.names.paths(argument)):
                    rules = effects_of(self.knowledge, path).rules
                    rule = next((one for one in rules if self.rules is None or one.id in self.rules), None)
                    if rule is not None and rule.effect in _HANDED_OVER:
                        yield Reached(path, call.lineno, ast.unparse(call)[:200], rule, runs, False)

    def _carries(self, call: ast.Call) -> bool:
        """Is what is loaded part of the module: bytes, or text that is decoded?"""
        parts = (part for argument in call.args for part in ast.walk(argument))
        return any(map(self.names.spelled_out, call.args)) or any(
            isinstance(part, ast.Constant) and isinstance(part.value, bytes) for part in parts
        )

    def _decodes(self, call: ast.Call) -> bool:
        return any(map(self.names.decodes, call.args))

    def _as_call(self, call: ast.Call, path: str) -> Call:
        """The call as the knowledge reads it: constants, and what cannot be told."""
        module, _, name = path.rpartition(".")
        unknown = Unknown(0, "computed")
        splat = unknown if any(isinstance(one, ast.Starred) for one in call.args) else None
        items: list[Value] = []
        for keyword in call.keywords:
            items += [keyword.arg or "", self._constant(keyword.value)]
        return Call(
            call.lineno,
            "source",
            Global(call.lineno, module, name, (module, name)),
            tuple(self._constant(one) for one in call.args),
            Container(0, "dict", items) if items else None,
            splat=splat,
        )

    def _constant(self, node: ast.expr) -> Value:
        text = self.names.text(node)
        if text is not None:
            return text
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | None):
            return node.value
        return Unknown(node.lineno, "computed")


def _one_spelling(path: str) -> str:
    """The path with its module as the knowledge spells it: `os` for `posix`."""
    head, dot, rest = path.partition(".")
    return canonical(head, "")[0] + dot + rest


def _is_main(test: ast.expr) -> bool:
    """`__name__ == "__main__"`, which does not hold on import."""
    match test:
        case ast.Compare(
            left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]
        ):
            return True
        case _:
            return False


def _called_names(call: ast.Call) -> Iterator[str]:
    """Names of functions that a call may lead to: the callee, and any that is handed over."""
    for node in (call.func, *call.args, *(keyword.value for keyword in call.keywords)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
