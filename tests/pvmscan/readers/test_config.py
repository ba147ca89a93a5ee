"""JSON configs: what a loader would import, call, render or open is told; honest ones are clean."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

CASES = Path(__file__).parents[2] / "cases" / "beside"
SHELL, UNKNOWN, REMOTE = "named-callable/shell-command", "named-callable/unknown", "config/remote-code"


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


HONEST: list[Any] = [
    {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 8},
    {
        "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "pytorch_model-00002-of-00002.bin"},
        "metadata": {},
    },
    [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}],
    {
        "_class_name": "P",
        "_diffusers_version": "0.3",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "x": [None, None],
    },
    {"model": {"_target_": "torch.nn.Linear", "in_features": 1}, "o": {"_target_": "nemo.core.optim.Adam"}},
    {"chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}"},
    {"chat_template": [{"name": "default", "template": "{{ messages[0].content }}"}]},
    {"learner": {"attributes": {}, "type": "x.y"}, "version": [3, 2, 0]},
    {"trust_remote_code": False, "py/tuple": [1]},
]


@pytest.mark.parametrize("config", HONEST)
def test_honest_configs_are_clean(config: Any) -> None:
    assert judged.verdict(dump(config), "config.json") is Verdict.CLEAN


@pytest.mark.parametrize("value", ["modeling.Net", ["t.A", None], {"x": "m.Net"}, "owner/repo--modeling.Net"])
def test_code_beside_the_model_is_unverified(value: Any) -> None:
    found = judged.found(dump({"auto_map": {"AutoModel": value}}), REMOTE, "config.json")
    assert found.verdict is Verdict.UNVERIFIED
    assert judged.verdict(dump({"auto_map": {"AutoModel": value}}), "config.json") is Verdict.UNVERIFIED


def test_another_repository_is_named() -> None:
    config = dump({"custom_pipelines": {"p": {"impl": "owner/repo--pipe.Line"}}})
    assert "the repository owner/repo" in judged.found(config, REMOTE).message


@pytest.mark.parametrize("value", ["../evil.Net", "/tmp/x.Net", "a/../../b.Net"])
def test_code_outside_of_the_folder(value: str) -> None:
    config = dump({"auto_map": {"AutoModel": value}})
    assert judged.found(config, "config/code-outside").verdict is Verdict.SUSPICIOUS


def test_remote_code_that_the_config_trusts() -> None:
    assert judged.found(dump({"a": {"trust_remote_code": True}}), REMOTE).verdict is Verdict.UNVERIFIED


@pytest.mark.parametrize("config", [
    {"_target_": "os.system", "_args_": ["echo inert"]},
    {"a": [{"b": {"_target_": "subprocess.Popen"}}]},
    {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": "system"},
    {"__class__": "x", "__module__": "y", "__loader__": "FunctionNode",
     "content": {"module_path": "os", "function": "system"}},
    {"py/object": "posix.system"},
    {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["echo inert"]}]},
    [{"path": "", "type": "os.system"}],
    {"_diffusers_version": "1", "unet": ["os", "system"]},
])  # fmt: skip
def test_a_sink_that_is_named_is_dangerous(config: Any) -> None:
    found = judged.found(dump(config), SHELL, "x.json")
    assert (found.verdict, found.effect) == (Verdict.DANGEROUS, "command")
    assert "system" in (found.payload or "") or "Popen" in (found.payload or "")


def test_the_arguments_are_shown() -> None:
    config = dump({"_target_": "os.system", "command": "echo inert"})
    assert judged.found(config, SHELL).payload == 'os.system({"command": "echo inert"})'


@pytest.mark.parametrize("raw", [
    rb'{"_targ\u0065t_": "os.sys\u0074em"}',
    b'{"_target_": "torch.nn.Linear", "_target_": "os.system"}',
    b'{"_target_": "os.system", "_target_": "torch.nn.Linear"}',
    '{"_target_": "os.system"}'.encode("utf-16"),
])  # fmt: skip
def test_other_spellings(raw: bytes) -> None:
    assert SHELL in judged.rules(raw)


def test_a_name_of_which_nothing_is_known_is_unverified() -> None:
    assert judged.found(dump({"_target_": "mypkg.Net"}), UNKNOWN).verdict is Verdict.UNVERIFIED
    assert judged.found(dump({"_target_": "${oc.env:X}"}), UNKNOWN).verdict is Verdict.UNVERIFIED


def test_jsonpickle_evaluates_a_text() -> None:
    assert (
        judged.found(dump({"py/repr": "os/os.system('echo inert')"}), "config/evaluated-text").verdict
        is Verdict.DANGEROUS
    )


@pytest.mark.parametrize("key", ["chat_template", "other"])
def test_a_template_that_escapes(key: str) -> None:
    assert judged.verdict(dump({key: "{{ x.__class__ }}"}), "tokenizer_config.json") is Verdict.DANGEROUS
    listed = dump({key: [{"name": "a", "template": "{{ x['__init__'] }}"}, "{{ y.__class__ }}"]})
    assert judged.verdict(listed, "tokenizer_config.json") is Verdict.DANGEROUS


@pytest.mark.parametrize("name", ["../x.bin", "README.md", "/tmp/x.safetensors"])
def test_an_index_that_names_odd_files(name: str) -> None:
    found = judged.found(dump({"weight_map": {"w": name}}), "config/odd-weights")
    assert (found.verdict, name in found.message) == (Verdict.SUSPICIOUS, True)


def test_what_skops_writes_and_what_it_would_call() -> None:
    honest, bad = ((CASES / name).read_bytes() for name in ("plain.skops", "function_bad.skops"))
    assert judged.verdict(honest, "m.skops") is Verdict.CLEAN
    assert judged.places(bad, SHELL, "m.bin") == ["schema.json"]


@pytest.mark.parametrize("name", ["xgboost.json", "xgboost.ubj"])
def test_what_xgboost_writes_is_clean(name: str) -> None:
    assert judged.verdict((CASES / name).read_bytes(), name) is Verdict.CLEAN


def test_what_loaders_import_of_libraries_that_are_known_is_clean() -> None:
    for config in (
        {"py/object": "collections.OrderedDict"},
        {"_diffusers_version": "1", "scheduler": ["collections", "OrderedDict"], "n": 3},
        {"auto_map": {"AutoModel": "Net"}},
        {"__class__": "partial", "__module__": "functools", "__loader__": "PartialNode",
         "content": {"func": "partial", "function": 3}},
        [{"type": "os.system"}, "text", {"path": "", "type": "not a name"}],
    ):  # fmt: skip
        assert judged.verdict(dump(config), "x.json") is Verdict.CLEAN


def test_one_thing_is_told_once() -> None:
    config = dump([{"_target_": "os.system"}] * 5 + [{"_target_": "os.popen"}])
    assert [one.payload for one in judged.file(config).findings] == ["os.system", "os.popen"]


def test_a_config_that_is_too_large_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    config = dump({"_target_": "os.system"})
    monkeypatch.setattr("pvmscan.readers.config.MAX_BYTES", len(config) - 1)
    assert judged.problems(config, "x.json") == ["limit"]


def test_of_many_findings_the_first_say_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvmscan.readers.config.MAX_PLACED", 2)
    config = dump([{"_target_": f"os.{name}"} for name in ("system", "popen", "execv")])
    offsets = [one.location.offset for one in judged.file(config).findings]
    assert sorted(bool(offset) for offset in offsets) == [False, True, True]


def test_json_that_cannot_be_read_is_incomplete() -> None:
    assert judged.problems(b'{"_target_": "os.system"', "config.json") == ["malformed"]
    assert judged.problems(b'{"a": ' + b"[" * 200_000 + b'"auto_map"', "config.json") == ["malformed"]


def test_a_finding_says_where_the_document_names_the_callable() -> None:
    data = b'{"a": 1, "model": {"_target_": "os.system", "command": "echo inert"}}'
    finding = judged.found(data, "named-callable/shell-command", "config.json")
    assert finding.location.offset is not None
    assert finding.location.offset > 8
    assert finding.location.absolute == finding.location.offset


def serialized(pickle: bytes) -> dict[str, Any]:
    """An attribute as Stable-Baselines3 stores it."""
    return {":type:": "<class 'x'>", ":serialized:": base64.b64encode(pickle).decode()}


def test_pickles_in_the_data_of_stable_baselines_are_judged() -> None:
    evil, honest = serialized(asm.malicious(4)), serialized(asm.honest(4))
    found = judged.file(dump({"policy_class": honest, "extra": {"deep": [evil]}}), name="data")
    assert found.verdict is Verdict.DANGEROUS
    assert {one.location.member for one in found.findings} == {"extra.deep.:serialized:"}
    assert judged.verdict(dump({"policy_class": honest, "n_envs": 1}), name="data") is Verdict.CLEAN
    twice = b'{"a": {":serialized:": "%s", ":serialized:": "%s"}}' % tuple(
        one[":serialized:"].encode() for one in (evil, honest)
    )
    assert judged.verdict(twice, name="data") is Verdict.DANGEROUS


@pytest.mark.parametrize("text", ["a", "not a pickle", base64.b64encode(asm.honest(4)[:-3]).decode()])
def test_what_is_no_pickle_there_is_told(text: str) -> None:
    assert judged.verdict(dump({"policy_class": {":serialized:": text}}), name="data") >= Verdict.INCOMPLETE
