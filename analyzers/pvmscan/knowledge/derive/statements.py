"""Statements: the bodies of functions, classes and modules, in the order of the source."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from pvm.hints import Any
from pvmscan.knowledge.derive.expressions import MAX_PATHS, Evaluator, merge, step
from pvmscan.knowledge.derive.ir import NO_CONSTANT, NONE, NOTHING, Function, Param, Site, Val

MAX_RETURNS = 4
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Body(Evaluator):
    """The body of one function."""

    def __init__(self, names: Any, module: str, barriers: frozenset[str]) -> None:
        super().__init__(names, module, barriers)
        self.weak = 0
        """How many branches and loops the statement lies in."""
        self.returned: dict[str, None] = {}
        self.nested: list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, tuple[str, ...]]] = []
        self.optional: frozenset[str] = NONE
        """Parameters with a constant default, which can guard a call."""
        self.loops = False

    def run(self, statements: Sequence[ast.stmt]) -> None:
        """Evaluate a block; a guard that a statement sets up holds for the rest of the block."""
        depth = len(self.guards)
        for statement in statements:
            method = _STATEMENTS.get(type(statement))
            if method is not None:
                method(self, statement)
            elif isinstance(statement, ast.If):
                self._if_statement(statement)
        del self.guards[depth:]

    def finish(self) -> None:
        """Evaluate nested functions, with the arguments that they were called with."""
        while self.nested:
            path, node, guards = self.nested.pop(0)
            arguments = merge(self.inner.get(path, ()))
            saved, self.weak = dict(self.env), self.weak + 1
            self.guards = list(guards)
            for one in _every(node.args):
                self.env[one.arg] = Val((), arguments.origins)
            returned, self.returned = self.returned, {}
            self.run(node.body)
            self.returned = returned
            kept = {key: value for key, value in self.env.items() if key.startswith("self.")}
            self.env, self.weak = {**saved, **kept}, self.weak - 1

    # Blocks ----------------------------------------------------------------------------------------------

    def _branch(self, statements: Sequence[ast.stmt], guard: str = "") -> None:
        self.weak += 1
        if guard:
            self.guards.append(guard)
        self.run(statements)
        if guard:
            self.guards.pop()
        self.weak -= 1

    def _guard(self, test: ast.AST) -> tuple[str, bool]:
        """The parameter that a test asks for, and whether it asks for its absence."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            name, negated = self._guard(test.operand)
            return name, not negated
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            for part in test.values:
                name, negated = self._guard(part)
                if name and not negated:
                    return name, False
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name):
            other = test.comparators[0]
            if isinstance(other, ast.Constant) and other.value is None:
                if isinstance(test.ops[0], ast.Is):
                    return self._guarding(test.left.id), True
                if isinstance(test.ops[0], ast.IsNot):
                    return self._guarding(test.left.id), False
        if isinstance(test, ast.Name):
            return self._guarding(test.id), False
        return "", False

    def _guarding(self, name: str) -> str:
        known = self.env.get(name)
        if name in self.optional and known is not None and known.paths == (f"%{name}",):
            return name
        return ""

    def _if_statement(self, node: ast.If) -> None:
        name, negated = self._guard(node.test)
        self.ev(node.test)
        self._branch(node.body, "" if negated else name)
        if name and negated and not isinstance(node.test, ast.BoolOp):
            if node.orelse:
                self._branch(node.orelse, name)
            elif isinstance(node.body[-1], _LEAVES):
                self.guards.append(name)
        else:
            self._branch(node.orelse)

    def _for(self, node: Any) -> None:
        self.bind(node.target, self.item_of(self.ev(node.iter)), weak=True)
        self.loops = True
        self._branch(node.body)
        self._branch(node.orelse)

    def _while(self, node: Any) -> None:
        self.ev(node.test)
        self.loops = True
        self._branch(node.body)
        self._branch(node.orelse)

    def _with(self, node: Any) -> None:
        for item in node.items:
            value = self.ev(item.context_expr)
            # of objects made elsewhere only; what a supplied object does is its own affair
            methods = tuple([path + ".__enter__" for path in value.paths if path[:1] != "%"])
            if methods:
                self._site(node, methods, (), (), NONE, False, value)
                leave = tuple([path[: -len("__enter__")] + "__exit__" for path in methods])
                self._site(node, leave, (), (), NONE, False, value)
            if item.optional_vars is not None:
                entered = step(Val(methods), "()")
                self.bind(item.optional_vars, Val((*value.paths, *entered)[:MAX_PATHS], value.origins))
        self.run(node.body)

    def _try(self, node: Any) -> None:
        self._branch(node.body)
        for handler in node.handlers:
            if handler.name:
                self.env[handler.name] = NOTHING
            self._branch(handler.body)
        self._branch(node.orelse)
        self._branch(node.finalbody)

    def _match(self, node: Any) -> None:
        subject = self.ev(node.subject)
        for case in node.cases:
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(name, str):
                    self.env[name] = Val(step(subject, "[]"), subject.origins)
            self.ev(case.guard)
            self._branch(case.body)

    # Simple statements -----------------------------------------------------------------------------------

    def _assign(self, node: Any) -> None:
        value = self.ev(node.value)
        for target in node.targets:
            elements = getattr(node.value, "elts", None)
            names = getattr(target, "elts", None)
            if elements and names and len(elements) == len(names) and isinstance(node.value, ast.Tuple):
                for one, element in zip(names, elements, strict=True):
                    self.bind(one, self.ev(element), bool(self.weak))
            else:
                self.bind(target, value, bool(self.weak))

    def _annotated(self, node: Any) -> None:
        if node.value is not None:
            self.bind(node.target, self.ev(node.value), bool(self.weak))

    def _augmented(self, node: Any) -> None:
        old = self.ev(node.target) if not isinstance(node.target, ast.Name) else self.name(node.target.id)
        value = self.ev(node.value)
        self.bind(node.target, Val(old.paths, old.origins | value.origins), bool(self.weak))

    def _return(self, node: Any) -> None:
        value = self.ev(node.value)
        if len(self.returned) < MAX_RETURNS:
            self.returned.update(dict.fromkeys(value.paths))

    def _expression(self, node: Any) -> None:
        self.ev(node.value)

    def _raise(self, node: Any) -> None:
        self.ev(node.exc)

    def _assert(self, node: Any) -> None:
        self.ev(node.test)

    def _delete(self, node: Any) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                self.ev(target.value)

    def _import(self, node: Any) -> None:
        for one in node.names:
            name = one.asname or one.name.partition(".")[0]
            self.env[name] = Val((one.name if one.asname else name,))

    def _import_from(self, node: Any) -> None:
        source = resolve_relative(self.module, self.package, node.module, node.level)
        for one in node.names:
            if one.name != "*":
                self.env[one.asname or one.name] = Val((f"{source}.{one.name}",))

    package = False

    def _function(self, node: Any) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            self.ev(default)
        path = f"@{node.name}"
        self.env[node.name] = Val((path,))
        self.nested.append((path, node, tuple(self.guards)))

    def _class(self, node: Any) -> None:
        """A class inside a function: its methods belong to the function."""
        self.env[node.name] = NOTHING
        for one in node.body:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                self.nested.append((f"@{node.name}.{one.name}", one, tuple(self.guards)))


