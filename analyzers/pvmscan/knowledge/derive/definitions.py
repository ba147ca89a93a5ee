"""Several definitions of one name: overloads, variants for versions and systems. All of them count."""

from __future__ import annotations

from collections.abc import Mapping

from pvmscan.knowledge.derive.ir import Class, Function, Site, Val


def merged(old: Function, new: Function) -> Function:
    """The later definition, with the calls of the earlier one as well, its parameters taken by their places."""
    if old.sites or old.loads or old.stores:
        names = _renaming(old, new)
        new.sites = list(dict.fromkeys([*new.sites, *(_site(one, names) for one in old.sites)]))
        new.loads |= old.loads
        for key, origins in old.stores.items():
            moved = frozenset(names.get(one, one) for one in origins)
            new.stores[key] = new.stores.get(key, frozenset()) | moved
        for key, paths in old.attributes.items():
            new.attributes[key] = tuple(dict.fromkeys((*new.attributes.get(key, ()), *paths)))
    new.returns = tuple(dict.fromkeys((*new.returns, *old.returns)))[:6]
    return new


def merged_class(old: Class, new: Class) -> Class:
    """The later definition, with the bases and methods of the earlier one as well."""
    new.bases = tuple(dict.fromkeys((*new.bases, *old.bases)))
    for name, method in old.methods.items():
        known = new.methods.get(name)
        new.methods[name] = method if known is None else merged(method, known)
    for name, paths in old.attributes.items():
        new.attributes[name] = tuple(dict.fromkeys((*new.attributes.get(name, ()), *paths)))
    return new


def _renaming(old: Function, new: Function) -> dict[str, str]:
    before = [one.name for one in old.params if one.kind in "pk"]
    after = [one.name for one in new.params if one.kind in "pk"]
    pairs = zip(before, after, strict=False)
    return {first: second for first, second in pairs if first != second and first not in after}


def _site(site: Site, names: Mapping[str, str]) -> Site:
    if not names:
        return site
    return site._replace(
        callees=tuple(_path(path, names) for path in site.callees),
        args=tuple(_value(value, names) for value in site.args),
        keywords=tuple((key, _value(value, names)) for key, value in site.keywords),
        star=frozenset(names.get(one, one) for one in site.star),
        receiver=_value(site.receiver, names),
        guard=names.get(site.guard, site.guard),
    )


def _value(value: Val, names: Mapping[str, str]) -> Val:
    paths = tuple(_path(path, names) for path in value.paths)
    return Val(paths, frozenset(names.get(one, one) for one in value.origins), value.const)


def _path(path: str, names: Mapping[str, str]) -> str:
    if path[:1] != "%":
        return path
    for old, new in names.items():
        if path == f"%{old}" or path.startswith((f"%{old}.", f"%{old}(", f"%{old}[")):
            return f"%{new}{path[len(old) + 1 :]}"
    return path
