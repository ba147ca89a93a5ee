"""Files of everything that fsspec knows: hubs, buckets, file systems. Its libraries hold the credentials."""

from __future__ import annotations

from pvm.hints import Any
from pvmscan.readers import Buffer
from pvmscan.readers.pieces import TAIL, Pieces
from pvmscan.remote.fetch import Passing, Traffic, side_by_side
from pvmscan.remote.urls import Refused

_IDENTITY = (
    "size",
    "ETag",
    "etag",
    "md5",
    "mtime",
    "LastModified",
    "last_modified",
    "generation",
    "blob_id",
    "ino",
)
"""Fields of `info()` that change with the content, under the names that the file systems give them."""
_PASSING = (TimeoutError, ConnectionError)


def file_system(url: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it; raise `Refused` where a library for it is missing."""
    try:
        import fsspec
    except ImportError:
        raise Refused("fsspec is needed to read it: pip install 'pvmscan[remote]'") from None
    try:
        # no cache of listings: whether a file has changed is asked of the server
        found: tuple[Any, str] = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise Refused(f"a library is missing: {error}") from None
    except Exception as error:
        raise told(error) from None
    return found


def told(error: Exception) -> OSError:
    """What a file system's library raised, as a fault of ours; passing ones may be tried again."""
    if isinstance(error, FileNotFoundError):
        return Refused("there is no such file")
    status = getattr(getattr(error, "response", None), "status_code", None)
    passing = isinstance(error, _PASSING) or status in (429, 500, 502, 503, 504)
    kind = type(error).__name__
    # the message may quote a request with its secrets, so the kind and the status have to do
    text = f"the library for it failed: {kind}" + (f" (HTTP {status})" if status else "")
    return Passing(text) if passing else Refused(text)


class Store:
    """A file of an fsspec file system."""

    def __init__(self, url: str, traffic: Traffic) -> None:
        self.traffic = traffic
        self.system, self.path = file_system(url)
        self.identity: tuple[Any, ...] = ()

    def open(self) -> Pieces | Buffer:
        """By pieces: every file system of fsspec reads ranges."""
        info = self.traffic.attempt(self._info)
        size = info.get("size")
        if info.get("type") == "directory":
            raise Refused("is a folder")
        if not isinstance(size, int):
            raise Refused("its size cannot be told")
        self.identity = _identity(info)
        pieces = Pieces(size, self._fetch, lambda spans: side_by_side(spans, self._fetch))
        if size:
            tail = max(size - TAIL, 0)
            pieces.keep(tail, self._fetch(tail, size))
        return pieces

    def close(self) -> None:
        """Ask once more what the file is."""
        if _identity(self.traffic.attempt(self._info)) != self.identity:
            raise Refused("the file changed while it was read")

    def _info(self) -> dict[str, Any]:
        try:
            self.system.invalidate_cache()
            info: dict[str, Any] = self.system.info(self.path)
        except Exception as error:
            raise told(error) from None
        return info

    def _fetch(self, start: int, stop: int) -> bytes:
        self.traffic.allow(stop - start)
        return self.traffic.attempt(lambda: self._piece(start, stop))

    def _piece(self, start: int, stop: int) -> bytes:
        try:
            data = bytes(self.system.cat_file(self.path, start=start, end=stop))
        except Exception as error:
            raise told(error) from None
        self.traffic.came(len(data))
        if len(data) != stop - start:
            raise Passing(f"{len(data)} bytes came instead of {stop - start}")
        return data


def _identity(info: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(str(info.get(key)) for key in _IDENTITY)