_STATEMENTS: dict[type[ast.AST], Any] = {
    ast.Assign: Body._assign,
    ast.AnnAssign: Body._annotated,
    ast.AugAssign: Body._augmented,
    ast.Return: Body._return,
    ast.Expr: Body._expression,
    ast.Raise: Body._raise,
    ast.Assert: Body._assert,
    ast.Delete: Body._delete,
    ast.Import: Body._import,
    ast.ImportFrom: Body._import_from,
    ast.For: Body._for,
    ast.AsyncFor: Body._for,
    ast.While: Body._while,
    ast.With: Body._with,
    ast.AsyncWith: Body._with,
    ast.Try: Body._try,
    ast.FunctionDef: Body._function,
    ast.AsyncFunctionDef: Body._function,
    ast.ClassDef: Body._class,
}
_STATEMENTS.update(
    {
        getattr(ast, name): method
        for name, method in (("TryStar", Body._try), ("Match", Body._match))
        if hasattr(ast, name)
    }
)


def resolve_relative(module: str, package: bool, name: str | None, level: int) -> str:
    """Absolute name of the module in `from ..name import x`."""
    if not level:
        return name or ""
    parts = module.split(".") if package else module.split(".")[:-1]
    parts = parts[: len(parts) - level + 1]
    return ".".join([*parts, name] if name else parts)


