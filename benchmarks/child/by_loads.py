"""Loads a file that the suite itself has made from honest objects; the driver sends no other."""

LEAST_CALLS = 2
"""What is loaded imports its library in the first call, which would be most of the time."""


def prepare():  # type: ignore[no-untyped-def]
    """A function that loads the pickle."""
    import pathlib
    import pickle
    import sys

    sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "loadable"))

    def load(path: str) -> None:
        with open(path, "rb") as source:
            pickle.loads(source.read())

    return load
