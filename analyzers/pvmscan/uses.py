"""The globals that a file uses, and those that the knowledge does not cover."""

from __future__ import annotations

from pvm.paths import is_class_name, path_of
from pvm.records import dataclass, field, replace
from pvm.values import reveal
from pvmscan.analyzers import Context
from pvmscan.knowledge import Status
from pvmscan.report import GlobalUse, Verdict


@dataclass(slots=True)
class Uses:
    """What all streams of a file use."""

    found: dict[tuple[str, str], GlobalUse] = field(default_factory=dict)
    """By path, and as the file writes it."""
    uncovered: dict[str, None] = field(default_factory=dict)

    def note(self, context: Context, counts: dict[int, int], opened: set[str], *, first: bool) -> Verdict:
        """Note the globals; those that the knowledge does not cover make a stream unverified.

        Only the first run of a stream counts them: other dialects see the same ones again. `counts` has the
        numbers where one import stands for several, by offset; of what loaders in `opened` load, all was judged.
        """
        verdict = Verdict.CLEAN
        settled = _settled(context)
        for event in context.imports:
            value = reveal(event.value)
            path = path_of(value) or "?"
            judgement = context.effects_of(path)
            status = judgement.rules[0].effect if judgement.rules else judgement.status.value
            covered = judgement.status is Status.HARMLESS or id(value) in settled or path in opened
            if event.name and not covered:
                verdict = Verdict.UNVERIFIED
                self.uncovered[path] = None
            count = counts.get(event.offset, 1) if first else 0
            called = id(value) in context.called
            key = (path, f"{event.module} {event.name}".strip())
            known = self.found.get(key)
            if known is None:
                where = context.at(event.offset)
                self.found[key] = GlobalUse(*key, status, max(count, 1), called, where)
            elif count or called > known.called:
                self.found[key] = replace(known, count=known.count + count, called=known.called or called)
        for judged in context.calls:
            if judged.judgement.status is Status.UNKNOWN and judged.path not in opened:
                verdict = Verdict.UNVERIFIED
                self.uncovered[judged.path or "?"] = None
        return verdict


def _settled(context: Context) -> set[int]:
    """Functions of which only the arguments tell, and which got harmless ones in every call.

    Not classes: what their objects do afterwards is another question.
    """
    called: dict[int, bool] = {}
    for judged in context.calls:
        key = id(reveal(judged.call.callee))
        fine = judged.judgement.status is Status.HARMLESS and not is_class_name(judged.path or "")
        called[key] = called.get(key, True) and fine
    return {key for key, fine in called.items() if fine}
