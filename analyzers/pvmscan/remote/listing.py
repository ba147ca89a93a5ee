"""Folders elsewhere: the files of a repository, of a bucket, of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pvmscan.remote.fetch import Traffic
from pvmscan.remote.stores import file_system, told
from pvmscan.remote.urls import Policy, Refused, address

MAX_FILES = 1_000_000
_STRONG = ("blob_id", "ETag", "etag", "md5Hash", "content_md5")
"""Under which names stores list a digest of the content, or a strong entity tag: the hub, S3, Google, Azure."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file and its size in bytes, where it is known."""

    url: str
    size: int | None
    etag: str | None = None
    """What names the content for good, if the store says that."""


def listing(name: str, policy: Policy | None = None) -> Iterator[Listed]:
    """The file itself, or the files of a folder in the order of their names. Raise `OSError` if it cannot be told.

    A web server has no folders: there every address is a file.
    """
    url = address(name)
    if url.startswith(("http://", "https://")):
        yield Listed(name, None)
        return
    if url.startswith("models:/"):
        from pvmscan.remote.models import files

        yield from (Listed(one, size) for one, size in files(url))
        return
    system, path = file_system(url)

    def find() -> dict[str, dict[str, object]]:
        try:
            system.invalidate_cache()
            found: dict[str, dict[str, object]] = system.find(path, detail=True)
        except Exception as error:
            raise told(error) from None
        return found

    found = Traffic(policy or Policy()).attempt(find)
    if not found:
        raise Refused("there is no such file, nor a folder with files")
    if len(found) > MAX_FILES:
        raise Refused(f"it has more than {MAX_FILES} files")
    for one in sorted(found):
        size = found[one].get("size")
        etag = next((value for key in _STRONG if isinstance(value := found[one].get(key), str)), None)
        yield Listed(str(system.unstrip_protocol(one)), size if isinstance(size, int) else None, etag)
