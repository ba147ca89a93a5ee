"""YAML configs: targets of hydra, tags of PyYAML, MLflow's modules."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

import judged
from pvmscan import Verdict

SHELL, UNKNOWN = "named-callable/shell-command", "named-callable/unknown"


@pytest.mark.parametrize("text", [
    "foo:\n  _target_: os.system\n  _args_: [echo inert]\n",
    "foo: {_target_: 'posix.system'}",
    '"_target\\x5f": "subprocess.r\\x75n"',
    "x: &a os.popen\n_target_: *a",
    "a: !!python/object/apply:os.system ['echo inert']",
    "a: !!python/name:os.system ''",
    "a: !<tag:yaml.org,2002:python/object/new:subprocess.Popen> [x]",
    "a: !<t%61g:yaml.org,2002:python/object/new:subprocess.Popen> [x]",
    "a: !!%70ython/object/new:subprocess.Popen [x]",
    "%TAG !e! t%61g:yaml.org,2002:python/\n---\na: !e!object/new:subprocess.Popen [x]",
    "flavors:\n  python_function:\n    loader_module: os.system\n",
])  # fmt: skip
def test_a_sink_is_dangerous(text: str) -> None:
    assert judged.found(text.encode(), SHELL, "model_config.yaml").verdict is Verdict.DANGEROUS


@pytest.mark.parametrize("text", ["_target_: os.system\n", "- !!python/object/apply:os.system [x]\n"])
def test_the_name_of_the_file_does_not_matter(text: str) -> None:
    assert SHELL in judged.rules(text.encode(), "notes.txt")


@pytest.mark.parametrize("text", [
    "target: nemo.collections.asr.models.EncDecCTCModel\n",
    "model:\n  _target_: nemo.collections.nlp.Model\n  optim: {_target_: torch.optim.Adam, lr: 0.1}\n",
    "a: !!python/tuple [1, 2]\n",
    "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n",
    "text: |\n  _target_: os.system\n",
    "note: the key _target_ calls os.system\n",
])  # fmt: skip
def test_honest_configs_are_clean(text: str) -> None:
    assert judged.verdict(text.encode(), "config.yaml") is Verdict.CLEAN


def test_what_is_not_known_is_unverified() -> None:
    assert judged.verdict(b"_target_: mypkg.Net\n", "c.yaml") is Verdict.UNVERIFIED
    assert judged.verdict(b"loader_module: mypkg.loader\n", "MLmodel") is Verdict.UNVERIFIED
    assert judged.verdict(b"python_model: python_model.pkl\n", "MLmodel") is Verdict.UNVERIFIED


def test_inside_a_nemo_archive() -> None:
    target = io.BytesIO()
    content = b"_target_: os.system\n"
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo("./model_config.yaml")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    for data in (target.getvalue(), gzip.compress(target.getvalue())):
        found = judged.found(data, SHELL, "m.nemo")
        assert (found.location.member or "").endswith("./model_config.yaml")
        assert found.verdict is Verdict.DANGEROUS


def test_a_template_in_a_config() -> None:
    assert judged.verdict(b"prompt: '{{ x.__class__ }}'\n", "c.yaml") is Verdict.DANGEROUS
