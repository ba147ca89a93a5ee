"""Source text of a module to its intermediate form. The source is parsed, never compiled or imported."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence

from pvmscan.knowledge.derive.definitions import merged, merged_class
from pvmscan.knowledge.derive.ir import Class, Function, Module, Val
from pvmscan.knowledge.derive.statements import Body, function_of, resolve_relative

_FLAVOURS = {"staticmethod": "static", "classmethod": "class"}


class SourceError(Exception):
    """A file that this Python cannot parse: one written for another version."""


def index(name: str, package: bool, source: bytes, barriers: frozenset[str]) -> Module:
    """The intermediate form of a module; raise `SourceError` if its source does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{name}: {error}") from error
    try:
        return _Indexer(name, package, barriers).module(tree)
    except RecursionError as error:
        raise SourceError(f"{name}: an expression too deep to follow") from error


class _Indexer:
    def __init__(self, name: str, package: bool, barriers: frozenset[str]) -> None:
        self.made = Module(name, package)
        self.barriers = barriers
        self.names: dict[str, tuple[str, ...]] = {}

    def module(self, tree: ast.Module) -> Module:
        """Names first, for functions may use what is defined below them."""
        stars: list[str] = []
        for node in _flat(tree.body):
            self._define(node, stars)
        body = self._body()
        statements = [
            node
            for node in tree.body
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
        made = self.made
        body.run(statements)
        body.finish()
        made.body = Function(made.name, "<module>", 1, sites=list(dict.fromkeys(body.sites)))
        for key, value in body.env.items():
            if key not in self.names or self.names[key] == (f"{made.name}.{key}",):
                self._alias(key, value.paths)
        for node in _flat(tree.body):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                function, known = self._function(node, node.name, ""), made.functions.get(node.name)
                made.functions[node.name] = function if known is None else merged(known, function)
            elif isinstance(node, ast.ClassDef):
                self._class(node, node.name)
        made.names = self.names
        made.stars = tuple(dict.fromkeys(stars))
        made.lazy = "__getattr__" in made.functions
        return made

    def _body(self) -> Body:
        body = Body(self.names, self.made.name, self.barriers)
        body.package = self.made.package
        return body

    def _alias(self, name: str, paths: Sequence[str]) -> None:
        known = self.names.get(name, ())
        plain = [path for path in paths if path[:1] not in "%@^"]
        self.names[name] = tuple(dict.fromkeys((*known, *plain)))[:6]

    def _define(self, node: ast.stmt, stars: list[str]) -> None:
        own = self.made.name
        if isinstance(node, ast.Import):
            for one in node.names:
                name = one.asname or one.name.partition(".")[0]
                self._alias(name, (one.name if one.asname else name,))
        elif isinstance(node, ast.ImportFrom):
            source = resolve_relative(own, self.made.package, node.module, node.level)
            for one in node.names:
                if one.name == "*":
                    stars.append(source)
                else:
                    self._alias(one.asname or one.name, (f"{source}.{one.name}",))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._alias(node.name, (f"{own}.{node.name}",))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        self.names.setdefault(part.id, (f"{own}.{part.id}",))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, owner: str) -> Function:
        flavour = ""
        for decorator in node.decorator_list:
            text = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
            flavour = _FLAVOURS.get(text, flavour)
            if text in ("property", "cached_property", "getter") or text.endswith("_property"):
                flavour = "property"
        if node.name in ("__new__", "__class_getitem__", "__init_subclass__") and owner:
            flavour = "class"
        return function_of(self._body(), node, name, bool(owner), flavour)

    def _class(self, node: ast.ClassDef, name: str) -> None:
        body = self._body()
        made = Class(self.made.name, name, node.lineno)
        bases: list[str] = []
        for base in node.bases:
            bases.extend(body.ev(base).paths[:1] or (f"{self.made.name}.?",))
        made.bases = tuple(bases)
        for keyword in node.keywords:
            if keyword.arg == "metaclass":
                made.metaclass = next(iter(body.ev(keyword.value).paths), "?")
        statements = list(_flat(node.body))
        plain = [one for one in statements if isinstance(one, ast.Assign | ast.AnnAssign)]
        body.env = {
            one.name: Val((f"%self.{one.name}",)) for one in statements if isinstance(one, ast.FunctionDef)
        }
        body.run(plain)
        for key, value in body.env.items():
            if value.paths and value.paths != (f"%self.{key}",):
                made.attributes[key] = value.paths
        for one in statements:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                self._method(made, one, name)
            elif isinstance(one, ast.ClassDef):
                self._class(one, f"{name}.{one.name}")
                made.attributes[one.name] = (f"{self.made.name}.{name}.{one.name}",)
        earlier = self.made.classes.get(name)
        self.made.classes[name] = made if earlier is None else merged_class(earlier, made)

    def _method(self, made: Class, node: ast.FunctionDef | ast.AsyncFunctionDef, owner: str) -> None:
        if any(
            isinstance(one, ast.Attribute) and one.attr in ("setter", "deleter")
            for one in node.decorator_list
        ):
            return
        function = self._function(node, f"{owner}.{node.name}", owner)
        known = made.methods.get(node.name)
        made.methods[node.name] = function if known is None else merged(known, function)
        for key, paths in function.attributes.items():
            made.attributes[key] = tuple(dict.fromkeys((*made.attributes.get(key, ()), *paths)))[:6]


def _flat(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a block and of the branches in it, which define names all the same."""
    for node in statements:
        yield node
        for block in ("body", "orelse", "finalbody"):
            inner = getattr(node, block, None)
            if inner and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from _flat(inner)
        for handler in getattr(node, "handlers", ()):
            yield from _flat(handler.body)
