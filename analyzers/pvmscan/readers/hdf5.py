"""HDF5 files: the config of a Keras model, pickles in attributes and datasets, and links that lead elsewhere.

The file is surveyed by `hdf5file`, in one step; here the survey is judged. A signature stands at 0, 512, 1024,
2048 and so on; what lies before it is a user block, free for any content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.hdf5file import Elsewhere, Text, examine
from pvmscan.readers.hdf5types import like_a_file
from pvmscan.readers.keras_config import judge, judge_parsed, may_be_config, names_classes, parse
from pvmscan.readers.keras_place import Place, outside
from pvmscan.report import Confidence, Location, Problem, Step, Verdict

MAX_LINKS = 500
MAGIC = b"\x89HDF\r\n\x1a\n"
_NUMBERED = re.compile(r"(?P<base>.*@(model|training)_config)(?P<number>\d+)")
_CONFIG = re.compile(rb'\{\s*"(class_name|module|config|name|registered_name)"\s*:')
_KERAS_NAMES = frozenset(
    {
        "model_config",
        "training_config",
        "keras_version",
        "layer_names",
        "model_weights",
        "optimizer_weights",
        "top_level_model_weights",
        "_layer_checkpoint_dependencies",
        "vars",
    }
)
"""What the root of a file holds that Keras has written (`legacy_h5_format.py` and `saving_lib.py` of Keras 3.15.1)."""
_KINDS = {
    "external-link": ("a link to another file", "External links"),
    "external-storage": ("a dataset whose bytes are those of another file", "External storage"),
    "virtual-dataset": ("a dataset made of parts of other files", "Virtual datasets"),
}


def signature(source: Source) -> int:
    """Where the signature stands; -1 if there is none."""
    at = 0
    while at < len(source.data):
        if source.data[at : at + 8] == MAGIC:
            return at
        at = at * 2 or 512
    return -1


class Hdf5:
    """One file in this format."""

    id = "hdf5"

    def sniff(self, source: Source) -> bool:
        """By the signature, wherever it may stand."""
        return signature(source) >= 0

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Configs judged, pickles as sources, links as facts."""
        found = examine(source, isolated=budget.isolated)
        place = Place(source, source.member, 0)
        keras = bool(_KERAS_NAMES & set(found.names)) or ".weights.h5" in (source.member or source.name)
        for text in _joined(found.texts):
            yield from _text(source, text, budget)
        for one in found.elsewhere[:MAX_LINKS]:
            yield _elsewhere(source, one, keras)
        if len(found.elsewhere) > MAX_LINKS:
            yield Problem("more links to other files than the limit allows", place.location(), "limit")
        for path, declared, stored in found.huge if keras else ():
            yield _fact(
                source,
                "hdf5/inflated",
                f"The dataset {path} says that it has {declared} bytes and stores {stored} (CVE-2026-0897).",
                Verdict.SUSPICIOUS,
                path,
                "resource-exhaustion",
            )
        for path, kind, reason in found.faults:
            if kind == "filter":
                message = f"The bytes of {path} are not looked at: {reason}."
                yield _fact(source, "hdf5/filter", message, Verdict.UNVERIFIED, path)
            else:
                yield Problem(f"HDF5, {path}: {reason}", Location(source.member, None), kind)
        if found.faults:
            yield from _fallback(source, place)
        start = signature(source)
        yield Recognised(
            "hdf5", whole=not found.faults and start == 0 and _end(source, start) >= len(source.data)
        )


def _joined(texts: list[Text]) -> Iterator[Text]:
    """Configs that are split over numbered attributes are one text."""
    parts: dict[str, dict[int, bytes]] = {}
    for text in texts:
        match = _NUMBERED.fullmatch(text.path)
        if match is None:
            yield text
        else:
            parts.setdefault(match["base"], {})[int(match["number"])] = text.content
    for path, numbered in parts.items():
        yield Text(path, b"".join(numbered[number] for number in sorted(numbered)))


def _text(source: Source, text: Text, budget: Budget) -> Iterator[Item]:
    content = text.content
    named = text.path.endswith(("@model_config", "@training_config"))
    if named or (content.lstrip()[:1] in (b"{", b"[") and may_be_config(content)):
        try:
            parsed = parse(content.decode("utf-8", "surrogateescape"))
        except ValueError as error:
            if named or b"class_name" in content:
                where = _place(source, text).location()
                yield Problem(f"a Keras config that cannot be read: {error}", where, "malformed")
            return
        if names_classes(parsed.config):
            yield from judge_parsed(parsed, _place(source, text))
    elif content[-1:] == b"." or like_a_file(content):
        # PyTables takes every attribute that ends in a full stop for a pickle (3.11.1, `tables/attributeset.py`)
        budget.members -= 1
        if budget.members >= 0:
            yield Source(content, source.name, _place(source, text, find=False).member, source.depth + 1)
        elif budget.members == -1:
            yield Problem("more values to look at than the limit allows", Location(source.member), "limit")


def _place(source: Source, text: Text, *, find: bool = True) -> Place:
    """Where a text stands in the file: as it is, unless its storage is compressed."""
    member = f"{source.member}!{text.path}" if source.member else text.path
    at = source.data.find(text.content[:64]) if find else -1
    return Place(source, member, at if at >= 0 else None)


def _elsewhere(source: Source, one: Elsewhere, keras: bool) -> Fact:
    what, title = _KINDS[one.kind]
    files = [target for target in one.targets if target not in ("", ".")]
    away = any(outside(target) for target in files[: 1 if one.kind == "external-link" else None])
    serious = keras or away
    return _fact(
        source,
        f"hdf5/{one.kind}",
        f"{one.path} is {what}: {', '.join(files[:3])[:200]}. {title} make a reader open files that the file names"
        + (", and no model needs them (CVE-2026-1669)." if keras else "."),
        Verdict.SUSPICIOUS if serious else Verdict.UNVERIFIED,
        one.path,
        "file-read",
        ", ".join(files)[:500] or None,
    )


def _fact(
    source: Source,
    rule: str,
    message: str,
    verdict: Verdict,
    path: str,
    effect: str = "structure",
    payload: str | None = None,
) -> Fact:
    member = f"{source.member}!{path}" if source.member else path
    needle = (payload or path.rpartition("/")[2]).partition(",")[0].encode()
    at = source.data.find(needle) if needle else -1
    offset = at if at >= 0 else None
    chain = (Step("item", path, offset),)
    return Fact(rule, message, verdict, member, offset, effect, None, Confidence.CERTAIN, payload, chain)


def _fallback(source: Source, place: Place) -> Iterator[Item]:
    """Where the library gave up: configs that stand in the file as they are, should another reader get at them."""
    decoder = json.JSONDecoder()
    position, tries = 0, 50
    while tries and (match := _CONFIG.search(source.data, position)):
        tries -= 1
        start = match.start()
        text = bytes(source.data[start : start + (1 << 20)]).decode("latin-1")
        position = match.end()
        try:
            config, length = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            continue
        position = start + length
        if names_classes(config):
            yield from judge(config, Place(source, place.member, start))


def _end(source: Source, start: int) -> int:
    """Where the file ends by its superblock, if offsets have eight bytes (HDF5 file format 3.0, II.A)."""
    data = source.data
    version = data[start + 8] if len(data) > start + 8 else 255
    if version > 3 or data[start + (13 if version < 2 else 9)] != 8:
        return -1
    at = start + {0: 40, 1: 44, 2: 28, 3: 28}[version]
    return start + int.from_bytes(data[at : at + 8], "little")
