"""What a scan asks the knowledge, and what the answers depend on."""

from __future__ import annotations

from pvmscan.batch.asked import INDICES, SETS, answers, watching
from pvmscan.knowledge import Knowledge, load


def test_answers_change_with_what_decides_and_with_nothing_else() -> None:
    rule = load().calls.exact("os.system")[0]

    def said(*rules: object) -> str:
        known = Knowledge()
        for one in rules:
            known.add_rule(one)  # type: ignore[arg-type]
        return answers(["c os.system", "s os"], known)

    plain = said(rule)
    assert plain != said() and plain != said(rule._replace(title="Another"))
    assert plain == said(rule._replace(calls=(*rule.calls, "elsewhere.run"), why="Another reason"))
    assert plain == said(rule, rule._replace(id="other", calls=("elsewhere.run",), imports=(), targets=()))
    assert plain != said(rule, rule._replace(id="other", calls=("os.*",)))


def test_every_part_of_the_knowledge_is_watched() -> None:
    assert {*INDICES.values(), *SETS.values(), "rules", "categories", "summaries"} == set(Knowledge.__slots__)
    known = Knowledge()
    with watching(known) as questions:
        known.is_stdlib("os.path")
        known.is_known_package("torch.nn")
        known.loaders.all("a.b")
        known.targets.exact("c")
        known.imports.wild("d")
    assert questions == {"s os", "p torch", "l a.b", "t c", "i d", "d"}
    known.is_stdlib("sys")
    assert len(questions) == 6
