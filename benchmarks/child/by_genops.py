"""Reads the opcodes as the standard library does, and keeps none."""


def prepare():  # type: ignore[no-untyped-def]
    """A function that walks over the opcodes."""
    import pickletools
    from collections import deque

    def walk(path: str) -> None:
        with open(path, "rb") as source:
            deque(pickletools.genops(source.read()), maxlen=0)

    return walk
