"""Which policy a command follows, and what is said of it on standard error."""

from __future__ import annotations

import os

from pvm.hints import TYPE_CHECKING, Any
from pvmscan_cli.common import message
from pvmscan_cli.failures import wrong_usage

if TYPE_CHECKING:
    from pvmscan.policy import Policy
    from pvmscan.scan import ScanOptions

VARIABLE = "PVMSCAN_CONFIG"
MEMORY = 240
"""MiB that judging one file may take, unless it is said otherwise."""


def policy_for(sources: tuple[str, ...], config: str | None, ignore: bool) -> Policy:
    """The policy of `--config`, of the environment, or of the current folder, unless that is scanned itself."""
    from pvmscan import policy

    config = None if ignore else config or os.environ.get(VARIABLE)
    if config is None and not ignore:
        config, refused = policy.find(".", sources)
        if refused is not None:
            message(
                f"{refused} lies with what is scanned and was not read; --config {refused} uses it, "
                "--no-config is silent"
            )
    return policy.Policy() if config is None else _read(config)


def _read(path: str) -> Policy:
    from pvmscan.policy import PolicyError, load

    try:
        policy = load(path)
    except PolicyError as error:
        raise wrong_usage(str(error)) from None
    for entry in policy.expired():
        message(f"{path}: this entry has expired and no longer counts: {entry}")
    return policy


def scan_options(
    policy: Policy, seconds: float | None = None, isolated: bool = True, memory: int | None = None
) -> ScanOptions:
    """What a scan may spend: by its options, else by the policy. `memory` is in MiB."""
    from pvmscan.scan import ScanOptions

    limits: dict[str, Any] = {"memory_bytes": MEMORY << 20, **policy.limits}
    if memory is not None:
        limits["memory_bytes"] = memory << 20
    if seconds is not None:
        limits["seconds"] = seconds
    return ScanOptions(**limits, isolated=isolated and policy.isolation)


def with_knowledge(limits: ScanOptions, packages: tuple[str, ...], resolve_installed: bool) -> ScanOptions:
    """The options, with the packages whose source is asked: those that are named, and those that were added."""
    from pvmscan.knowledge.shards import added

    named = (*added(), *packages)
    if not named and not resolve_installed:
        return limits
    from dataclasses import replace

    from pvmscan.knowledge.derive.ondemand import PackageError
    from pvmscan.scan import knowledge_of

    try:
        knowledge_of(named, resolve_installed)  # what cannot be read is told before anything is scanned
    except PackageError as error:
        raise wrong_usage(str(error)) from None
    return replace(limits, packages=named, resolve_installed=resolve_installed)
