"""Jinja templates, such as chat templates: do they reach for Python's objects behind the values they print?

A template that a runtime renders without a sandbox runs Python as soon as it walks from any value to its class or
its globals. Read by a lexer of its own, after Jinja 3.1 (`jinja2/lexer.py`); nothing is compiled or rendered.
Constant strings are joined, so that names which the template puts together are seen as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pvmscan.readers.data import words

_OPENING = re.compile(r"\{[{%#]")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_END_RAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_TOKEN = re.compile(
    r"\s+|(?P<string>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<name>[^\W\d]\w*)|(?P<number>\d[\w.]*)"
    r"|(?P<mark>\*\*|//|[=!<>]=|.)",
    re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|N\{[^}]{1,80}\}|[0-7]{1,3}|.)", re.DOTALL
)
_LETTERS = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "\n": "",
}  # fmt: skip
_DUNDER = re.compile(r"__\w+__")
_PARTIAL = re.compile(r"__[\w%{}]*|[\w%{}]*__")
"""Half of such a name, or one that is still to be filled in."""
_CODE_END = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[-+]?(?:\}\}|%\})", re.DOTALL)
MAX_TOKENS = 500_000
_MOST_ARGUMENTS = 64
_WIDE = re.compile(r"%[^a-zA-Z%]*(\d{4}|\*)")
"""A format that makes a long text of a short one."""
MAX_TEXT = 1 << 14
"""Characters of a joined text; what makes a longer one stays as it is, which is told."""


@dataclass(frozen=True, slots=True)
class Escape:
    """One place where a template leaves its values."""

    reason: str
    text: str
    """The expression it stands in."""
    offset: int
    """In characters."""
    certain: bool
    """It reaches Python's internals; else it only looks as if it might."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def escapes(template: str) -> Iterator[Escape]:
    """Every expression of a template that reaches beyond its values, with the worst reason."""
    constants: dict[str, str] = {}
    budget = MAX_TOKENS
    told: set[str] = set()
    for start, code in _codes(template):
        tokens = list(_tokens(code))
        budget -= len(tokens)
        if budget < 0:
            yield Escape("is too long to be read to its end", code[:80], start, False)
            return
        tokens = _join(tokens, constants)
        _remember(tokens, constants)
        reasons = sorted(_reasons(tokens), key=lambda item: not item[1])
        if reasons and reasons[0][0] not in told:
            reason, certain = reasons[0]
            told.add(reason)
            yield Escape(reason, code.strip()[:400], start, certain)


def _codes(template: str) -> Iterator[tuple[int, str]]:
    """Offset and text of what stands between delimiters; strings may hold the closing one."""
    at = 0
    while True:
        opening = _OPENING.search(template, at)
        if opening is None:
            return
        start = opening.end()
        if opening[0] == "{#":
            end = template.find("#}", start)
            at = len(template) if end < 0 else end + 2
            continue
        if _RAW.match(template, opening.start()):
            end_raw = _END_RAW.search(template, start)
            at = (
                len(template) if end_raw is None else end_raw.end()
            )  # without an end Jinja refuses the template
            continue
        stop = len(template)
        for part in _CODE_END.finditer(template, start):
            if part[0][0] not in "'\"":
                stop = part.start()
                break
        yield start, template[start:stop].removeprefix("-").removeprefix("+")
        at = max(stop, start)


