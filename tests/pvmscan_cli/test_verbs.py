"""`graph`, `trace`, `decompile` and `demo`."""

from __future__ import annotations

import ast
import json
import pickletools
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import pvm
from pvmscan.opcode_rows import Row
from pvmscan_cli import samples as demo
from pvmscan_cli.main import cli
from pvmscan_cli.streams import Stream
from pvmscan_cli.trace_command import walk

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="pvmscan")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert invoke("demo", tmp_path / "demo").exit_code == 0
    return tmp_path / "demo"


# demo ------------------------------------------------------------------------------------------------------


def test_demo_writes_what_it_says(tmp_path: Path) -> None:
    done = invoke("demo", tmp_path / "new" / "folder")
    assert done.exit_code == 0
    for sample in demo.SAMPLES:
        assert sample.path in done.stdout
        assert (tmp_path / "new" / "folder" / sample.path).read_bytes() == sample.make()
    assert done.stdout.count("  pvmscan ") == 5


def test_demo_explains_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "harmless").write_text("")
    done = invoke("demo", tmp_path)
    assert done.exit_code == 4 and "harmless" in done.stderr


@pytest.mark.parametrize("sample", demo.SAMPLES, ids=lambda sample: sample.path)
def test_samples_run_to_their_end_and_payloads_are_inert(sample: demo.Sample) -> None:
    content = sample.make()
    assert (b"echo inert" in content) == sample.malicious
    if sample.path.endswith(".pkl"):
        assert pvm.run(content).complete
        assert [opcode.name for opcode, _, _ in pickletools.genops(content)][-1] == "STOP"


def test_samples_get_the_verdict_they_deserve(folder: Path) -> None:
    done = invoke(folder, "-f", "json")
    files = {
        Path(one["path"]).relative_to(folder).as_posix(): one for one in json.loads(done.stdout)["files"]
    }
    for sample in demo.SAMPLES:
        verdict = files[sample.path]["verdict"]
        assert (verdict == "dangerous") == sample.malicious, sample.path
        assert sample.malicious or verdict in ("clean", "unverified"), sample.path
        payloads = [str(finding["payload"]) for finding in files[sample.path]["findings"]]
        assert not sample.malicious or any("echo inert" in payload for payload in payloads), sample.path


# trace -----------------------------------------------------------------------------------------------------


def test_trace_shows_every_opcode(folder: Path) -> None:
    done = invoke("trace", folder / "malicious" / "computed.pkl")
    names = [opcode.name for opcode, _, _ in pickletools.genops(demo.computed_name())]
    lines = done.stdout.splitlines()
    rows = [line.split() for line in lines if " 0x" in line]
    assert [row[2] for row in rows] == names
    assert lines[0] == "pickle 1 at 0 (0x0)" and lines[-1].startswith("ends at 109; dialect c@3.11; returns ")
    assert any("calls os.system('echo inert')" in line for line in lines)


def rows_of(data: bytes, dialect: str | None = None) -> list[Row]:
    rows: list[Row] = []
    walk(Stream(1, None, 0, data, pvm.run(data)), dialect, rows.append)
    return rows


def test_trace_follows_stack_and_memo() -> None:
    data = b"\x80\x04\x8c\x01a\x94\x8c\x01bq\x07r\x08\x01\x00\x00\x860h\x07j\x08\x01\x00\x00g0\np9\n(t."
    rows = rows_of(data)
    assert [row.memo for row in rows if row.memo] == [
        "memo[0] =",
        "memo[7] =",
        "memo[264] =",
        "= memo[7]",
        "= memo[264]",
        "= memo[0]",
        "memo[9] =",
    ]
    assert [row.stack for row in rows] == [0, 1, 1, 2, 2, 2, 1, 0, 1, 2, 3, 3, 3, 4, 3]
    assert all(row.stack - row.change == before.stack for before, row in pairwise(rows))
    assert [row.marks for row in rows][-3:] == [1, 0, 0]


