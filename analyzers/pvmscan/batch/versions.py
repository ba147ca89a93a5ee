"""What a verdict depends on besides the content: the tool, its knowledge to the last rule, and plug-ins."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from hashlib import blake2b

import pvm
from pvmscan.knowledge import KNOWLEDGE_VERSION
from pvmscan.knowledge.rulefiles import FILES, FOLDER, source
from pvmscan.plugins import installed
from pvmscan.policy import Policy


@cache
def knowledge() -> str:
    """Version of the knowledge, and a digest of its rule files: `2026.11+0123456789abcdef`."""
    digest = blake2b(derived().encode("ascii"), digest_size=8)
    for name in FILES:
        digest.update(source(name))
    return f"{KNOWLEDGE_VERSION}+{digest.hexdigest()}"


@cache
def derived() -> str:
    """Digest of what was derived from the source of packages."""
    digest = blake2b(source("derived.toml"), digest_size=8)
    folder = os.path.join(FOLDER, "derived")
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                digest.update(name.encode("utf-8") + b"\0" + file.read())
    return digest.hexdigest()


def tool() -> str:
    """Version of everything else that judges: `0.1.0`, with the plug-ins that are installed."""
    added = installed()
    return f"{pvm.__version__} with {added}" if added else pvm.__version__


def versions() -> dict[str, str]:
    """Both, as journals have them and workers compare them."""
    return {"pvmscan": tool(), "knowledge": knowledge()}


def with_policy(policy: Policy) -> dict[str, str]:
    """The same for a journal whose records a policy was applied to: another one would say something else."""
    if policy == Policy(source=policy.source):
        return versions()
    digest = blake2b(repr(replace(policy, source=None)).encode("utf-8", "surrogatepass"), digest_size=8)
    return versions() | {"policy": digest.hexdigest()}
