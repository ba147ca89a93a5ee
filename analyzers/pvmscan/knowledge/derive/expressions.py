"""Expressions of one function: their paths and origins, and the calls in them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from pvm.hints import Any
from pvmscan.knowledge.derive.ir import NO_CONSTANT, NONE, NOTHING, Site, Val

MAX_PATHS = 6
MAX_PATH = 200
_DISPLAYS = {ast.List: "list", ast.Set: "set", ast.ListComp: "list", ast.SetComp: "set"}
_KINDS = (str, bytes, int, float, complex, bool)


def merge(values: Iterable[Val]) -> Val:
    """A value that is one of several."""
    paths: dict[str, None] = {}
    origins: frozenset[str] = NONE
    first: Val | None = None
    for value in values:
        if first is None:
            first = value
        paths.update(dict.fromkeys(value.paths))
        if value.origins:
            origins = origins | value.origins if origins else value.origins
    if first is None:
        return NOTHING
    return Val(tuple(paths)[:MAX_PATHS], origins)


def step(value: Val, suffix: str) -> tuple[str, ...]:
    """Paths one step on."""
    return tuple([path + suffix for path in value.paths if len(path) < MAX_PATH])


class Evaluator:
    """Evaluates expressions in the environment of one function, and keeps the calls that it meets."""

    def __init__(self, names: Mapping[str, tuple[str, ...]], module: str, barriers: frozenset[str]) -> None:
        self.names = names
        """Global names of the module."""
        self.module = module
        self.barriers = barriers
        """Last components of callees whose result carries nothing of their arguments: `len`, `isinstance`..."""
        self.env: dict[str, Val] = {}
        self.sites: list[Site] = []
        self.loads: set[str] = set()
        self.guards: list[str] = []
        self.instance = True
        """`self` is an object with a state, and no class."""
        self.inner: dict[str, list[Val]] = {}
        """Arguments that nested functions are called with."""

    def name(self, identifier: str) -> Val:
        """A name: local, global or built-in."""
        found = self.env.get(identifier)
        if found is not None:
            return found
        paths = self.names.get(identifier)
        if paths is None:
            paths = (
                (f"builtins.{identifier}",) if identifier in _BUILTINS else (f"{self.module}.{identifier}",)
            )
        return Val(paths)

    def ev(self, node: ast.AST | None) -> Val:
        """The value of an expression."""
        if node is None:
            return NOTHING
        method = _METHODS.get(type(node))
        return method(self, node) if method is not None else self._other(node)

    def _other(self, node: ast.AST) -> Val:
        """Anything else: what its parts carry, without a path."""
        values = [self.ev(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return Val((), merge(values).origins)

    def _constant(self, node: Any) -> Val:
        value = node.value
        kind = type(value).__name__
        if isinstance(value, str) and len(value) > 40:
            value = value[:40]
        return Val((f"builtins.{kind}()",) if isinstance(value, _KINDS) else (), NONE, value)

    def _name(self, node: Any) -> Val:
        return self.name(node.id)

    def _attribute(self, node: Any) -> Val:
        return self._member(self.ev(node.value), node.attr)

    def _member(self, base: Val, name: str) -> Val:
        """An attribute of a value."""
        if "%self" in base.paths:
            self.loads.add(name)
            known = self.env.get(f"self.{name}")
            own = Val((f"%self.{name}",), frozenset((f"self.{name}",)) if self.instance else NONE)
            return merge((own, known)) if known is not None else own
        return Val(step(base, f".{name}"), base.origins)

    def _subscript(self, node: Any) -> Val:
        base = self.ev(node.value)
        self.ev(node.slice)
        return Val(step(base, "[]"), base.origins)

    def _choice(self, node: Any) -> Val:
        return merge([self.ev(value) for value in node.values])

    def _if(self, node: Any) -> Val:
        self.ev(node.test)
        return merge((self.ev(node.body), self.ev(node.orelse)))

    def _compare(self, node: Any) -> Val:
        for child in (node.left, *node.comparators):
            self.ev(child)
        return NOTHING

    def _unary(self, node: Any) -> Val:
        value = self.ev(node.operand)
        return NOTHING if isinstance(node.op, ast.Not) else Val((), value.origins)

    def _binary(self, node: Any) -> Val:
        left, right = self.ev(node.left), self.ev(node.right)
        text = "builtins.str()" in left.paths
        return Val(("builtins.str()",) if text else (), left.origins | right.origins)

    def _joined(self, node: Any) -> Val:
        parts = [self.ev(value.value) for value in node.values if isinstance(value, ast.FormattedValue)]
        return Val(("builtins.str()",), merge(parts).origins)

    def _walrus(self, node: Any) -> Val:
        value = self.ev(node.value)
        self.env[node.target.id] = value
        return value

    def _display(self, node: Any) -> Val:
        elements = merge([self.ev(item) for item in node.elts])
        return Val((f"builtins.{_DISPLAYS.get(type(node), 'tuple')}()",), elements.origins)

    def _dict(self, node: Any) -> Val:
        parts = [self.ev(part) for part in (*node.keys, *node.values) if part is not None]
        return Val(("builtins.dict()",), merge(parts).origins)

    def _comprehension(self, node: Any) -> Val:
        for generator in node.generators:
            self.bind(generator.target, self.item_of(self.ev(generator.iter)))
            for test in generator.ifs:
                self.ev(test)
        if isinstance(node, ast.DictComp):
            return Val(("builtins.dict()",), self.ev(node.key).origins | self.ev(node.value).origins)
        kind = _DISPLAYS.get(type(node), "list")
        return Val((f"builtins.{kind}()",), self.ev(node.elt).origins)

    def _lambda(self, node: Any) -> Val:
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        saved = {one.arg: self.env.get(one.arg) for one in every}
        self.env.update({one.arg: NOTHING for one in every})
        self.ev(node.body)
        for key, value in saved.items():
            if value is None:
                self.env.pop(key, None)
            else:
                self.env[key] = value
        return NOTHING

    def _starred(self, node: Any) -> Val:
        return self.ev(node.value)

    @staticmethod
    def item_of(value: Val) -> Val:
        """An item of an iterable."""
        return Val(step(value, "[]"), value.origins)

    # Assignment ------------------------------------------------------------------------------------------

    def bind(self, target: ast.AST, value: Val, weak: bool = False) -> None:
        """Assign to a target; a weak assignment may not happen."""
        if isinstance(target, ast.Name):
            old = self.env.get(target.id) if weak else None
            self.env[target.id] = merge((old, value)) if old is not None else value
        elif isinstance(target, ast.Tuple | ast.List):
            for item in target.elts:
                self.bind(item, self.item_of(value), weak)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, value, weak)
        elif isinstance(target, ast.Attribute):
            self._store(target, value)
        elif isinstance(target, ast.Subscript):
            base, key = self.ev(target.value), self.ev(target.slice)
            self._write(target, base, "__setitem__", (key, value))
            self._taint(target.value, value)

    def _store(self, target: ast.Attribute, value: Val) -> None:
        base = self.ev(target.value)
        if "%self" in base.paths:
            key = f"self.{target.attr}"
            old = self.env.get(key)
            self.env[key] = merge((old, value)) if old is not None else value
        else:
            self._write(target, base, "__setattr__", (Val((), NONE, target.attr), value))
            self._taint(target.value, value)

    def _taint(self, owner: ast.AST, value: Val) -> None:
        """What is written into an object is carried by the object: a variable's, or one in the object's state."""
        if not value.origins:
            return
        if isinstance(owner, ast.Name):
            old = self.env.get(owner.id)
            if old is not None and not value.origins <= old.origins:
                self.env[owner.id] = Val(old.paths, old.origins | value.origins)
        elif isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name):
            if "%self" not in self.name(owner.value.id).paths:
                return
            key = f"self.{owner.attr}"
            old = self.env.get(key, NOTHING)
            self.env[key] = Val(old.paths, old.origins | value.origins)

    def _write(self, node: ast.AST, base: Val, method: str, args: tuple[Val, ...]) -> None:
        """A write to an object that is reached by a global name is a call of its method."""
        paths = tuple([path for path in base.paths if path[:1] != "%" and not path.endswith(")")])
        if paths:
            self._site(node, tuple([f"{path}.{method}" for path in paths]), args, (), NONE, False, base)

    # Calls -----------------------------------------------------------------------------------------------

    def _site(
        self,
        node: Any,
        callees: tuple[str, ...],
        args: tuple[Val, ...],
        keywords: tuple[tuple[str, Val], ...],
        star: frozenset[str],
        splat: bool,
        receiver: Val,
    ) -> None:
        guard = self.guards[-1] if self.guards else ""
        self.sites.append(Site(node.lineno, callees, args, keywords, star, splat, receiver, guard))

    def _call(self, node: Any) -> Val:
        function = node.func
        receiver = NOTHING
        if isinstance(function, ast.Attribute):
            receiver = self.ev(function.value)
            callee = self._member(receiver, function.attr)  # evaluated once: chains of calls are long
        else:
            callee = receiver = self.ev(function)
        args, star, splat = [], NONE, False
        for one in node.args:
            value = self.ev(one)
            if isinstance(one, ast.Starred):
                star, splat = star | value.origins, True
            elif splat:
                star |= value.origins
            else:
                args.append(value)
        keywords = []
        for one in node.keywords:
            value = self.ev(one.value)
            if one.arg is None:
                star, splat = star | value.origins, True
            else:
                keywords.append((one.arg, value))
        special = self._special(node, callee, args)
        if special is not None:
            return special
        self._site(node, callee.paths, tuple(args), tuple(keywords), star, splat, receiver)
        return self._result(function, callee, receiver, args, keywords, star)

    def _special(self, node: Any, callee: Val, args: list[Val]) -> Val | None:
        """Callees whose result is known by its form."""
        for path in callee.paths:
            if path == "builtins.super":
                return Val(("^",), frozenset(("self",)))
            if path == "builtins.getattr" and len(args) >= 2:
                return self._getattr(node, args)
            if path in ("builtins.staticmethod", "builtins.classmethod") and len(args) == 1:
                return args[0]
            if path == "builtins.type" and len(args) == 1:
                return Val(step(args[0], ".__class__"), NONE)
            if path.startswith("@"):
                self.inner.setdefault(path, []).append(merge(args))
        return None

    def _getattr(self, node: Any, args: list[Val]) -> Val:
        name = args[1].const
        if isinstance(name, str):
            if "%self" in args[0].paths:
                self.loads.add(name)
                own = Val((f"%self.{name}",), frozenset((f"self.{name}",)) if self.instance else NONE)
                return merge((own, *args[2:]))
            return merge((Val(step(args[0], f".{name}"), args[0].origins), *args[2:]))
        self._site(node, ("builtins.getattr",), tuple(args), (), NONE, False, NOTHING)
        mark = ".?" if args[1].origins and "builtins.str()" not in args[1].paths else ".*"
        return Val(step(args[0], mark), args[0].origins | args[1].origins)

    def _result(
        self,
        function: ast.AST,
        callee: Val,
        receiver: Val,
        args: list[Val],
        keywords: list[tuple[str, Val]],
        star: frozenset[str],
    ) -> Val:
        last = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        paths = step(callee, "()")
        if last in self.barriers:
            return Val(paths)
        origins = receiver.origins | star if receiver.origins or star else NONE
        if "%self" in receiver.paths:
            origins = star  # what a method of the object returns is told by its own summary
        for value in args:
            if value.origins:
                origins |= value.origins
        for _, value in keywords:
            if value.origins:
                origins |= value.origins
        if isinstance(function, ast.Attribute) and args:
            self._taint(function.value, merge(args))
        return Val(paths, origins)


_METHODS: dict[type[ast.AST], Any] = {
    ast.Constant: Evaluator._constant,
    ast.Name: Evaluator._name,
    ast.Attribute: Evaluator._attribute,
    ast.Subscript: Evaluator._subscript,
    ast.BoolOp: Evaluator._choice,
    ast.IfExp: Evaluator._if,
    ast.Compare: Evaluator._compare,
    ast.UnaryOp: Evaluator._unary,
    ast.BinOp: Evaluator._binary,
    ast.JoinedStr: Evaluator._joined,
    ast.NamedExpr: Evaluator._walrus,
    ast.List: Evaluator._display,
    ast.Tuple: Evaluator._display,
    ast.Set: Evaluator._display,
    ast.Dict: Evaluator._dict,
    ast.ListComp: Evaluator._comprehension,
    ast.SetComp: Evaluator._comprehension,
    ast.DictComp: Evaluator._comprehension,
    ast.GeneratorExp: Evaluator._comprehension,
    ast.Lambda: Evaluator._lambda,
    ast.Starred: Evaluator._starred,
    ast.Call: Evaluator._call,
}

_BUILTINS = frozenset(
    """abs aiter all anext any apply ascii basestring bin bool breakpoint bytearray bytes callable chr classmethod cmp
    compile complex delattr dict dir divmod enumerate eval exec execfile exit filter float format frozenset getattr
    globals hasattr hash help hex id input int isinstance issubclass iter len list locals long map max memoryview min
    next object oct open ord pow print property quit range raw_input reduce reload repr reversed round set setattr slice
    sorted staticmethod str sum super tuple type unichr unicode vars xrange zip __import__ __build_class__ BaseException
    Exception ArithmeticError AssertionError AttributeError EOFError ImportError IndexError KeyError KeyboardInterrupt
    LookupError MemoryError ModuleNotFoundError NameError NotImplementedError OSError IOError OverflowError
    RecursionError RuntimeError StopIteration SyntaxError SystemExit TypeError UnicodeError UnicodeDecodeError
    UnicodeEncodeError ValueError ZeroDivisionError Warning DeprecationWarning FutureWarning RuntimeWarning UserWarning
    ResourceWarning PendingDeprecationWarning SyntaxWarning ImportWarning UnicodeWarning BytesWarning FileNotFoundError
    FileExistsError PermissionError TimeoutError ConnectionError NotImplemented Ellipsis EnvironmentError
    InterruptedError IsADirectoryError NotADirectoryError ProcessLookupError StopAsyncIteration TabError
    UnboundLocalError BlockingIOError BrokenPipeError BufferError FloatingPointError GeneratorExit IndentationError
    ReferenceError SystemError ConnectionResetError ConnectionRefusedError ConnectionAbortedError ChildProcessError
    BaseExceptionGroup ExceptionGroup EncodingWarning""".split()
)
__all__ = ["NO_CONSTANT", "Evaluator", "merge", "step"]
