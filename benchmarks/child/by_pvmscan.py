"""pvmscan with all analyzers: what its user gets."""


def prepare():  # type: ignore[no-untyped-def]
    """A function that judges a path."""
    import pvmscan

    said = {"dangerous": "flagged", "suspicious": "flagged", "incomplete": "error"}

    def judge(path: str) -> str:
        return said.get(str(pvmscan.scan(path).verdict), "passed")

    return judge
