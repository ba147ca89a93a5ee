"""What a zip archive of PyTorch's is, and which of its members a loader compiles, evaluates or imports.

Told by the names of the members: TorchScript (`code/`), `torch.package` (`.data/extern_modules`), an exported
program (`models/*.json`), or TorchServe's model archive (`MAR-INF/MANIFEST.json`). An archive may be several of
them at once. Pickles are found by the zip reader in any case; here are the parts that are no pickles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from pvm import regex
from pvm.hints import Any
from pvmscan.buffer import Buffer
from pvmscan.readers.base import Fact, Item
from pvmscan.readers.data import table
from pvmscan.readers.zipmember import Member
from pvmscan.report import Location, Problem, Verdict

_SCRIPT = regex.later(r"(^|/)code/.*\.py$")
_COMPILED = regex.later(r"(^|/)(constants|data)\.pkl$", re.IGNORECASE)
_EXTERN = regex.later(r"(^|/)\.data/extern_modules$")
_MANIFEST = regex.later(r"(^|/)MAR-INF/MANIFEST\.json$")
_GRAPH = regex.later(r"(^|/)models/[^/]+\.json$|(^|/)serialized_exported_program\.json$")
_CONFIG = regex.later(r"(^|/)data/(weights|constants)/[^/]+_config\.json$")
_NATIVE = regex.later(r"(^|/)data/aotinductor/.*\.(so|dylib|dll|pyd|o|cubin|hsaco|spv)$")
_UNPICKLED = regex.later(r"(^|/)(opaque_obj_|custom_obj_)\w+$|(^|/)data/sample_inputs/[^/]+\.pt$")
_PICKLE = regex.later(r"\.(pkl|pickle)$")
_LIMIT = 64 << 20
Content = Callable[[Member, int], bytes]


class Layout:
    """The roles of an archive's members."""

    def __init__(self, members: Sequence[Member], content: Content) -> None:
        self._members = members
        self._content = content
        """Bytes of a member, at most so many."""
        names = [name for member in members for name in (member.name, *member.aliases)]
        every = "\n".join(
            names
        )  # where a word is not found at once, no expression has to be tried on every name

        def some(word: str, named: re.Pattern[str]) -> bool:
            return word in every and any(map(named.search, names))

        self.script = some("code/", _SCRIPT) and any(map(_COMPILED.search, names))
        self.package = some("extern_modules", _EXTERN)
        self.served = some("MANIFEST.json", _MANIFEST)
        self.exported = some(".json", _GRAPH) or some("aotinductor/", _NATIVE)
        self._raw = re.compile(table("torch")["raw_members"])

    def raw(self, name: str) -> bool:
        """Is it a storage, which no loader unpickles?"""
        return self._raw.search(name) is not None and name.rpartition("/")[2] not in self.pickled

    def expected(self, name: str) -> bool:
        """Does a loader unpickle the member whatever its name ends in?"""
        if not self.exported:
            return False
        return _UNPICKLED.search(name) is not None or name.rpartition("/")[2] in self.pickled

    @cached_property
    def pickled(self) -> set[str]:
        """File names that the configs of an exported program hand to an unpickler."""
        configs = [
            member for member in self._members if "_config" in member.name and _CONFIG.search(member.name)
        ]
        if not configs:
            return set()
        from pvmscan.readers.torchexport import pickled_paths

        return {name for member in configs for name in pickled_paths(self._content(member, _LIMIT))}

    @cached_property
    def _pickles(self) -> bytes:
        """All pickles of a package: a function that one of them names is called from there."""
        return b"\n".join(self._content(one, _LIMIT) for one in self._members if _PICKLE.search(one.name))

    def judge(self, name: str, path: str, content: Buffer) -> Iterator[Item]:
        """Facts about a member; `path` names it in the report."""
        # the judges are imported when there is something for them: few archives hold more than pickles
        if self.script and _SCRIPT.search(name):
            from pvmscan.readers.torchscript import judge_script

            yield from judge_script(content[:], path)
        elif (self.package or self.served) and name.endswith(".py"):
            yield from self._judge_module(path, content[:])
        elif self.served and _MANIFEST.search(name):
            yield from _judge_manifest(content[:], path)
        elif self.exported:
            yield from _judge_exported(name, path, content)

    def _judge_module(self, path: str, content: bytes) -> Iterator[Item]:
        from pvmscan.pymodule import SPECIAL
        from pvmscan.readers.pysources import ANY, judge_module

        if self.package:
            why = "torch.package runs this module when the package is loaded"
            yield from judge_module(content, path, why, self._named_in_pickles(content), SPECIAL)
        else:
            yield from judge_module(
                content, path, "TorchServe imports this module", frozenset(), frozenset({ANY})
            )

    def _named_in_pickles(self, source: bytes) -> frozenset[str]:
        """Functions of a module whose names stand in a pickle, between the marks that end or count a name."""
        defined = set(re.findall(rb"^[ \t]*def[ \t]+(\w+)", source, re.MULTILINE))
        cut = len(self._pickles) >= _LIMIT  # then what stands behind may name any of them
        return frozenset(
            name.decode("utf-8", "replace")
            for name in defined
            if cut or re.search(rb"[\n\x00-\x40.]" + re.escape(name) + rb"[\n\x93\x94q.]", self._pickles)
        )


def _judge_exported(name: str, path: str, content: Buffer) -> Iterator[Item]:
    from pvmscan.readers import torchexport

    if _GRAPH.search(name):
        yield from torchexport.judge_graph(content[:], path)
    elif _CONFIG.search(name):
        yield from torchexport.judge_config(content[:], path)
    elif _NATIVE.search(name):
        yield torchexport.native_part(path)


def _judge_manifest(content: bytes, path: str) -> Iterator[Item]:
    """What TorchServe does with the archive: imports a handler, installs requirements."""
    try:
        manifest: Any = json.loads(content)
        model = manifest.get("model", {})
        stated = {
            key: model.get(key) for key in ("handler", "requirementsFile", "serializedFile", "modelFile")
        }
    except (ValueError, RecursionError, AttributeError):
        yield Problem("the manifest of a model archive cannot be read", Location(path, 0), "unreadable")
        return
    for key, what in (
        ("handler", "TorchServe hands requests to this handler"),
        ("modelFile", "TorchServe imports this module for the model's class"),
        ("requirementsFile", "TorchServe may install the packages of this file"),
    ):
        value = stated[key]
        if isinstance(value, str):
            yield Fact(
                f"served/{key.lower()}",
                f"{what}: {value}.",
                Verdict.UNVERIFIED,
                path,
                0,
                effect="code-execution",
            )
    for key, value in stated.items():
        if isinstance(value, str) and (value.startswith("/") or ".." in value.replace("\\", "/").split("/")):
            message = f"The manifest's {key} leads out of the archive: {value}."
            yield Fact("served/path-outside", message, Verdict.SUSPICIOUS, path, 0, effect="structure")
