"""The machine as a scan uses it: the skeletal pass, then graph values for all that matters."""


def prepare():  # type: ignore[no-untyped-def]
    """A function that does so; it is an error if that takes more than leaps."""
    from pvm import skeleton
    from pvm.dialects import dialect
    from pvmscan.knowledge import load
    from pvmscan.rest import rest
    from pvmscan.settle import split

    knowledge, first = load(), dialect("c")

    def run(path: str) -> None:
        with open(path, "rb") as source:
            found = skeleton.run(source.read())
        if rest(found, split(found, knowledge, first), first) is None:
            raise RuntimeError("the whole pickle has to be run")

    return run
