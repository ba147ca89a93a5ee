"""Styled lines: made once, wrapped by one rule, then written plain or with terminal colours.

So the words are the same either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from pvm import regex
from pvm.hints import TypeAlias
from pvm.records import NamedTuple, dataclass, field
from pvmscan.formats._safe import split_at, width_of

Span: TypeAlias = tuple[str, str]
"""Safe text and the name of a style in `STYLES`, or an empty name."""

STYLES = {
    "dangerous": "bold white on red",
    "suspicious": "bold black on yellow",
    "incomplete": "bold magenta",
    "unverified": "bold cyan",
    "clean": "green",
    "skipped": "dim",
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "cyan",
    "info": "dim",
    "title": "bold",
    "label": "dim",
    "dim": "dim",
    "payload": "bold yellow",
    "arrow": "cyan",
}

_PIECES = regex.later(r" +|[^ ]+")
MIN_WIDTH = 20
GLUE = "\xa0"
"""A space that holds words together until they are written; safe text never has one of its own."""
MIN_PIECE = 8
"""Columns that must be left on a line to begin a word there that has to be cut."""


class Line(NamedTuple):
    """One logical line: styled spans, and how far its continuation lines are indented."""

    spans: tuple[Span, ...] = ()
    hang: int = 0


@dataclass(slots=True)
class Page:
    """Lines in order."""

    lines: list[Line] = field(default_factory=list)

    def add(self, *spans: Span | str, hang: int = 0) -> None:
        """Add a line; a bare string is a span without style."""
        self._append(Line(tuple((span, "") if isinstance(span, str) else span for span in spans), hang))

    def gap(self) -> None:
        """Add an empty line, unless there is one already or nothing comes before it."""
        if self.lines and self.lines[-1].spans:
            self._append(Line())

    def render(self, width: int | None = None, colour: bool = False) -> str:
        """The whole page as text; every line ends with a newline."""
        return "".join(text for line in self.lines for text in _written(line, width, colour))

    def _append(self, line: Line) -> None:
        self.lines.append(line)


class Roll(Page):
    """A page that is written as it grows, and keeps only its last line."""

    def __init__(self, put: Callable[[str], object], width: int | None = None, colour: bool = False) -> None:
        super().__init__()
        self._put = put
        self._how = width, colour

    def _append(self, line: Line) -> None:
        self.lines = [line]
        for text in _written(line, *self._how):
            self._put(text)


def _written(line: Line, width: int | None, colour: bool) -> Iterator[str]:
    write = _coloured if colour else _plain
    return (write(row) + "\n" for row in wrap(line, width))


def wrap(line: Line, width: int | None) -> Iterator[list[Span]]:
    """Break a line at spaces so that it fits; a word that cannot fit is cut."""
    if width is None or _columns(line.spans) <= width:
        yield list(line.spans)
        return
    width = max(width, MIN_WIDTH)
    indent = " " * min(line.hang, width // 2 - 4)
    row: list[Span] = []
    used = fresh = 0
    for word in _words(line.spans):
        if word[0][0].startswith(" "):
            row += word if used > fresh or not fresh else []
            used += _columns(word) if used > fresh or not fresh else 0
            continue
        size = _columns(word)
        fits_on_a_line = size <= width - len(indent)
        if used > fresh and used + size > width and (fits_on_a_line or width - used < MIN_PIECE):
            yield _trimmed(row)
            row, used, fresh = [(indent, "")], len(indent), len(indent)
        for text, style in word:
            while used + width_of(text) > width:
                head, text = split_at(text, width - used) if width - used > 1 else ("", text)
                yield [*row, (head, style)]
                row, used, fresh = [(indent, "")], len(indent), len(indent)
            row.append((text, style))
            used += width_of(text)
    if any(text.strip() for text, _ in row):
        yield _trimmed(row)


def _columns(spans: Iterable[Span]) -> int:
    return sum(width_of(text) for text, _ in spans)


def _words(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Words, which may reach over several spans, and the spaces between them."""
    word: list[Span] = []
    for text, style in spans:
        for match in _PIECES.finditer(text):
            if word and match[0].startswith(" ") != word[-1][0].startswith(" "):
                yield word
                word = []
            word.append((match[0], style))
    if word:
        yield word


def _trimmed(row: list[Span]) -> list[Span]:
    while row and not row[-1][0].strip():
        row = row[:-1]
    return row


def glued(text: str) -> str:
    """Text that is not broken at its spaces, if a line is wide enough for it."""
    return text.replace(" ", GLUE)


def _plain(row: list[Span]) -> str:
    return "".join(text for text, _ in row).replace(GLUE, " ").rstrip()


def _coloured(row: list[Span]) -> str:
    from rich.color import ColorSystem
    from rich.style import Style

    parts = []
    for style, group in groupby(row, key=lambda span: span[1]):
        text = "".join(piece for piece, _ in group)
        if style:
            text = Style.parse(STYLES[style]).render(text, color_system=ColorSystem.STANDARD)
        parts.append(text)
    return "".join(parts).replace(GLUE, " ").rstrip()