def _tokens(code: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(code):
        kind = match.lastgroup
        if kind == "string":
            yield _Token("string", _literal(match[0]))
        elif kind is not None:
            yield _Token(kind, match[0])


def _literal(text: str) -> str:
    """A string as Jinja reads it: with Python's escapes."""
    return _ESCAPE.sub(_unescape, text[1:-1])


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xuU" and len(code) > 1:
        return chr(min(int(code[1:], 16), 0x10FFFF))
    if code[0] in "01234567":
        return chr(int(code, 8))
    if code[0] == "N" and len(code) > 1:
        try:
            return unicodedata.lookup(code[2:-1])
        except KeyError:
            return match[0]
    return _LETTERS.get(code, match[0])


def _join(tokens: list[_Token], constants: dict[str, str]) -> list[_Token]:
    """Put together constant strings: `'a' ~ 'b'`, `'a' + 'b'`, `'a' 'b'`, `['a', 'b']|join`, `'ba'|reverse`."""
    done: list[_Token] = []
    for number, token in enumerate(tokens):
        before = done[-1].text if done and done[-1].kind == "mark" else ""
        calls = tokens[number + 1 : number + 2] == [_Token("mark", "(")]
        if token.kind == "name" and token.text in constants and before not in (".", "|") and not calls:
            token = _Token("string", constants[token.text])
        done.append(token)
        _reduce(done, tokens[number + 1].text if number + 1 < len(tokens) else "")
    return done


def _reduce(done: list[_Token], after: str) -> None:
    """Shorten the end of a list of tokens for as long as it is an operation on constants.

    `after` is the text of the next token: filters and multiplication come before the joining of texts.
    """
    while True:
        kinds = [token.kind for token in done[-3:]]
        texts = [token.text for token in done[-3:]]
        if kinds[-2:] == ["string", "string"] and _fits(*texts[-2:]):
            done[-2:] = [_Token("string", texts[-2] + texts[-1])]
        elif (
            kinds == ["string", "mark", "string"]
            and texts[1] in ("~", "+")
            and after not in ("*", "|", ".")
            and _fits(texts[0], texts[2])
        ):
            done[-3:] = [_Token("string", texts[0] + texts[2])]
        elif (
            kinds == ["mark", "string", "mark"] and texts[0] == "(" and texts[2] == ")" and not _called(done)
        ):
            done[-3:] = [_Token("string", texts[1])]
        elif {*kinds} == {"string", "mark", "number"} and texts[1] == "*" and after != "|":
            text, count = (texts[0], texts[2]) if kinds[0] == "string" else (texts[2], texts[0])
            times = _times(count)
            if times * max(len(text), 1) > MAX_TEXT:
                return
            done[-3:] = [_Token("string", text * times)]
        elif texts[-1:] == [")"] and (called := _call_of_constant(done)):
            done[-called[0] :] = [_Token("string", called[1])]
        elif kinds == ["string", "mark", "name"] and texts[1] == "|" and texts[2] in _FILTERS:
            done[-3:] = [_Token("string", _FILTERS[texts[2]](texts[0]))]
        elif kinds[-2:] == ["mark", "name"] and texts[-2:] == ["|", "join"] and (parts := _list_before(done)):
            done[-parts[0] :] = [_Token("string", "".join(parts[1]))]
        else:
            return


def _fits(*texts: str) -> bool:
    """Are they short enough to be joined?"""
    return sum(map(len, texts)) <= MAX_TEXT


def _times(count: str) -> int:
    return int(count[:9]) if count.isdigit() else MAX_TEXT + 1


def _is_long(part: list[_Token]) -> bool:
    """Is it an operation on two constants whose result would be too long?"""
    texts = [token.text for token in part]
    match [token.kind for token in part]:
        case ["string", _, "string"]:
            return texts[1] in ("~", "+") and not _fits(texts[0], texts[2])
        case ["string", _, "number"]:
            return texts[1] == "*" and _times(texts[2]) * len(texts[0]) > MAX_TEXT
        case ["number", _, "string"]:
            return texts[1] == "*" and _times(texts[0]) * len(texts[2]) > MAX_TEXT
        case _:
            return False


_FILTERS: dict[str, Callable[[str], str]] = {
    "reverse": lambda text: text[::-1],
    "lower": str.lower,
    "upper": str.upper,
    "trim": str.strip,
    "string": str,
    "safe": str,
    "e": str,
    "escape": str,
}


def _call_of_constant(done: list[_Token]) -> tuple[int, str] | None:
    """Number of tokens and result of `'text'|filter(constants)` or `'text'.method(constants)` at the end."""
    for back in range(2, min(len(done), _MOST_ARGUMENTS)):
        if done[-back].text == "(" and done[-back].kind == "mark":
            break
        if done[-back].kind == "mark" and done[-back].text != ",":
            return None
    else:
        return None
    head = done[-back - 3 : -back]
    if [token.kind for token in head] != ["string", "mark", "name"] or head[1].text not in ("|", "."):
        return None
    arguments = [token.text if token.kind == "string" else token.text.isdigit() and int(token.text) for token in
                 done[-back + 1 : -1] if token.kind != "mark"]  # fmt: skip
    result = _applied(head[0].text, head[2].text, arguments)
    return None if result is None or len(result) > MAX_TEXT else (back + 3, result)


def _applied(text: str, name: str, arguments: list[str | int]) -> str | None:
    """What Jinja's filter or the string's method of this name makes of a text, where it is one of a few."""
    texts = [one for one in arguments if isinstance(one, str)]
    if name == "replace" and len(texts) == 2 == len(arguments) and (texts[0] or len(text) < 100):
        longest = len(text) + (text.count(texts[0]) if texts[0] else 100) * len(texts[1])
        return text.replace(texts[0], texts[1]) if longest <= 100 * MAX_TEXT else None
    if name == "format" and not _WIDE.search(text):
        try:
            return text % tuple(arguments)
        except (TypeError, ValueError, OverflowError):
            return None
    return _FILTERS[name](text) if name in _FILTERS and not arguments else None


def _called(done: list[_Token]) -> bool:
    """Do the brackets at the end hold arguments?"""
    return len(done) > 3 and (done[-4].kind == "name" or done[-4].text in (")", "]"))


def _list_before(done: list[_Token]) -> tuple[int, list[str]] | None:
    """Number of tokens and items of a list of constants in front of `|join`."""
    items: list[str] = []
    at = len(done) - 3
    if at < 0 or done[at].text not in ("]", ")"):
        return None
    opening = {"]": "[", ")": "("}[done[at].text]
    for index in range(at - 1, -1, -1):
        token = done[index]
        if token.kind == "string":
            items.append(token.text)
        elif token.kind == "mark" and token.text == opening:
            return len(done) - index, items[::-1]
        elif token.text != ",":
            return None
    return None


def _remember(tokens: list[_Token], constants: dict[str, str]) -> None:
    """`{% set name = 'constant' %}`; any other assignment makes the name unknown."""
    texts = [token.text for token in tokens]
    if texts[:1] == ["set"] and len(tokens) >= 4 and tokens[1].kind == "name" and texts[2] == "=":
        if len(tokens) == 4 and tokens[3].kind == "string":
            constants[texts[1]] = tokens[3].text
        else:
            constants.pop(texts[1], None)


def _reasons(tokens: list[_Token]) -> Iterator[tuple[str, bool]]:
    if tokens and tokens[0].kind == "name" and tokens[0].text in words("jinja", "statements"):
        yield f"uses {tokens[0].text!r}, which reads another template", False
    for number, token in enumerate(tokens):
        before = tokens[number - 1].text if number and tokens[number - 1].kind == "mark" else ""
        after = tokens[number + 1].text if number + 1 < len(tokens) else ""
        if token.kind == "string":
            yield from _string(token.text, before, after)
        elif token.kind == "name":
            yield from _name(tokens, number, before)
        elif token.kind == "mark" and _is_long(tokens[max(number - 1, 0) : number + 2]):
            yield "puts together a text that is too long to be followed", False
    yield from _subscripts(tokens)
    yield from _arguments(tokens)


def _string(text: str, before: str, after: str) -> Iterator[tuple[str, bool]]:
    """A string is harmless as text; as a subscript it is an attribute, and some are never text."""
    subscript = before == "[" and after in ("]", "%", "|", ".")
    if _DUNDER.fullmatch(text) and (subscript or text in words("jinja", "python")):
        yield f"names the attribute {text}", True
    elif subscript and (_PARTIAL.fullmatch(text) or text in words("jinja", "attributes")):
        yield f"names the attribute {text}", False
    elif text in ("__", "_") and {before, after} & {"~", "+"}:
        yield "puts a name with underscores together", False


def _name(tokens: list[_Token], number: int, before: str) -> Iterator[tuple[str, bool]]:
    text = tokens[number].text
    if _DUNDER.fullmatch(text) and (before == "." or text in words("jinja", "python")):
        yield f"reads the attribute {text}", True
    elif before == "." and text in words("jinja", "attributes"):
        yield f"reads the attribute {text}", False
    elif before == "|" and text == "attr":
        following = tokens[number + 2 : number + 4]
        if following and not _one_string(following):
            yield "reads an attribute whose name is computed", False


def _one_string(tokens: list[_Token]) -> bool:
    return tokens[0].kind == "string" and [token.text for token in tokens[1:]] in ([], [")"], [","])


def _subscripts(tokens: list[_Token]) -> Iterator[tuple[str, bool]]:
    """`x['_' * 2 ~ ...]`: a name that is computed of nothing but constants could have been written down.

    Such a subscript has operators, filters and methods, at least one text, no variable, and no comma outside of inner
    brackets. One walk over the tokens tells it of all brackets, however they are nested.
    """
    opened: list[tuple[int, bool]] = []
    """Where brackets begin, and whether they have a comma of their own."""
    text = variable = -1
    """Where the last one stands."""
    for number, token in enumerate(tokens):
        before = tokens[number - 1] if number else None
        if token.kind == "string":
            text = number
        elif token.kind == "name" and (before is None or before.text not in ("|", ".")):
            variable = number
        elif token.kind != "mark":
            continue
        elif token.text in "([{":
            opened.append((number, False))
        elif token.text == "," and opened:
            opened[-1] = opened[-1][0], True
        elif token.text in ")]}" and opened:
            start, comma = opened.pop()
            constant = text > start > variable and not comma and number - start > 2
            if constant and token.text == "]" and _is_subscript(tokens, start):
                yield "computes the name of an attribute", False


def _is_subscript(tokens: list[_Token], start: int) -> bool:
    """Does the bracket there follow a value?"""
    before = tokens[start - 1] if start else None
    value = before is not None and (before.kind != "mark" or before.text in (")", "]"))
    return value and before is not None and before.text not in words("jinja", "keywords")


def _arguments(tokens: list[_Token]) -> Iterator[tuple[str, bool]]:
    """`attr('__class__')`, `map(attribute='a.__class__')`: names may be joined by dots."""
    opened: list[bool] = []
    """Of every bracket, whether a filter that takes names stands before it."""
    for number, token in enumerate(tokens):
        if token.kind == "mark" and token.text in "([{":
            takes_names = number > 1 and tokens[number - 2].text == "|" and _takes_names(tokens[number - 1])
            opened.append(takes_names or opened[-1:] == [True])
        elif token.kind == "mark" and token.text in ")]}":
            del opened[-1:]
        elif token.kind == "string" and opened[-1:] == [True]:
            for part in token.text.split("."):
                if _DUNDER.fullmatch(part):
                    yield f"names the attribute {part}", True
                elif _PARTIAL.fullmatch(part) or part in words("jinja", "attributes"):
                    yield f"names the attribute {part}", False


def _takes_names(token: _Token) -> bool:
    return token.kind == "name" and token.text in words("jinja", "named_by_filter")
