"""Names across modules: what a path stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from pvm.hints import TypeAlias
from pvm.paths import is_class_name
from pvm.records import NamedTuple
from pvmscan.knowledge.derive.binding import argument
from pvmscan.knowledge.derive.ir import Class, Function, Module, Site, Val

FilledBy: TypeAlias = dict[str, frozenset[str]]
"""Parameters of a constructor, by the attribute that they fill."""
MAX_DEPTH = 10
MAX_TARGETS = 8


class Target(NamedTuple):
    """What a path stands for; exactly one of the first four is set."""

    function: Function | None = None
    cls: Class | None = None
    module: str = ""
    external: str = ""
    """Dotted name of an object that is not in the program: built in, of another package, or not to be found."""
    owner: Class | None = None
    """The class at which a method is looked at."""
    instance: bool = False
    """An instance of the class, or a method bound to one."""


class Program:
    """Modules that are solved together."""

    def __init__(
        self,
        modules: Iterable[Module],
        known: Callable[[str], bool],
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.modules = {module.name: module for module in modules}
        self.known = known
        """Does the database already hold this dotted name?"""
        self.aliases = dict(aliases or {})
        """Modules under further names."""
        self._resolved: dict[str, tuple[Target, ...]] = {}
        self._results: dict[tuple[int, int], tuple[Target, ...]] = {}
        self._mro: dict[tuple[str, str], tuple[list[Class], list[str]]] = {}

    # Global paths ----------------------------------------------------------------------------------------

    def resolve(self, path: str, depth: int = 0) -> tuple[Target, ...]:
        """What a path that begins with a global name stands for."""
        found = self._resolved.get(path)
        if found is not None:
            return found
        if depth > MAX_DEPTH:
            return ()
        for alias, module in self.aliases.items():
            if path.startswith(alias) and path[len(alias) : len(alias) + 1] in ("", "."):
                path = module + path[len(alias) :]
        self._resolved[path] = ()  # a name that stands for itself stands for nothing
        root, steps = split(path)
        targets = self._root(root, steps, depth)
        self._resolved[path] = targets
        return targets

    def _root(self, root: str, steps: list[str], depth: int) -> tuple[Target, ...]:
        parts = [root]
        names = list(steps)
        module = root if root in self.modules else ""
        while names and names[0][0] == "." and f"{'.'.join(parts)}{names[0]}" in self.modules:
            parts.append(names.pop(0)[1:])
            module = ".".join(parts)
        if not module:
            return (Target(external=external_name(root, steps), instance="()" in steps),)
        return self.walk((Target(module=module),), names, depth)

    def walk(self, targets: tuple[Target, ...], steps: list[str], depth: int = 0) -> tuple[Target, ...]:
        """Follow attributes, calls and items."""
        for step in steps:
            reached: dict[Target, None] = {}
            for target in targets:
                reached.update(dict.fromkeys(self._step(target, step, depth)))
            targets = tuple(reached)[:MAX_TARGETS]
        return targets

    def _step(self, target: Target, step: str, depth: int) -> tuple[Target, ...]:
        if target.external:
            name = external_name(target.external, [step])
            return (Target(external=name, instance=target.instance or step == "()"),)
        if target.module:
            return self._member(target.module, step, depth)
        if target.cls is not None:
            return self._of_class(target.cls, step, target.instance, depth)
        if step == "()" and target.function is not None:
            return self._returned(target, depth)
        return ()

    def _member(self, module: str, step: str, depth: int) -> tuple[Target, ...]:
        if step[0] != ".":
            return ()
        name, made = step[1:], self.modules[module]
        own = made.names.get(name, ())
        if f"{module}.{name}" in self.modules and all(path == f"{module}.{name}" for path in own):
            return (Target(module=f"{module}.{name}"),)
        found: dict[Target, None] = {}
        for path in made.names.get(name, ()):
            if path == f"{module}.{name}":
                if name in made.functions:
                    found[Target(made.functions[name])] = None
                elif name in made.classes:
                    found[Target(cls=made.classes[name])] = None
            else:
                found.update(dict.fromkeys(self.resolve(path, depth + 1)))
        if not found:
            for star in made.stars:
                for target in self.resolve(f"{star}.{name}", depth + 1):
                    if not target.external or self.known(target.external):
                        found[target] = None
        return tuple(found) or (Target(external=f"{module}.{name}"),)

    def _returned(self, target: Target, depth: int) -> tuple[Target, ...]:
        function = target.function
        key = (id(function), id(target.owner))
        known = self._results.get(key)
        if known is not None:
            return known
        self._results[key] = ()  # what returns its own result returns nothing else by that
        found: dict[Target, None] = {}
        if function is not None and depth < MAX_DEPTH:
            for path in function.returns:
                for one in self.reach(path, target.owner, function, depth + 1):
                    found[one] = None
            if not found:
                found[Target(external=f"{function.module}.{function.name}()", instance=True)] = None
        self._results[key] = tuple(found)[:MAX_TARGETS]
        return self._results[key]

    # Classes ---------------------------------------------------------------------------------------------

    def _of_class(self, cls: Class, step: str, instance: bool, depth: int) -> tuple[Target, ...]:
        if step == "()":
            if not instance:
                return (Target(cls=cls, instance=True),)
            step = ".__call__()"
            return self.walk(self.member(cls, "__call__", True, depth), ["()"], depth)
        if step == "[]":
            return self.walk(self.member(cls, "__getitem__", True, depth), ["()"], depth) if instance else ()
        if step == ".__class__":
            return (Target(cls=cls),)
        return self.member(cls, step[1:], instance, depth)

    def mro(self, cls: Class) -> tuple[list[Class], list[str]]:
        """Classes in which a member is looked up, in order, and base classes outside of the program."""
        key = (cls.module, cls.name)
        known = self._mro.get(key)
        if known is not None:
            return known
        self._mro[key] = ([cls], [])
        order, outside = [cls], []
        for base in cls.bases:
            for target in self.resolve(base):
                if target.cls is not None and not target.instance:
                    inner, far = self.mro(target.cls)
                    order.extend(one for one in inner if one not in order)
                    outside.extend(far)
                elif target.external:
                    outside.append(target.external)
                elif target.function is not None:
                    outside.append(f"{target.function.module}.{target.function.name}()")
        self._mro[key] = (order, list(dict.fromkeys(outside)))
        return self._mro[key]

    def member(
        self, cls: Class, name: str, instance: bool, depth: int = 0, after: Class | None = None
    ) -> tuple[Target, ...]:
        """An attribute of a class or of an instance; with `after`, as `super()` finds it."""
        order, outside = self.mro(cls)
        if after is not None and after in order:
            order = order[order.index(after) + 1 :]
        for one in order:
            function = one.methods.get(name)
            if function is not None:
                if function.flavour == "property" and instance:
                    return self._returned(Target(function, owner=cls), depth) or (
                        Target(function, owner=cls, instance=True),
                    )
                return (Target(function, owner=cls, instance=instance),)
            if name in one.attributes:
                found: dict[Target, None] = {}
                for path in one.attributes[name]:
                    if path[:1] == "%":
                        found.update(dict.fromkeys(self.reach(path, cls, None, depth + 1)))
                    else:
                        found.update(dict.fromkeys(self.resolve(path, depth + 1)))
                if found:
                    return tuple(found)[:MAX_TARGETS]
        return tuple(
            Target(external=f"{base}.{name}", instance=instance)
            for base in outside
            if not is_plain_base(base)
        )

    def reach(
        self, path: str, owner: Class | None, function: Function | None, depth: int = 0
    ) -> tuple[Target, ...]:
        """What a path stands for inside a method that is looked at in a class."""
        if path[:1] not in "%^@":
            return self.resolve(path, depth)
        root, steps = split(path)
        if owner is None or depth > MAX_DEPTH:
            return ()
        if root == "%self":
            return self.walk((Target(cls=owner, instance=True),), steps, depth)
        if root == "^" and steps and function is not None:
            defining = next((one for one in self.mro(owner)[0] if function in one.methods.values()), None)
            first = self.member(owner, steps[0][1:], True, depth, after=defining)
            return self.walk(first, steps[1:], depth)
        return ()

    def learn_fields(
        self, function: Function, owner: Class | None, filled: Callable[[Class], FilledBy]
    ) -> None:
        """Classes that constructors get and keep, to make objects of them later.

        Functions are left out: what one object is told to call, another of its class is not.
        """
        for site in function.sites:
            given = [value for value in site.args if _is_global(value)]
            given += [value for _, value in site.keywords if _is_global(value)]
            if not given:
                continue
            for path in site.callees:
                for target in self.reach(path, owner, function):
                    if target.cls is not None and not target.instance:
                        self._learn(target.cls, site, filled(target.cls))

    def _learn(self, cls: Class, site: Site, filled: FilledBy) -> None:
        made = next((one.function for one in self.member(cls, "__init__", True) if one.function), None)
        if made is None:
            return
        for attribute, origins in filled.items():
            for origin in sorted(origins):
                for value in argument(site, made.params, origin, 1) or ():
                    paths = [path for path in value.paths if _is_global(value) and path[:1] != "%"]
                    targets = [one for path in paths for one in self.resolve(path)]
                    if any(one.cls is not None and not one.instance for one in targets):
                        known = cls.attributes.get(attribute, ())
                        cls.attributes[attribute] = tuple(dict.fromkeys((*known, *paths)))[:6]

    def forget(self) -> None:
        """Resolve anew from now on: attributes have become known."""
        self._resolved.clear()
        self._results.clear()

    def classes(self) -> Iterator[Class]:
        """Every class, in order."""
        for name in sorted(self.modules):
            made = self.modules[name]
            for inner in sorted(made.classes):
                yield made.classes[inner]


def _is_global(value: Val) -> bool:
    """Can the value be a class or function of some module?"""
    return any(path[:1] not in "%^@" and not path.startswith("builtins.") for path in value.paths)


_PLAIN_BASES = frozenset(
    """builtins.object builtins.Exception builtins.ValueError builtins.TypeError builtins.RuntimeError builtins.OSError
    builtins.KeyError builtins.AttributeError builtins.Warning builtins.UserWarning builtins.LookupError
    builtins.IndexError builtins.ImportError builtins.BaseException builtins.NotImplementedError
    typing.Generic typing.Protocol abc.ABC""".split()
)


def is_plain_base(base: str) -> bool:
    """A base class without methods of interest."""
    return base in _PLAIN_BASES or base.startswith(("typing.Generic[", "typing.Protocol["))


def split(path: str) -> tuple[str, list[str]]:
    """Root of a path, and its steps: `.name`, `()`, `[]`."""
    steps: list[str] = []
    current = ""
    position = 0
    while position < len(path):
        char = path[position]
        if char == "." and current:
            steps.append(current)
            current = "."
        elif char in "([" and path[position : position + 2] in ("()", "[]"):
            steps.append(current)
            current = path[position : position + 2]
            position += 1
        else:
            current += char
        position += 1
    steps.append(current)
    return steps[0], steps[1:]


def external_name(base: str, steps: list[str]) -> str:
    """Dotted name of something outside: an instance counts as its class."""
    name = base
    for step in steps:
        if step == "()":
            if not is_class_name(name):
                name += "()"
        elif step != "[]":  # an item counts as what it lies in
            name += step
    return name