def test_trace_names_all_events() -> None:
    data = b"\x80\x04(cmod\nWrap\n)\x81N}\x8c\x01xK\x01s\x86b\x8c\x01kK\x02s]\x8c\x01yaaPpid\n\x82\x05\x97t."
    said = " / ".join(event for row in rows_of(data) for event in row.events)
    for phrase in ("imports mod.Wrap", "calls ", "['k'] = 2", "persistent id 'pid'", "extension code 5"):
        assert phrase in said, phrase
    assert "next buffer" in said


def test_trace_shows_the_fault_and_what_came_before(tmp_path: Path) -> None:
    (tmp_path / "cut.pkl").write_bytes(demo.weights()[:120])
    done = invoke("trace", tmp_path / "cut.pkl")
    assert done.exit_code == 0
    assert "imports collections.OrderedDict" in done.stdout
    assert "fault (truncated): " in done.stdout.splitlines()[-1]


def test_trace_as_json_and_in_other_dialects(folder: Path) -> None:
    path = folder / "malicious" / "system.pkl"
    data = json.loads(invoke("trace", path, "--json", "--dialect", "python").stdout)
    [stream] = data["streams"]
    assert stream["trace"]["dialect"] == "python@3.11" and stream["trace"]["stop"] == 31
    assert [row["name"] for row in stream["opcodes"]][-2:] == ["REDUCE", "STOP"]
    assert stream["opcodes"][-2]["events"] == ["calls os.system('echo inert')"]
    assert invoke("trace", path, "--dialect", "ruby").exit_code == 4


def test_trace_escapes_what_the_file_says(tmp_path: Path) -> None:
    evil = demo.program(2, demo.call(demo.named("os.system"), demo.text("\x1b[2J\r\n\u202e")))
    (tmp_path / "evil.pkl").write_bytes(evil + b"\x80\x02cm\x1b[2J\nn\x9b\x07\n0P\x1b[1A\n.")
    for verb in ("trace", "decompile", "graph", "scan"):
        text = invoke(verb, tmp_path / "evil.pkl").stdout
        assert text and all(line.isprintable() for line in text.splitlines()), verb


# decompile -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", demo.SAMPLES, ids=lambda sample: sample.path)
def test_decompile_is_python(folder: Path, sample: demo.Sample) -> None:
    done = invoke("decompile", folder / sample.path)
    assert done.exit_code == 0
    ast.parse(done.stdout)
    assert not sample.malicious or "echo inert" in done.stdout


def test_decompile_to_a_file(folder: Path, tmp_path: Path) -> None:
    path = folder / "malicious" / "system.pkl"
    assert invoke("decompile", path, "-o", tmp_path / "x.py").stdout == ""
    assert (tmp_path / "x.py").read_text() == invoke("decompile", path).stdout


# graph -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dot", "svg", "html", "graphml", "gexf", "json", "mermaid"])
def test_graph_on_standard_output(folder: Path, name: str) -> None:
    done = invoke("graph", folder / "malicious" / "alias.pkl", "--format", name)
    assert done.exit_code == 0 and "os.system" in done.stdout


def test_graph_colours_the_chain(folder: Path) -> None:
    done = invoke("graph", folder / "malicious" / "system.pkl")
    assert done.stdout.count('penwidth="2.5"') >= 2
    assert "penwidth" not in invoke("graph", folder / "harmless" / "weights.pkl").stdout


