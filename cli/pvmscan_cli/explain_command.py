"""`pvmscan explain`: a rule, or what is known of a callable, in words."""

from __future__ import annotations

import sys

import click

from pvm.hints import TYPE_CHECKING
from pvmscan_cli.common import CONTEXT, Nothing, columns, wants_colour, write

if TYPE_CHECKING:
    from pvmscan.formats._lines import Page
    from pvmscan.knowledge import Knowledge
    from pvmscan.knowledge.catalogue import Entry
    from pvmscan.knowledge.explain import Explanation, Reach

LABEL = 17
MAX_NAMES = 12
MAX_REACHES = 4
CWE = "https://cwe.mitre.org/data/definitions/"


@click.command(name="explain", context_settings=CONTEXT)
@click.argument("names", metavar="RULE...", nargs=-1, required=True)
@click.option(
    "--format", "-f", "form", type=click.Choice(["text", "json", "dot"]), default="text", show_default=True,
    help="dot draws the ways through the source of callables.",
)  # fmt: skip
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option("--dot", "form", flag_value="dot", help="Short for --format dot.")
@click.option("--verbose", "-v", is_flag=True, help="List all names that a rule speaks of, and all effects.")
@click.option(
    "--with-package", "packages", multiple=True, type=click.Path(exists=True), metavar="PLACE",
    help="Ask the source of a package too: a folder, a wheel or a source archive. Repeatable.",
)  # fmt: skip
def command(names: tuple[str, ...], form: str, verbose: bool, packages: tuple[str, ...]) -> None:
    """Explain a rule: why it is one, an example that fires it, one that does not, and references. Of a callable:
    which rules speak of it, and what its source does with its parameters, line by line.

    RULE is what a report prints after `rule` (reachable-sink/shell-command), the last part of it
    (shell-command), or the dotted path of a callable (os.system).

    \b
    Examples:
      pvmscan explain shell-command
      pvmscan explain structure/computed-name
      pvmscan explain torch.load functools.partial
      pvmscan explain --dot shutil.rmtree

    Exit codes: 0 explained, 3 nothing is known under that name, 4 usage.
    """
    from pvmscan.formats._lines import Page
    from pvmscan.formats._safe import safe

    knowledge = _knowledge(packages)
    page, plain, drawn = Page(), [], ""
    for name in names:
        about, found = _look_up(name, knowledge)
        derived = _derived(name, knowledge) if about is not None else None
        plain.append(
            {"name": name, "status": about, "rules": [one.to_dict() for one in found]}
            | ({"derived": derived.to_dict()} if derived is not None else {})
        )
        drawn += derived.to_dot() if derived is not None else ""
        page.gap()
        if about is not None:
            page.add((safe(name), "title"), ": ", about, hang=2)
        if derived is not None:
            _tell_source(page, derived, verbose)
        for entry in found:
            page.gap()
            _explain(page, entry, verbose)
    if form == "dot":
        if not drawn:
            raise Nothing("there is no source to draw: name callables that the database knows")
        write(drawn)
    elif form == "json":
        from pvmscan.formats.json_ import dumps

        write(dumps(plain) + "\n")
    else:
        write(page.render(columns(sys.stdout), wants_colour(sys.stdout)))


def _knowledge(packages: tuple[str, ...]) -> Knowledge:
    from pvmscan.knowledge.shards import added
    from pvmscan.scan import knowledge_of

    if not packages and not added():
        return knowledge_of(())
    from pvmscan.knowledge.derive.ondemand import PackageError

    try:
        return knowledge_of((*added(), *packages))
    except PackageError as error:
        raise click.UsageError(str(error)) from None


def _derived(name: str, knowledge: Knowledge) -> Explanation | None:
    from pvmscan.knowledge.explain import explain

    derived = explain(name, knowledge)
    return derived if derived.defined is not None else None


