"""One self-contained page: style, script and data in one file that asks nothing of the network.

What a scanned file says is data only: JSON in a block that no browser runs, put into the page as text. The
content security policy allows this style and this script by their digests, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from html import escape
from pathlib import Path

from pvm.hints import TYPE_CHECKING, Any
from pvmscan.formats._looks import tables
from pvmscan.formats.json_ import dumps

if TYPE_CHECKING:
    import networkx as nx

FOLDER = Path(__file__).with_name("page")
SCRIPTS = ("dom.js", "graph.js", "report.js")
FRAME_HEIGHT = 640
"""Pixels that a page takes in a notebook."""
_MARKS = re.compile("[<>&]")
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def page(data: dict[str, Any], title: str) -> str:
    """The page for some data, which `page/report.js` reads."""
    style, script = _style(), _script()
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )
    parts = {
        "policy": escape(policy),
        "title": escape(title),
        "style": style,
        "data": harmless_json(data),
        "script": script,
    }
    return _SLOT.sub(lambda match: parts[match[1]], (FOLDER / "page.html").read_text("utf-8"))


def harmless_json(data: Any) -> str:
    """JSON that cannot end the block it stands in: ASCII, and the marks of HTML as escapes."""
    return _MARKS.sub(lambda mark: f"\\u{ord(mark[0]):04x}", dumps(data, indent=None))


def framed(text: str) -> str:
    """The page as a frame for a notebook: its script runs apart from the notebook's own page."""
    return (
        f'<iframe srcdoc="{escape(text)}" sandbox="allow-scripts" title="pvmscan" '
        f'style="width:100%;height:{FRAME_HEIGHT}px;border:0"></iframe>'
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _script() -> str:
    return "".join((FOLDER / name).read_text("utf-8") for name in SCRIPTS)


@cache
def _style() -> str:
    """The style sheet, after the colours of verdicts and effects in light and dark."""
    rules = [
        f"--{name}:light-dark({one['light']},{one['dark']});" for name, one in tables()["verdicts"].items()
    ]
    rules += [
        f"--fill-{name or 'none'}:light-dark({one['fill']},{one['dark']});"
        f"--line-{name or 'none'}:light-dark({one['line']},{one['fill'] if name else one['line']});"
        for name, one in tables()["effects"].items()
    ]
    classes = [
        f".effect-{name or 'none'}{{--fill:var(--fill-{name or 'none'});--line:var(--line-{name or 'none'})}}"
        for name in tables()["effects"]
    ]
    classes += [f".is-{name}{{--tone:var(--{name})}}" for name in tables()["verdicts"]]
    sheet = (FOLDER / "page.css").read_text("utf-8")
    return f":root{{{''.join(rules)}}}{''.join(classes)}\n{sheet}"


def drawing(graph: nx.MultiDiGraph[Any], note: str = "", focus: str = "") -> dict[str, Any]:
    """A graph as the page draws it: boxes, curves, and the edges that a backward slice follows.

    `focus` is the node to begin with where not everything can be shown at once; else it is the result.
    """
    from pvmscan.formats._looks import legend
    from pvmscan.formats._safe import safe
    from pvmscan.formats._scene import scene

    drawn = scene(graph)
    index = {node: number for number, node in enumerate(graph)}
    shapes, looks = legend(graph)
    return {
        "width": round(drawn.width),
        "height": round(drawn.height),
        "note": note,
        "focus": index.get(focus, index.get("load", 0)),
        "boxes": [
            {
                "id": safe(box.node, 200),
                "x": round(box.left, 1),
                "y": round(box.top, 1),
                "w": round(box.width, 1),
                "h": round(box.height, 1),
                "d": box.outline,
                "inset": box.inset,
                "lines": [list(line) for line in box.lines],
                "tip": [list(pair) for pair in box.tip],
                "effect": box.look.effect,
                "verdict": box.look.verdict,
                "kind": safe(str(box.attributes.get("kind", "")), 40),
                "offset": box.attributes.get("offset"),
                "order": box.attributes.get("order"),
            }
            for box in drawn.boxes
        ],
        "curves": [
            {"s": one.source, "t": one.target, "d": one.path, "roles": one.roles, "both": one.both}
            for one in drawn.curves
        ],
        "edges": [
            [index[source], index[user], str(data["role"]), data["offset"], bool(data.get("later", False))]
            for source, user, data in graph.edges(data=True)
        ],
        "shapes": [words for _, words in shapes],
        "effects": [[look.effect, look.words] for look in looks],
    }
