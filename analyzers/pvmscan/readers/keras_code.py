"""The bytecode of Lambda layers, and pickled torch modules inside a config: what would they do?"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator

from pvm.hints import Any
from pvmscan.knowledge.code_names import computes, dangerous_in_layer, reads_files, reflective
from pvmscan.readers.base import Item, Source
from pvmscan.readers.bytecode import uses
from pvmscan.readers.keras_place import Place, Trail, outside
from pvmscan.readers.marshalled import Code, NotMarshal, TooLarge, read_code
from pvmscan.report import Problem, Severity, Verdict

MAX_CODE = 16 << 20
_BASE64_CODE = re.compile(r"\s*[4Y]\s*w")
"""Base64 of `e3` or `63`, with which a marshalled code object begins."""
_HIDDEN = re.compile(r"__(globals|builtins|subclasses|import|code|loader|dict)__")
_DOTTED = re.compile(r"[A-Za-z_][\w.]*")
_WORD = re.compile(rb"[A-Za-z_][\w.]{1,60}")


def looks_like_code(text: str) -> bool:
    """Could it be a code object, as base64 or as it stands?"""
    return len(text) > 40 and (_BASE64_CODE.match(text) is not None or text[0] in "c\xe3")


def encodings(text: str) -> Iterator[bytes]:
    """The bytes that `func_load` makes of a text: base64, or, where it is none, its characters (Keras 3.15.1)."""
    with contextlib.suppress(ValueError):  # binascii.Error is one
        yield base64.b64decode(text.encode("ascii"))
    with contextlib.suppress(ValueError):
        yield text.encode("raw_unicode_escape")


def code_item(text: str, place: Place, trail: Trail, *, certain: bool = False) -> Iterator[Item]:
    """What the code names; `certain` if the config says that it is code."""
    if len(text) > MAX_CODE:
        yield Problem("the code of a Lambda layer is larger than the limit allows", place.location(), "limit")
        return
    reason, plain = "no base64", b""
    for data in encodings(text):
        try:
            code = read_code(data)
        except NotMarshal as error:
            reason, plain = str(error), plain + data
            certain = certain or isinstance(error, TooLarge)
            continue
        yield _judged(code, text, place, trail)
        return
    if not certain:
        return
    words = [word.decode() for word in _WORD.findall(plain)]
    if dangerous_in_layer(words):
        yield _fact(dangerous_in_layer(words), [], words, text, place, trail)
    message = f"the code of a Lambda layer cannot be read ({reason}), at {trail.text()}"
    yield Problem(message, place.location(), "malformed")


def _judged(code: Code, text: str, place: Place, trail: Trail) -> Item:
    """The judgement of code by what it looks up, and by texts in it: names to look up, files to read."""
    names, constants, found = code.names(), code.constants(), uses(code)
    computing = found.roots is not None and computes(found.roots)
    bad, odd = dangerous_in_layer(found.paths, computing=computing), reflective(found.paths)
    if odd and not bad:  # the name is a text that it looks up
        bad = dangerous_in_layer(one for one in constants if _DOTTED.fullmatch(one))
    opens = reads_files(names)
    odd += [one[:60] for one in constants if _HIDDEN.search(one) or (opens and outside(one))]
    payload = [*found.paths, *(repr(one) for one in constants if one not in names)]
    return _fact(bad, odd, payload, text, place, trail)


def _fact(bad: list[str], odd: list[str], payload: list[str], text: str, place: Place, trail: Trail) -> Item:
    verdict = Verdict.DANGEROUS if bad else Verdict.SUSPICIOUS if odd else Verdict.UNVERIFIED
    if bad or odd:
        says = f", and the code names {', '.join((bad or odd)[:6])}."
    else:
        says = "; nothing that the code names reaches beyond computing."
    return place.fact(
        "lambda",
        f"A Lambda layer carries Python bytecode, which runs when the model is built or called{says}",
        verdict,
        trail,
        effect="code-execution",
        payload=", ".join(payload[:40])[:1000] or None,
        needle=text,
        severity=Severity.CRITICAL if bad else Severity.HIGH if odd else Severity.LOW,
    )


def torch_archive(value: Any, place: Place, trail: Trail) -> Iterator[Item]:
    """The pickled torch module of a `TorchModuleWrapper`: `torch.load` without restriction (CVE-2025-49655)."""
    if isinstance(value, dict):  # as `__bytes__`
        inner = value.get("config")
        value = inner.get("value") if isinstance(inner, dict) else None
    if not isinstance(value, str):
        return
    try:
        data = base64.b64decode(value)
    except ValueError:
        data = value.encode("latin-1", "replace")
    member = f"{place.member}!{trail.text()}" if place.member else trail.text()
    source = place.source
    yield place.fact(
        "torch-module",
        "A layer wraps a pickled torch module, which is unpickled without restriction when the model is loaded.",
        Verdict.UNVERIFIED,
        trail,
        effect="deserialisation",
        needle=value,
    )
    yield Source(data, source.name, member, source.depth + 1, expected=True, loader="c-stream")
