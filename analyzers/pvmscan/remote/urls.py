"""Names of sources elsewhere: which they are, what may be fetched, and how they are shown.

A name never carries a secret: user names and passwords in it are refused, and what stands behind a `?` (signed
addresses) is fetched but not shown. Secrets come from the environment only: `HF_TOKEN` for the hub, what fsspec's
file systems read for theirs, and `PVMSCAN_HTTP_TOKEN`, sent as a bearer token to the one host that
`PVMSCAN_HTTP_TOKEN_HOST` names.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from pvm.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from pvmscan.remote.allowed import AllowList

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|hf:|models:/")
"""Two characters at least: one is a drive of Windows."""


class Refused(OSError):
    """The policy, or the server, does not let the source be fetched. Trying again is of no use."""


def _hosts() -> frozenset[str]:
    return frozenset(os.environ.get("PVMSCAN_REDIRECT_HOSTS", "").lower().replace(",", " ").split())


@dataclass(frozen=True, slots=True)
class Policy:
    """What fetching one source may cost, and where it may lead."""

    fetched_bytes: int = 8 << 30
    seconds: float = 600.0
    """For the whole source: a server that drips does not hold the scan."""
    timeout: float = 30.0
    """Seconds that a server may be silent."""
    attempts: int = 3
    pause: float = 0.5
    """Seconds before the second attempt, doubled before each further one."""
    redirects: int = 5
    redirect_hosts: frozenset[str] = field(default_factory=_hosts)
    """Other hosts that a server may send us to, from `PVMSCAN_REDIRECT_HOSTS`."""
    allow: AllowList | None = None
    """Where the name of a source comes from somebody else: what may be fetched at all."""


def is_remote(name: str) -> bool:
    """Does the name say where the source is, other than by a path?"""
    return _SCHEME.match(name) is not None


def address(name: str) -> str:
    """The address in full: `hf:owner/name` is short for `hf://owner/name`. Raise `Refused` for secrets in it."""
    if name[:3] == "hf:" and name[:5] != "hf://":
        name = "hf://" + name[3:]
    if name.startswith(("http://", "https://")):
        try:
            parts = urlsplit(name)
            _ = parts.port  # it is parsed only now
        except ValueError as error:
            raise Refused(f"is no address: {error}") from None
        if parts.username is not None or parts.password is not None:
            raise Refused("a user name or a password stands in the address; give it in the environment")
        if not parts.hostname or re.search(r"[\x00-\x20\x7f]", name):
            raise Refused("is no address of a host")
    return name


def shown(name: str) -> str:
    """The name as reports have it: without user, password, query and fragment."""
    if not is_remote(name):
        return name
    bare, *hidden = re.split(r"[?#]", name, maxsplit=1)
    scheme, mark, rest = bare.partition("://")
    place, slash, path = rest.partition("/")
    if scheme in ("http", "https"):
        place = place.rpartition("@")[2]
    return f"{scheme}{mark}{place}{slash}{path}" + ("?..." if hidden else "")


def redirected(url: str, location: str, policy: Policy) -> str:
    """Where a redirect leads, if the policy allows it: the same host, without loss of encryption, or a listed one.

    With an allow-list that is not enough: it has to have the target too.
    """
    target = address(urljoin(url, location))
    old, new = urlsplit(url), urlsplit(target)
    if new.scheme not in ("http", "https") or (old.scheme == "https" and new.scheme == "http"):
        raise Refused(f"the server redirects to {shown(target)}, which is no https address")
    if policy.allow is not None and new.hostname not in policy.redirect_hosts:
        return policy.allow.canonical(target)
    if _place(old) != _place(new) and new.hostname not in policy.redirect_hosts:
        raise Refused(
            f"the server redirects to another host, {new.netloc}; PVMSCAN_REDIRECT_HOSTS={new.hostname} allows it"
        )
    return target


def authorisation(url: str) -> dict[str, str]:
    """The header with the token, for the host that it is meant for. Raise `Refused` for one that no header takes."""
    token, host = os.environ.get("PVMSCAN_HTTP_TOKEN"), os.environ.get("PVMSCAN_HTTP_TOKEN_HOST", "")
    meant = host.lower() in (urlsplit(url).netloc.lower(), urlsplit(url).hostname)
    if not (token and host and meant):
        return {}
    if re.fullmatch(r"[\x21-\x7e]+", token) is None:  # whoever makes the request would tell it in the error
        raise Refused("PVMSCAN_HTTP_TOKEN has characters that no header takes")
    return {"Authorization": f"Bearer {token}"}


def _place(parts: SplitResult) -> tuple[str | None, int | str]:
    """Host and port; the ports that belong to the schemes are one place."""
    standard = {"http": 80, "https": 443}[parts.scheme]
    return parts.hostname, "standard" if parts.port in (None, standard) else parts.port or 0
