"""Which inputs of every callable reach what: a search from the primitives up the calls, shortest chains first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pvm.records import NamedTuple
from pvmscan.knowledge.derive import binding
from pvmscan.knowledge.derive.axioms import Axiom, Axioms
from pvmscan.knowledge.derive.constructors import Constructors
from pvmscan.knowledge.derive.ir import NO_CONSTANT, NONE, NOTHING, Class, Function, Param, Site, Val
from pvmscan.knowledge.derive.link import Program, Target, is_plain_base, split

MAX_DISTANCE = 24
"""Effects that lie further away are only known to be some."""
UNCONTROLLED = frozenset(("exec", "proc", "native", "write", "net", "env", "kill", "deser"))
"""Effects worth knowing even if nothing that the caller gives decides them."""
_IMPORTED = ("import_module()", "__import__()", "sys.modules[]")


class Key(NamedTuple):
    """An effect of a callable: what, from which of its inputs, under which guard."""

    effect: str
    origin: str
    guard: str


class Entry(NamedTuple):
    """How an effect comes about: at which line, by calling what, with its input of which name."""

    distance: int
    line: int
    callee: str
    origin: str


class External(NamedTuple):
    """A callable of a package that was solved before."""

    name: str
    params: tuple[Param, ...]
    method: bool
    effects: tuple[tuple[Key, int], ...]


@dataclass(slots=True, eq=False)
class Node:
    """A function, looked at in a class."""

    function: Function
    owner: Class | None
    name: str
    entries: dict[Key, Entry] = field(default_factory=dict)
    callers: list[tuple[Node, Site, str]] = field(default_factory=list)


def _asks_super(function: Function) -> bool:
    return any(path[:1] == "^" for site in function.sites for path in site.callees)


class Solver:
    """Solves one program."""

    def __init__(self, program: Program, axioms: Axioms, external: Callable[[str], External | None]) -> None:
        self.program = program
        self.axioms = axioms
        self.external = external
        self.nodes: dict[tuple[int, int], Node] = {}
        self.order: list[Node] = []
        self.queue: list[tuple[int, int, Node, Key, Entry]] = []
        self.count = 0
        self.constructors = Constructors(program)

    def solve(self) -> list[Node]:
        """All nodes, with their effects."""
        everything = list(self._all_nodes())
        for function, owner in everything:
            self.program.learn_fields(function, owner, self.constructors.filled)
        self.program.forget()
        for function, owner in everything:
            self.node(function, owner)
        position = 0
        while position < len(self.order):
            self._link(self.order[position])
            position += 1
        while self.queue:
            _, _, node, key, entry = heapq.heappop(self.queue)
            if key not in node.entries and Key(key.effect, key.origin, "") not in node.entries:
                node.entries[key] = entry
                self._climb(node, key, entry)
        return self.order

    def _all_nodes(self) -> Iterable[tuple[Function, Class | None]]:
        for name in sorted(self.program.modules):
            module = self.program.modules[name]
            for function in sorted(module.functions.values(), key=lambda one: one.name):
                yield function, None
            if module.body is not None:
                yield module.body, None
        for cls in self.program.classes():
            for name in sorted(cls.methods):
                yield cls.methods[name], cls
            yield from self._inherited(cls)

    def _inherited(self, cls: Class) -> Iterable[tuple[Function, Class]]:
        """Inherited methods that call something which this class defines in its own way.

        With several bases also those that ask `super()`: what comes next depends on the class.
        """
        order, _ = self.program.mro(cls)
        several = any(len(one.bases) > 1 for one in order)
        seen: set[str] = set()
        own = set(cls.methods) | set(cls.attributes)
        for base in order[1:]:
            for name in sorted(base.methods):
                if name not in seen:
                    seen.add(name)
                    if own & self._names(base, name) or (several and _asks_super(base.methods[name])):
                        yield base.methods[name], cls
            own |= set(base.methods)

    def _names(self, cls: Class, name: str) -> set[str]:
        """Attributes of its object that a method reads, itself or through methods that it calls."""
        found: set[str] = set()
        pending = [name]
        while pending:
            one = pending.pop()
            function = next(
                (base.methods[one] for base in self.program.mro(cls)[0] if one in base.methods), None
            )
            if function is not None:
                new = function.loads - found
                found |= new
                pending.extend(new)
        return found

    def node(self, function: Function, owner: Class | None) -> Node:
        """The node of a function in a class; made when it is first asked for."""
        key = (id(function), id(owner))
        found = self.nodes.get(key)
        if found is None:
            last = function.name.rpartition(".")[2]
            name = (
                f"{owner.module}.{owner.name}.{last}"
                if owner is not None
                else f"{function.module}.{function.name}"
            )
            found = self.nodes[key] = Node(function, owner, name)
            self.order.append(found)
        return found

    def _canonical(self, function: Function, owner: Class | None) -> Node:
        """The node of an inherited method: the class's own if it has one, else that of the class that defines it."""
        key = (id(function), id(owner))
        if owner is None or key in self.nodes:
            return self.node(function, owner)
        for base in self.program.mro(owner)[0]:
            if function in base.methods.values():
                return self.node(function, base)
        return self.node(function, owner)

    # Linking ---------------------------------------------------------------------------------------------

    def _link(self, node: Node) -> None:
        for site in node.function.sites:
            self._site(node, site)
        if node.owner is None:
            return
        own = Val(("%self",), frozenset(("self",)))
        classes, _ = self.program.mro(node.owner)
        for name in sorted(node.function.loads):
            found = next((one.methods[name] for one in classes if name in one.methods), None)
            if found is not None and found.flavour == "property":
                site = Site(node.function.line, (f"%self.{name}",), (), (), NONE, False, own, "")
                self._edge(node, site, Target(found, owner=node.owner, instance=True), binding.BOUND)

    def _site(self, node: Node, site: Site) -> None:
        known = bool(site.callees)
        for path in site.callees:
            targets = self.program.reach(path, node.owner, node.function)
            reached = [self._target(node, site, target) for target in targets]
            if path[:1] == "%":
                self._supplied(node, site, path, bool(targets))
            # names that begin in a nested function, with `super()` or with what is supplied may lead nowhere else
            if path.endswith("()") and self._looked_up(path, node.owner, node.function):
                self._seed_all(node, site, "exec", site.receiver.origins, path)
            known = known and (any(reached) or (not targets and path[:1] in "%^@"))
        if not known:
            self._unresolved(node, site)

    def _looked_up(self, path: str, owner: Class | None, function: Function | None, depth: int = 3) -> bool:
        """Is a path the result of a function that imports a module by name and takes an attribute by name?"""
        for target in self.program.reach(path[:-2], owner, function):
            for made in target.function.returns if target.function is not None else ():
                inner = made[: made.rfind("()") + 2]
                if ".?" in made and any(one in made for one in _IMPORTED):
                    return True
                if inner and depth and self._looked_up(inner, target.owner, target.function, depth - 1):
                    return True
        return False

    def _unresolved(self, node: Node, site: Site) -> None:
        text = site.callees[0] if site.callees else "a computed callee"
        if text.endswith(".?") and any(one in text for one in _IMPORTED):
            # an attribute of a module that is imported by name, both given: any function there is
            self._seed_all(node, site, "exec", site.receiver.origins, text)
            return
        root, steps = split(text)
        if steps and steps[-1][1:] in self.axioms.plain and ("()" in steps or "[]" in steps):
            return
        if root == "builtins" and len(steps) > 2 and steps[-1][0] == ".":
            # what a container or an iterator holds has been supplied
            if steps[-1][1:] not in self.axioms.plain:
                self._seed_all(node, site, "dispatch", site.receiver.origins, steps[-1][1:])
            return
        self._seed_all(node, site, "opaque", binding.everything(site), text)

    def _supplied(self, node: Node, site: Site, path: str, typed: bool) -> None:
        """A call of something that the caller supplies, or that lies in the state of the object."""
        root, steps = split(path)
        origin = root[1:]
        if origin == "self":
            if not steps or (typed and len(steps) == 1):
                return
            if not self._has_state(node):
                return
            origin = f"self{steps[0]}" if steps[0][0] == "." else origin
            steps = steps[1:]
        names = [step for step in steps if step[0] == "."]
        if names and names[-1][1:] in self.axioms.plain:
            return
        effect = "dispatch" if names else "call"
        if names and names[-1] in (".?", ".*"):
            effect = "reflect"
        self._seed(
            node, Key(effect, origin, site.guard), Entry(1, site.line, names[-1][1:] if names else path, "")
        )

    @staticmethod
    def _has_state(node: Node) -> bool:
        return node.function.flavour not in ("class", "static")

    def _target(self, node: Node, site: Site, target: Target) -> bool:
        """Connect a call with what it calls; False if nothing is known of that."""
        if target.function is not None:
            name = f"{target.function.module}.{target.function.name}"
            axioms = self.axioms.of(name)
            if axioms:
                self._axioms(node, site, name, axioms)
                return True
            bound = target.function.method and (target.instance or target.function.flavour == "class")
            self._edge(node, site, target, binding.BOUND if bound else binding.UNBOUND)
            return True
        if target.cls is not None:
            return self._class(node, site, target.cls, target.instance)
        if target.external:
            return self._outside(node, site, target)
        return False

    def _class(self, node: Node, site: Site, cls: Class, instance: bool) -> bool:
        if instance:
            found = self.program.member(cls, "__call__", True)
            known = [self._target(node, site, one) for one in found]
            return any(known)
        name = f"{cls.module}.{cls.name}"
        axioms = self.axioms.of(name)
        if axioms:
            self._axioms(node, site, name, axioms)
            return True
        made = False
        for method in ("__new__", "__init__"):
            for one in self.program.member(cls, method, True):
                if one.function is not None:
                    self._edge(node, site, one, binding.MADE)
                    made = True
                elif one.external:
                    base = one.external.rpartition(".")[0]
                    made = self._outside(node, site, Target(external=base)) or made
        for method in ("__post_init__", "__attrs_post_init__"):
            for one in self.program.member(cls, method, True):
                if (
                    one.function is not None
                ):  # generated constructors keep all that they get, and then call this
                    whole = site._replace(receiver=Val((), binding.everything(site)))
                    self._edge(node, whole, one, binding.BOUND)
        return made or all(is_plain_base(base) for base in self.program.mro(cls)[1])

    def _edge(self, node: Node, site: Site, target: Target, how: str) -> None:
        assert target.function is not None
        callee = self._canonical(target.function, target.owner)
        callee.callers.append((node, site, how))
        for key, entry in list(callee.entries.items()):
            self._pass_up(callee, key, entry, node, site, how)

    def _outside(self, node: Node, site: Site, target: Target) -> bool:
        name = target.external
        if name.endswith(("__enter__", "__exit__", "__enter__().__exit__")) and "." in name:
            made = name.rpartition(".")[0]
            if self.axioms.of(made.removesuffix("()")):
                return True
        axioms = self.axioms.of(name)
        if axioms:
            self._axioms(node, site, name, axioms)
            return True
        known = self.external(name)
        if known is None:
            return False
        for key, distance in known.effects:
            self._from_outside(node, site, target, known, key, distance)
        return True

    def _from_outside(
        self, node: Node, site: Site, target: Target, known: External, key: Key, distance: int
    ) -> None:
        """One effect of a callable of a package that was solved before."""
        shift = 1 if known.method and (target.instance or known.name.endswith("__init__")) else 0
        guard = binding.passes(site, known.params, shift, key.guard, node.function)
        if guard is None:
            return
        entry = Entry(distance + 1, site.line, known.name, key.origin)
        if not key.origin:
            self._seed(node, Key(key.effect, "", guard), entry)
            return
        root = key.origin.partition(".")[0]
        own = known.params[0].name if known.params and root == "self" else root
        for value in binding.argument(site, known.params, own, shift) or ():
            origins = value.origins
            if root == "self" and "%self" in value.paths:
                origins = binding.of_receiver(value, key.origin, node.function, None)
            for origin in sorted(origins):
                self._seed(node, Key(key.effect, origin, guard), entry)
            if key.effect == "call":
                self._higher(node, site, value)

    # Seeds -----------------------------------------------------------------------------------------------

    def _axioms(self, node: Node, site: Site, name: str, axioms: tuple[Axiom, ...]) -> None:
        matched: set[str] = set()
        for axiom in axioms:
            if axiom.effect == "harmless" or (
                axiom.effect == "read" and "write" in matched and not site.splat
            ):
                continue
            guard = self._condition(node, site, axiom)
            if guard is None:
                continue
            if "~" not in guard:
                matched.add(axiom.effect)
            values = binding.axiom_values(site, axiom.args) if axiom.args else []
            origins: frozenset[str] = NONE
            for value in values:
                origins |= value.origins
            if axiom.effect == "setattr":
                origins -= {one for one in origins if one.partition(".")[0] == "self"}
            self._seed_all(node, site, axiom.effect, origins, name, guard)
            if not origins and axiom.effect in UNCONTROLLED:
                self._seed(node, Key(axiom.effect, "", guard), Entry(1, site.line, name, ""))
            if axiom.effect == "call":
                for value in values:
                    self._higher(node, site, value)

    def _condition(self, node: Node, site: Site, axiom: Axiom) -> str | None:
        """The guard under which an axiom applies here; None if it does not."""
        guard = site.guard
        for position, keyword, pattern, default in axiom.when:
            named = dict(site.keywords)
            value = site.args[position] if position < len(site.args) else named.get(keyword, NOTHING)
            if value is NOTHING and not site.splat:
                value = Val((), NONE, default)
            if value.const is not NO_CONSTANT:
                if not binding.holds(value.const, pattern):
                    return None
            elif len(value.paths) == 1 and value.paths[0][:1] == "%":
                own = value.paths[0][1:]
                if any(one.name == own and binding.is_optional(one) for one in node.function.params):
                    guard = f"{own}~{pattern}"
        return guard

    def _seed_all(
        self,
        node: Node,
        site: Site,
        effect: str,
        origins: frozenset[str],
        name: str,
        guard: str | None = None,
    ) -> None:
        for origin in sorted(origins):
            self._seed(
                node,
                Key(effect, origin, site.guard if guard is None else guard),
                Entry(1, site.line, name, ""),
            )

    def _seed(self, node: Node, key: Key, entry: Entry) -> None:
        if entry.distance > MAX_DISTANCE:  # what is too far away to tell is not known, which climbs on
            key, entry = key._replace(effect="opaque"), entry._replace(distance=MAX_DISTANCE)
        self.count += 1
        heapq.heappush(self.queue, (entry.distance, self.count, node, key, entry))

    def _higher(self, node: Node, site: Site, value: Val) -> None:
        """A function of the program is handed to something that calls it: with what else is handed over."""
        for path in value.paths:
            if path[:1] == "%" and not path.startswith("%self."):
                continue
            receiver = Val(("%self",), frozenset(("self",))) if path.startswith("%self.") else NOTHING
            others = binding.everything(site) - value.origins
            called = Site(site.line, (path,), (), (), others, True, receiver, site.guard)
            for target in self.program.reach(path, node.owner, node.function):
                if target.function is not None or (target.cls is not None and not target.instance):
                    self._target(node, called, target)
                elif target.external and self.axioms.of(target.external):
                    self._axioms(node, called, target.external, self.axioms.of(target.external))

    # Climbing --------------------------------------------------------------------------------------------

    def _climb(self, node: Node, key: Key, entry: Entry) -> None:
        if (
            node.function.name.endswith("__init__")
            and key.origin.startswith("self.")
            and node.owner is not None
        ):
            for origin in sorted(self.constructors.filled(node.owner).get(key.origin[5:], NONE)):
                if origin.partition(".")[0] != "self":
                    self._seed(node, Key(key.effect, origin, key.guard), entry)
        for caller, site, how in list(node.callers):
            self._pass_up(node, key, entry, caller, site, how)

    def _pass_up(self, callee: Node, key: Key, entry: Entry, caller: Node, site: Site, how: str) -> None:
        params = callee.function.params
        shift = 0 if how == binding.UNBOUND else 1
        guard = binding.passes(site, params, shift, key.guard, caller.function)
        if guard is None:
            return
        for origin in sorted(self._origins(callee, key, caller, site, how, shift)):
            step = Entry(entry.distance + 1, site.line, callee.name, key.origin)
            self._seed(caller, Key(key.effect, origin, guard), step)
        if key.effect == "call" and key.origin:
            for value in binding.argument(site, params, key.origin.partition(".")[0], shift) or ():
                self._higher(caller, site, value)

    def _origins(
        self, callee: Node, key: Key, caller: Node, site: Site, how: str, shift: int
    ) -> frozenset[str]:
        if not key.origin:
            return frozenset(("",))
        params, root = callee.function.params, key.origin.partition(".")[0]
        if root == "self" and callee.function.method:
            if how == binding.MADE:
                return NONE
            if how == binding.BOUND:
                return binding.of_receiver(
                    site.receiver, key.origin, caller.function, self._carried(callee, site.receiver)
                )
            values = binding.argument(site, params, params[0].name, 0) if params else None
        else:
            values = binding.argument(site, params, root, shift)
        found: frozenset[str] = NONE
        for value in values or ():
            if root == "self" and "%self" in value.paths:
                found |= binding.of_receiver(value, key.origin, caller.function, None)
            else:
                found |= value.origins
        return found

    def _carried(self, callee: Node, receiver: Val) -> frozenset[str] | None:
        """Attributes that the constructor of the receiver fills from its arguments; None if it was not made here."""
        if callee.owner is None or not receiver.paths or any(path[:1] in "%^@" for path in receiver.paths):
            return None
        return frozenset(self.constructors.filled(callee.owner))