def _tell_source(page: Page, derived: Explanation, verbose: bool) -> None:
    """Parameters and effects of a callable, each with its way through the source; what is worst comes first."""
    from pvmscan.formats._safe import safe
    from pvmscan.knowledge.summary import DANGEROUS

    read = derived.provenance
    versions = ", ".join(read.get("versions", ()))
    source = safe(f"{derived.defined}, in {read.get('package', '')} {versions}".rstrip())
    page.add("  ", ("source".ljust(LABEL), "label"), source, hang=LABEL + 2)
    if derived.parameters:
        given = safe(", ".join(derived.parameters))
        page.add("  ", ("parameters".ljust(LABEL), "label"), given, hang=LABEL + 2)
    ordered = sorted(derived.reaches, key=lambda one: one.category not in DANGEROUS)
    shown = ordered if verbose else ordered[:MAX_REACHES]
    for one in shown:
        _tell_reach(page, one)
    if len(shown) < len(derived.reaches):
        left = len(derived.reaches) - len(shown)
        page.add("  ", "".ljust(LABEL), f"{left} more; -v tells them", hang=LABEL + 2)


def _tell_reach(page: Page, one: Reach) -> None:
    from pvmscan.formats._safe import safe

    words = f"by {one.origin}" if one.origin else "whatever it is given"
    words += f", if {one.guard}" if one.guard else ""
    words += f", in {one.method}" if one.method else ""
    page.add("  ", (one.category.ljust(LABEL), "label"), safe(words), hang=LABEL + 2)
    for step in one.steps:
        line = f"{step.file}:{step.line} calls {step.callee.removeprefix('%') or one.category}"
        page.add("  ", "".ljust(LABEL), safe(line), hang=LABEL + 4)


def _look_up(name: str, knowledge: Knowledge) -> tuple[str | None, list[Entry]]:
    """What is to be said of a callable (None for a rule), and the rules."""
    from pvmscan.knowledge import Status, effects_of
    from pvmscan.knowledge.catalogue import entries, find

    entry = find(name)
    if entry is not None:
        return None, [entry]
    if "/" in name or "." not in name:
        raise Nothing(f"no rule is called {name}: `pvmscan rules` lists them{_close(name, entries())}")
    judgement = effects_of(knowledge, name)
    # with arguments of its own a call may be judged in another way: rules that ask for arguments count too
    rules = [*judgement.rules, *knowledge.calls.all(name), *knowledge.imports.all(name)]
    found = [entries()[identifier] for identifier in dict.fromkeys(rule.id for rule in rules)]
    loads = knowledge.loaders.all(name)
    if loads:
        return f"opens a further layer, which is scanned too. {loads[0].why}", found
    if judgement.status is Status.HARMLESS:
        harmless = knowledge.harmless.all(name)
        why = harmless[0].why if harmless else ""
        limits = " unless the arguments are those of a rule below" if found else ""
        return f"known to be harmless{limits}{f' ({why})' if why else ''}.", found
    if judgement.status is Status.SINK:
        return "a sink.", found
    return "not covered by the knowledge: a file that uses it is unverified.", found


def _close(name: str, known: dict[str, Entry]) -> str:
    from difflib import get_close_matches

    words = {one.rpartition("/")[2]: one for one in known}
    near = [words[word] for word in get_close_matches(name.rpartition("/")[2], words, 3)]
    return f". Did you mean {' or '.join(near)}?" if near else ""


def _explain(page: Page, entry: Entry, verbose: bool) -> None:
    severity = str(entry.severity)
    page.add((entry.id, "title"), ": ", entry.title, hang=2)
    page.add(
        "  ", ("effect".ljust(LABEL), "label"), f"{entry.effect}, ", (severity, severity),
        f", {entry.confidence}", hang=LABEL + 2,
    )  # fmt: skip
    fields = {"found by": entry.how, "why": entry.why, "example": entry.example}
    fields |= {"counter-example": entry.counter_example, "speaks of": _names(entry, verbose)}
    for label, text in fields.items():
        if text:
            style = "payload" if label.endswith("example") else ""
            page.add("  ", (label.ljust(LABEL), "label"), (text, style), hang=LABEL + 2)
    for index, reference in enumerate(entry.references):
        label = "" if index else "see"
        page.add("  ", (label.ljust(LABEL), "label"), link(reference), hang=LABEL + 2)


def _names(entry: Entry, verbose: bool) -> str:
    shown = entry.names if verbose else entry.names[:MAX_NAMES]
    left = len(entry.names) - len(shown)
    return ", ".join(shown) + (f" and {left} more; -v lists them" if left else "")


def link(reference: str) -> str:
    """A reference with its address."""
    number = reference.removeprefix("CWE-")
    return f"{reference}  {CWE}{number}.html" if number != reference and number.isdigit() else reference
