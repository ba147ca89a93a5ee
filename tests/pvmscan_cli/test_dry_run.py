"""`pvmscan scan --dry-run`: sizes, and nothing judged."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

import assemble
from pvmscan_cli.main import cli
from web_server import serving


def test_what_would_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(assemble.malicious())
    archive = assemble.zipped({"m/data.pkl": assemble.malicious(), "m/data/0": bytes(range(250)) * 4000})
    with serving({"a.pt": archive, "b.pkl": bytes(100_000)}) as server:
        urls = [f"{server.url}/honest/a.pt", f"{server.url}/honest/b.pkl", f"{server.url}/no-ranges/b.pkl"]
        done = CliRunner().invoke(cli, ["scan", "--dry-run", str(tmp_path), *urls])
        missing = CliRunner().invoke(cli, ["scan", "--dry-run", f"{server.url}/honest/none"])
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert [line[1] for line in lines] == ["mapped", "by", "whole", "streamed", "bytes"]
    assert int(lines[1][0].replace(",", "")) < len(archive) // 8
    assert lines[2][0] == lines[3][0] == "100,000"
    assert missing.exit_code == 2
    assert "no such file" in missing.output
