"""The skeletal pass alone. Where it hands over to the machine, that is an error here."""


def prepare():  # type: ignore[no-untyped-def]
    """A function that runs the skeletal pass; ImportError if there is none."""
    import importlib

    skeleton = importlib.import_module("pvm.skeleton")

    def run(path: str) -> None:
        with open(path, "rb") as source:
            skeleton.run(source.read())

    return run
