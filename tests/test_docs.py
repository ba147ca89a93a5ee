"""README and docs: every command and every piece of Python in them is run, every output compared."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from pvmscan.policy import policy
from pvmscan_cli.main import cli
from pvmscan_cli.samples import SAMPLES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)?(#[^)]+)?\)")
EXIT = re.compile(r"# exit (\d)")
NOT_RUN = re.compile(r"(make|pip|docker) ")
NEEDS_DOT = re.compile(r"\.(svg|png|pdf)\b")
LANGUAGES = {"sh", "console", "python", "toml", "yaml", "text"}


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(page.name, line, match[1], match[2]))
    return [one for one in found if one.language in languages or not languages]


def of(*languages: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", blocks(*languages), ids=str)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages speak of."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("samples", "demo"):
        for sample in SAMPLES:
            path = folder / name / sample.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.make())
    harmless = folder / "samples" / "harmless"
    shutil.copytree(harmless, folder / "models")
    for name, source in {"model.pt": "model.pt", "model.pkl": "weights.pkl", "old.pt": "model.pt"}.items():
        shutil.copy(harmless / source, folder / name)
    shutil.copy(harmless / "model.pt", folder / "new.pt")
    (folder / "policy.toml").write_text("")
    return folder


@pytest.fixture
def here(samples: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(samples)
    monkeypatch.delenv("PVMSCAN_CONFIG", raising=False)
    yield samples
    (samples / ".pvmscan.toml").unlink(missing_ok=True)


def run(command: str, folder: Path) -> tuple[int, str]:
    """Exit code and output. A plain command runs in this process, a pipeline in a shell."""
    if "|" in command or ">" in command:
        search = os.pathsep.join(str(ROOT / part) for part in ("pvm", "analyzers", "cli"))
        script = f'pvmscan() {{ "{sys.executable}" -m pvmscan_cli.main "$@"; }}\n{command}'
        environment = {**os.environ, "PYTHONPATH": search}
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
        )
        return done.returncode, done.stdout
    name, *arguments = shlex.split(command, comments=True)
    assert name == "pvmscan", command
    result = CliRunner().invoke(cli, arguments, prog_name="pvmscan")
    return result.exit_code, result.stdout


def test_every_block_says_its_language() -> None:
    assert {one.language for one in blocks()} <= LANGUAGES
    assert len(blocks("sh", "console", "python")) > 20


@of("sh")
def test_commands(block: Block, here: Path) -> None:
    for line in block.text.splitlines():
        if not line.strip() or NOT_RUN.match(line) or (NEEDS_DOT.search(line) and not shutil.which("dot")):
            continue
        wanted = EXIT.search(line)
        code, output = run(line.split("  #")[0], here)
        assert code == int(wanted[1] if wanted else 0), f"{line}\n{output}"


@of("console")
def test_commands_and_what_they_print(block: Block, here: Path) -> None:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        assert run(command, here)[1].rstrip() == expected.rstrip(), command


@of("python")
def test_python(block: Block, here: Path) -> None:
    data = (here / "samples" / "malicious" / "system.pkl").read_bytes()
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(block.text, str(block), "exec"), {"data": data, "__name__": "docs"})


@of("toml")
def test_configurations(block: Block) -> None:
    tables = tomllib.loads(block.text)
    if "project" in tables:
        from pvmscan.plugins import GROUPS

        assert set(tables["project"]["entry-points"]) == set(GROUPS)
    else:
        read = policy(tables, str(block))
        assert read.allow and read.deny and not read.expired()


@of("yaml")
def test_workflows(block: Block) -> None:
    yaml = pytest.importorskip("yaml")
    content = yaml.safe_load(block.text)
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    if "repos" in content:
        assert content["repos"][0]["hooks"][0]["id"] == hooks[0]["id"]
    if "jobs" in content:
        step = next(one for one in content["jobs"]["scan"]["steps"] if one.get("id") == "pvmscan")
        assert set(step["with"]) <= set(action["inputs"])
        used = set(re.findall(r"steps\.pvmscan\.outputs\.([\w-]+)", block.text))
        assert used and used <= set(action["outputs"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text("utf-8"))
    for path, anchor in LINK.findall(text):
        if path.startswith("http"):
            continue
        target = page.parent / path if path else page
        assert target.exists(), path
        if anchor:
            heads = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor[1:] in {
                re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads
            }


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    assert all(f"({page.name})" in index for page in (ROOT / "docs").glob("*.md") if page.name != "README.md")


def test_every_verb_is_documented() -> None:
    from pvmscan_cli.verbs import VERBS

    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert all(f"pvmscan {verb}" in text for verb in VERBS)
