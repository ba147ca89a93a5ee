"""The verbs of the command and what each does, in the order in which help lists them."""

from __future__ import annotations

import os
from collections.abc import Sequence

SECTIONS = {
    "Judge": {
        "scan": "Judge files and folders: what would loading them do?",
        "globals": "List every global that files name.",
        "weights-only": "Say whether PyTorch's safe loader would take a file.",
        "batch": "Judge very many sources, on one machine or a cluster; can be broken off and gone on with.",
        "rejudge": "Judge again from a cache, under the rules of today, without the files.",
        "serve": "Judge what other programs send by HTTP.",
        "diff": "Show what a new version of a file does that the old one does not.",
    },
    "Look inside": {
        "trace": "Show every opcode of a pickle and what it does.",
        "decompile": "Show a pickle as Python source.",
        "graph": "Draw what a pickle does as a graph.",
    },
    "Understand and set up": {
        "explain": "Explain a rule, or what is known of a callable.",
        "rules": "List the rules.",
        "knowledge": "List what is derived from packages' source, add to it, build it anew.",
        "init": "Write a configuration to begin with.",
        "completion": "Print the completion script of a shell.",
        "demo": "Write harmless and inert malicious sample files to play with.",
    },
}
VERBS = {verb: words for section in SECTIONS.values() for verb, words in section.items()}


def plain_paths(arguments: Sequence[str]) -> tuple[str, ...]:
    """The paths of `pvmscan PATH...` or `pvmscan scan PATH...` without an option, which need no parser; else none."""
    paths = arguments[1:] if arguments[:1] == ["scan"] else arguments
    verb = bool(arguments) and arguments[0] in VERBS and paths is arguments
    # the parser completes words for a shell, and expands patterns on Windows
    parser = verb or os.name == "nt" or "_PVMSCAN_COMPLETE" in os.environ
    return () if parser or any(path.startswith("-") for path in paths) else tuple(paths)