def test_graph_full_and_sliced(folder: Path) -> None:
    path = folder / "malicious" / "computed.pkl"

    def nodes(*more: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(invoke("graph", path, "-f", "json", *more).stdout)["nodes"]
        return found

    assert any(node["kind"] == "const" for node in nodes("--full"))
    assert not any(node["kind"] == "const" for node in nodes())
    calls = [node["offset"] for node in nodes("--slice", "0x58") if node["kind"] == "call"]
    assert calls == [88] and len(nodes("--slice", "88")) < len(nodes())
    missing = invoke("graph", path, "--slice", "1")
    assert missing.exit_code == 4 and "calls are made at: 53, 88, 90, 107" in missing.stderr
    assert invoke("graph", path, "--slice", "x").exit_code == 4


@needs_dot
@pytest.mark.parametrize(("name", "magic"), [("x.svg", b"<?xml"), ("x.png", b"\x89PNG"), ("x.pdf", b"%PDF")])
def test_pictures_by_the_name_of_the_output(folder: Path, tmp_path: Path, name: str, magic: bytes) -> None:
    done = invoke("graph", folder / "malicious" / "system.pkl", "-o", tmp_path / name)
    assert done.exit_code == 0 and done.stdout == ""
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_without_the_dot_program(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = folder / "malicious" / "system.pkl"
    done = invoke("graph", path, "-f", "png")
    assert done.exit_code == 4 and "needs the program dot" in done.stderr and done.stdout == ""
    done = invoke("graph", path, "-f", "svg")
    assert done.exit_code == 0 and done.stdout.startswith("<svg ")
    assert "pvmscan's own layout, as the program dot of Graphviz is not on the PATH" in done.stderr


def test_graph_views(folder: Path, tmp_path: Path) -> None:
    path = folder / "malicious" / "model.pt"

    def nodes(*more: str) -> dict[str, dict[str, Any]]:
        done = invoke("graph", path, "-f", "json", *more)
        assert done.exit_code == 0, done.stderr
        return {node["id"]: node for node in json.loads(done.stdout)["nodes"]}

    chains = nodes("--only", "chains")
    assert {node["path"] for node in chains.values()} == {"os.system"}
    assert all(node["verdict"] == "dangerous" for node in chains.values())
    assert nodes("--full") == nodes("--collapse", "none") and len(nodes("--full")) > len(nodes())
    assert nodes() == nodes("--collapse", "data")
    assert len(nodes("--collapse", "alike")) < len(nodes())
    sizes = [len(nodes("--depth", str(depth))) for depth in range(4)]
    assert sizes == sorted(set(sizes)) and sizes[-1] < len(nodes())
    honest = invoke("graph", folder / "harmless" / "model.pt", "--only", "chains")
    assert honest.exit_code == 4 and "part of a finding" in honest.stderr


def test_a_large_model_stays_readable(tmp_path: Path) -> None:
    layers = b"".join(demo.text(f"layer{number}") + demo.tensor(str(number)) for number in range(200))
    state = demo.call(demo.named("collections.OrderedDict")) + demo.MARK + layers + demo.SETITEMS
    (tmp_path / "large.pkl").write_bytes(demo.program(2, state))
    shown = json.loads(invoke("graph", tmp_path / "large.pkl", "-f", "json").stdout)["nodes"]
    assert len(shown) < 20 and 200 in [node.get("count") for node in shown]
    data = json.loads(invoke("graph", tmp_path / "large.pkl", "-f", "json", "--collapse", "data").stdout)[
        "nodes"
    ]
    assert len(data) > 600


def test_one_pickle_of_many(tmp_path: Path) -> None:
    (tmp_path / "two.pkl").write_bytes(demo.program(2, demo.number(1)) + demo.system())
    done = invoke("graph", tmp_path / "two.pkl", "--stream", "2")
    assert "os.system" in done.stdout and done.stderr == ""
    first = invoke("graph", tmp_path / "two.pkl")
    assert "2 pickles found" in first.stderr and "os.system" not in first.stdout
    assert "pickle 2 at 8 (0x8)" in invoke("trace", tmp_path / "two.pkl").stdout
    assert invoke("trace", tmp_path / "two.pkl", "--stream", "3").exit_code == 4


@pytest.mark.parametrize("verb", ["graph", "trace", "decompile"])
def test_nothing_to_show(tmp_path: Path, verb: str) -> None:
    (tmp_path / "text.txt").write_text("hello\n")
    (tmp_path / "empty.pkl").write_bytes(b"")
    for name in ("text.txt", "empty.pkl", "missing", "."):
        done = invoke(verb, tmp_path / name)
        assert done.exit_code == 3 and done.stdout == "" and done.stderr.startswith("pvmscan: "), name
    assert invoke(verb).exit_code == 4
