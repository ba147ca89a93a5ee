"""Reads the bytes, a mebibyte at a time."""

SIZE = 1 << 20


def prepare():  # type: ignore[no-untyped-def]
    """A function that reads the file."""

    def read(path: str) -> None:
        buffer = bytearray(SIZE)
        with open(path, "rb", buffering=0) as source:
            while source.readinto(buffer):
                pass

    return read
