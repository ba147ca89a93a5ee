"""The bare machine with its full trace, and no opinion."""


def prepare():  # type: ignore[no-untyped-def]
    """A function that runs the program of a pickle abstractly."""
    import pvm

    def run(path: str) -> None:
        with open(path, "rb") as source:
            pvm.run(source.read())

    return run