def _every(arguments: ast.arguments) -> list[ast.arg]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every.extend(one for one in (arguments.vararg, arguments.kwarg) if one is not None)
    return every


def _default(node: ast.AST | None) -> Any:
    """A constant default, a mark for another one, or `NO_CONSTANT` for none."""
    if node is None:
        return NO_CONSTANT
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool | None):
        return node.value[:40] if isinstance(node.value, str) else node.value
    return ...


def parameters(arguments: ast.arguments) -> tuple[Param, ...]:
    """Parameters of a function with their constant defaults."""
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    found = [
        Param(one.arg, "p", _default(arguments.defaults[index - missing] if index >= missing else None))
        for index, one in enumerate(positional)
    ]
    if arguments.vararg is not None:
        found.append(Param(arguments.vararg.arg, "*"))
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.append(Param(one.arg, "k", _default(default)))
    if arguments.kwarg is not None:
        found.append(Param(arguments.kwarg.arg, "**"))
    return tuple(found)


def default_paths(body: Body, arguments: ast.arguments) -> dict[str, tuple[str, ...]]:
    """Paths of defaults that are no constants: a class or a function that is used unless another is given."""
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = list(
        zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True)
    )
    pairs += [
        (one, value) for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value
    ]
    return {
        one.arg: body.ev(value).paths[:2]
        for one, value in pairs
        if isinstance(value, ast.Name | ast.Attribute)
    }


def function_of(
    body: Body, node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, method: bool, flavour: str
) -> Function:
    """The intermediate form of one function."""
    params = parameters(node.args)
    bound = method and flavour != "static" and bool(params) and params[0].kind == "p"
    made = Function(body.module, name, node.lineno, params, bound, flavour)
    body.optional = frozenset(
        one.name for one in params if one.default is not NO_CONSTANT and one.default is not ...
    )
    defaults = default_paths(body, node.args)
    for index, one in enumerate(params):
        origin = "self" if bound and index == 0 else one.name
        origins = NONE if bound and index == 0 and flavour == "class" else frozenset((origin,))
        body.instance = flavour != "class"
        paths = (f"%{origin}", *defaults.get(one.name, ())) if one.kind in "pk" else (f"%{origin}[]",)
        body.env[one.name] = Val(paths, origins)
    body.run(node.body)
    if body.loops:
        body.sites.clear()
        body.nested.clear()
        for index, one in enumerate(params):
            if not (bound and index == 0):
                last = body.env[one.name]
                body.env[one.name] = merge((Val((f"%{one.name}",), frozenset((one.name,))), last))
        body.run(node.body)
    body.finish()
    made.sites = compact(body.sites)
    made.loads = frozenset(body.loads)
    made.stores = {
        key[5:]: value.origins for key, value in body.env.items() if key.startswith("self.") and value.origins
    }
    made.attributes = {
        key[5:]: paths
        for key, value in body.env.items()
        if key.startswith("self.") and (paths := tuple([one for one in value.paths if one[:1] not in "%@^"]))
    }
    made.returns = tuple(path for path in body.returned if path[:1] != "@")[:MAX_RETURNS]
    return made


def compact(sites: list[Site]) -> list[Site]:
    """Each call once."""
    return list(dict.fromkeys(sites))


__all__ = ["NOTHING", "Body", "function_of", "parameters", "resolve_relative"]
