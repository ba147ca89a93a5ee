"""Keras configs: every form in which one names or carries code, wherever it stands."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import judged
import keras_cases as build
from keras_cases import HONEST, SHELL, archive, case, code_node, code_text, function_node, model, node
from pvmscan import Verdict
from pvmscan.readers.keras_config import names_classes, parse
from pvmscan.readers.keras_place import outside

GOOD = (Verdict.CLEAN, Verdict.UNVERIFIED)


def verdict(config: Any) -> Verdict:
    return judged.verdict(archive(config), "m.keras")


def only(config: Any, rule: str) -> Any:
    return judged.found(archive(config), f"keras/{rule}", "m.keras")


# What Keras wrote ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dense.keras", "functional.keras", "dense.h5", "dense.weights.h5"])
def test_models_of_keras_itself_are_clean(name: str) -> None:
    assert judged.verdict(case(name), name) is Verdict.CLEAN


@pytest.mark.parametrize(
    "name", [name for name in build.names() if name.startswith(("lambda_ho", "lambda_lo", "cu"))]
)
def test_code_that_computes_and_classes_of_the_user_are_unverified(name: str) -> None:
    assert judged.verdict(case(name), name) is Verdict.UNVERIFIED


@pytest.mark.parametrize("name", ["lambda_bad.keras", "lambda_nested_bad.keras"])
def test_code_that_runs_a_shell_is_dangerous(name: str) -> None:
    one = judged.found(case(name), "keras/lambda", name)
    assert one.verdict is Verdict.DANGEROUS
    assert one.location.member == "config.json"
    assert one.location.offset
    assert "__import__, system" in str(one.payload)


def test_models_that_an_installed_keras_writes(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    inputs = layers.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, activation="relu", kernel_initializer="he_normal")(layers.RandomFlip()(inputs))
    x = layers.BatchNormalization()(layers.MaxPooling2D()(x))
    x = layers.MultiHeadAttention(1, 2)(layers.Reshape((9, 2))(x), layers.Reshape((9, 2))(x))
    x = layers.Bidirectional(layers.LSTM(2))(x) * 2.0
    big = keras.Model(inputs, layers.Dense(2, "softmax", kernel_regularizer="l1")(keras.ops.tanh(x)))
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    big.compile(
        keras.optimizers.AdamW(schedule), keras.losses.CategoricalCrossentropy(), ["acc", keras.metrics.AUC()]
    )
    inner = keras.Sequential([layers.Input((3,)), layers.Dense(4, "gelu"), layers.Dropout(0.2)])
    for number, one in enumerate((big, keras.Sequential([layers.Input((3,)), inner, layers.Dense(1)]))):
        for ending in ("keras", "h5", "weights.h5"):
            path = tmp_path / f"{number}.{ending}"
            one.save_weights(path) if ending == "weights.h5" else one.save(path)
            assert judged.verdict(path.read_bytes(), path.name) is Verdict.CLEAN, path.name


def test_lambdas_that_an_installed_keras_writes(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    functions = [
        lambda x: x * 2,
        lambda x: x[:, :2] - 0.5,
        lambda x: abs(x) ** 0.5,
        lambda x: sum([one + 1 for one in (x, x)]),
    ]
    for number, function in enumerate(functions):
        one = keras.Sequential([keras.layers.Input((3,)), keras.layers.Lambda(function)])
        for ending in ("keras", "h5"):
            path = tmp_path / f"{number}.{ending}"
            one.save(path)
            assert judged.verdict(path.read_bytes(), path.name) is Verdict.UNVERIFIED, path.name


# Code ------------------------------------------------------------------------------------------------------

PLACES = {
    "function": model(node("Lambda", {"function": code_node(SHELL)})),
    "value": model(
        node("Lambda", {"function": {"class_name": "__lambda__", "config": {"value": [SHELL, None, None]}}})
    ),
    "output shape": model(
        node("Lambda", {"function": function_node("keras.ops", "relu"), "output_shape": code_node(SHELL)})
    ),
    "mask": model(node("Lambda", {"function": code_node(HONEST), "mask": code_node(SHELL)})),
    "wrapped": model(node("TimeDistributed", {"layer": node("Lambda", {"function": code_node(SHELL)})})),
    "argument of a node": model(node("Dense", inbound_nodes=[{"args": [code_node(SHELL)], "kwargs": {}}])),
    "initializer": model(node("Dense", {"kernel_initializer": code_node(SHELL)})),
    "compile config": {**model(), "compile_config": {"loss": code_node(SHELL)}},
    "build config": model(node("Dense", build_config={"x": code_node(SHELL)})),
    "keras 2": model(
        {"class_name": "Lambda", "config": {"function": [SHELL, None, None], "function_type": "lambda"}}
    ),
    "keras 2 shape": model(
        {"class_name": "Lambda", "config": {"output_shape": [SHELL], "output_shape_type": "lambda"}}
    ),
    "keras 1": model({"class_name": "Lambda", "config": {"function": SHELL, "function_type": "lambda"}}),
    "merge": model({"class_name": "Merge", "config": {"mode": SHELL, "mode_type": "lambda"}}),
    "wrapper cell": model(
        {"class_name": "RNN", "config": {"residual_fn": [SHELL], "residual_fn_type": "lambda"}}
    ),
    "a place that nobody knows": model(node("Dense", {"later": {"deep": [1, [{"x": SHELL}]]}})),
}


@pytest.mark.parametrize("place", PLACES)
def test_bad_code_is_found_in_every_place(place: str) -> None:
    one = only(PLACES[place], "lambda")
    assert one.verdict is Verdict.DANGEROUS
    assert "'echo inert'" in str(one.payload)
    assert len([found for found in judged.scan(archive(PLACES[place])).findings if found == one]) == 1


@pytest.mark.parametrize("place", PLACES)
def test_code_that_computes_is_unverified_in_every_place(place: str) -> None:
    assert (
        verdict(json.loads(json.dumps(PLACES[place]).replace(json.dumps(SHELL)[1:-1], HONEST)))
        is Verdict.UNVERIFIED
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_every_encoding_that_json_readers_take(encoding: str) -> None:
    assert judged.verdict(archive(PLACES["function"], encoding), "m.keras") is Verdict.DANGEROUS


def test_escapes_do_not_hide() -> None:
    text = "".join(
        f"\\u{ord(one):04x}" if one.isalpha() else one for one in json.dumps(PLACES["function"]["config"])
    )
    text = (
        json.dumps(PLACES["function"])
        .replace("class_name", "\\u0063lass_name")
        .replace("Lambda", "\\u004cambda")
    )
    assert verdict(text.replace("__lambda__", "__\\u006cambda__")) is Verdict.DANGEROUS


def test_code_that_is_no_base64_is_the_characters_themselves() -> None:
    raw = base64.b64decode(SHELL).decode("latin-1")
    assert (
        verdict(PLACES["function"] | {"x": 1} | model(node("Lambda", {"function": code_node(raw)})))
        is Verdict.DANGEROUS
    )


def test_code_that_cannot_be_read_is_incomplete_and_dangerous_if_it_names_something() -> None:
    junk = base64.b64encode(b"\xe3 a code object of Python 4").decode()
    assert verdict(model(node("Lambda", {"function": code_node(junk)}))) is Verdict.INCOMPLETE
    worse = base64.b64encode(b"\xe3 a code object, os and system").decode()
    assert verdict(model(node("Lambda", {"function": code_node(worse)}))) is Verdict.DANGEROUS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("lambda x: tf.reduce_mean(K.expand_dims(x, -1), axis=1)", Verdict.UNVERIFIED),
        ("lambda x: [np.float32(y) for y in range(3)]", Verdict.UNVERIFIED),
        ("lambda x, sizes=(2, 3): tf.image.resize(x, sizes)", Verdict.UNVERIFIED),
        ("lambda x: backend.softmax(x, axis='system')", Verdict.UNVERIFIED),
        ("lambda x: open('/tmp/pvmscan-inert/x', 'w')", Verdict.DANGEROUS),
        ("lambda x: ().__class__.__base__.__subclasses__()", Verdict.DANGEROUS),
        ("lambda x: [exec('1') for _ in (1,)]", Verdict.DANGEROUS),
        ("lambda x: tf.io.write_file('/tmp/pvmscan-inert/x', 'y')", Verdict.DANGEROUS),
        ("lambda x: (lambda: (lambda: sys.modules['o' + 's'])())()", Verdict.DANGEROUS),
        ("lambda x: getattr(tf, 'sys' + 'tem')(x)", Verdict.DANGEROUS),
        ("lambda x: getattr(tf, 'sys', 'tem'[::-1])", Verdict.DANGEROUS),
        ("lambda x: getattr(tf, x.name)(x)", Verdict.SUSPICIOUS),
        ("lambda x: getattr(x, 'shape')", Verdict.SUSPICIOUS),
        ("lambda x: x * 2", Verdict.UNVERIFIED),
        ("lambda x: K.eval(x)", Verdict.UNVERIFIED),
        ("lambda x: tf.keras.backend.eval(K.l2_normalize(x, axis=1))", Verdict.UNVERIFIED),
        ("lambda x: [K.eval(y) for y in tf.unstack(x)]", Verdict.UNVERIFIED),
        ("lambda x: tf.expand_dims(x, -1)", Verdict.UNVERIFIED),
        ("lambda x: (pd if x is not None else K).eval('1')", Verdict.DANGEROUS),
        ("lambda x: pd.eval('1')", Verdict.DANGEROUS),
        ("lambda x: eval('1')", Verdict.DANGEROUS),
        ("lambda x: (K, eval)[1]('1')", Verdict.DANGEROUS),
        ("lambda x: K.os.system('echo inert')", Verdict.DANGEROUS),
        ("lambda x: (lambda f: f('1'))(exec)", Verdict.DANGEROUS),
        ("lambda x: [y for y in (__import__,)]", Verdict.DANGEROUS),
        ("lambda x: '{0.__init__.__globals__}'.format(x)", Verdict.SUSPICIOUS),
        ("lambda x: tf.io.decode_png(tf.io.read_file(x))", Verdict.UNVERIFIED),
        ("lambda x: tf.io.read_file('/etc/hostname')", Verdict.SUSPICIOUS),
        ("lambda x: tf.abs(tf.signal.stft(x, 255, 128))[:, nt - 1]", Verdict.UNVERIFIED),
        ("lambda x: tf.device('/gpu:0') or tf.strings.split(x, '/')", Verdict.UNVERIFIED),
        ("lambda x: tf.numpy_function(crop, [x], tf.float32)", Verdict.UNVERIFIED),
    ],
)
def test_code_is_judged_by_what_it_names(source: str, expected: Verdict) -> None:
    assert verdict(model(node("Lambda", {"function": code_node(code_text(source))}))) is expected


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("lambda x: __import__('os').system('echo inert')", "__import__, system, 'os', 'echo inert'"),
        ("lambda x: os.system('echo inert')", "os.system, 'echo inert'"),
        ("lambda x: tf.expand_dims(K.l2_normalize(x, 1), -1)", "tf.expand_dims, K.l2_normalize"),
    ],
)
def test_the_evidence_says_what_the_code_calls(source: str, says: str) -> None:
    text = code_text(source)
    carriers = {
        "m.keras": archive(model(node("Lambda", {"function": code_node(text)}))),
        "m.h5": build.legacy(
            model(
                {
                    "class_name": "Lambda",
                    "config": {"function": [text, None, None], "function_type": "lambda"},
                }
            )
        ),
        "keras_metadata.pb": build.metadata(
            {"class_name": "Lambda", "config": {"function": [text, None, None], "function_type": "lambda"}}
        ),
    }
    for name, data in carriers.items():
        assert judged.found(data, "keras/lambda", name).payload == says


# Names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name", "rule", "expected"),
    [
        ("os", "system", "callable", Verdict.DANGEROUS),
        ("builtins", "eval", "callable", Verdict.DANGEROUS),
        ("subprocess", "Popen", "callable", Verdict.DANGEROUS),
        ("numpy", "load", "callable", Verdict.DANGEROUS),
        ("keras.utils", "get_file", "not-modelling", Verdict.DANGEROUS),
        ("keras.src.utils.file_utils", "get_file", "not-modelling", Verdict.DANGEROUS),
        ("keras.config", "enable_unsafe_deserialization", "not-modelling", Verdict.DANGEROUS),
        ("keras.saving", "load_model", "not-modelling", Verdict.DANGEROUS),
        ("keras.utils", "to_categorical", "not-modelling", Verdict.SUSPICIOUS),
        ("colorsys", "rgb_to_hsv", "standard-library", Verdict.SUSPICIOUS),
    ],
)
def test_functions_and_classes_that_lead_out(module: str, name: str, rule: str, expected: Verdict) -> None:
    found = only(model(node("Lambda", {"function": function_node(module, name)})), rule)
    assert found.verdict is expected
    assert found.payload == f"{module}.{name}"
    assert found.location.member == "config.json"
    assert verdict(model(node(name, {}, module))) >= (
        Verdict.SUSPICIOUS if module != "keras.utils" else Verdict.UNVERIFIED
    )


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.ops", "relu"), ("keras.activations", "gelu"), ("builtins", "mean_squared_error"), ("numpy", "tanh"),
        ("keras.losses", "mse"), (None, "categorical_crossentropy"), ("keras.src.ops.numpy", "add"),
    ],
)  # fmt: skip
def test_functions_of_models_are_no_finding(module: str | None, name: str) -> None:
    assert verdict(model(node("Lambda", {"function": function_node(module, name)}))) in GOOD


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.layers", "Dense"),
        ("keras", "Functional"),
        ("keras.src.models.functional", "Functional"),
        (None, "LSTM"),
        ("keras.src.ops.numpy", "Add"),
        ("keras.optimizers", "Adam"),
        ("builtins", "Dense"),
        (None, "Custom>Adam"),
        ("keras.engine.training", "Model"),
        ("tensorflow.python.keras.layers.core", "Lambda"),
        (None, "TensorShape"),
    ],
)
def test_classes_of_keras_are_clean(module: str | None, name: str) -> None:
    assert verdict(model(node(name, {}, module))) is Verdict.CLEAN


@pytest.mark.parametrize(
    ("module", "name"), [("my.layers", "Scale"), (None, "mine>Scale"), ("keras.layers", "FromTheFuture")]
)
def test_classes_of_the_user_are_told_once(module: str | None, name: str) -> None:
    data = archive(model(*[node(name, {}, module) for _ in range(9)]))
    assert judged.verdict(data) is Verdict.UNVERIFIED
    assert judged.places(data, "keras/custom") == ["config.json"]


def test_the_registered_name_counts_too() -> None:
    assert (
        verdict(model({**function_node("os", "harmless"), "registered_name": "system"})) is Verdict.DANGEROUS
    )


def test_a_function_of_keras_2_is_looked_up_in_its_module() -> None:
    config = {
        "class_name": "Lambda",
        "config": {"function": "system", "function_type": "function", "module": "os"},
    }
    assert verdict(model(config)) is Verdict.DANGEROUS
    config["config"] = {"function": "scale", "function_type": "function", "module": "__main__"}
    assert verdict(model(config)) is Verdict.UNVERIFIED


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("TFOpLambda", {"function": "io.write_file"}, Verdict.DANGEROUS),
        ("TFOpLambda", {"function": "raw_ops.ReadFile"}, Verdict.SUSPICIOUS),
        ("TFOpLambda", {"function": "math.multiply"}, Verdict.CLEAN),
        ("SlicingOpLambda", {"function": "__operators__.getitem"}, Verdict.CLEAN),
        ("TensorFlowOpLayer", {"node_def": json.dumps({"name": "a", "op": "WriteFile"})}, Verdict.DANGEROUS),
        ("TensorFlowOpLayer", {"node_def": {"name": "a", "op": "Mul"}}, Verdict.CLEAN),
        ("TensorFlowOpLayer", {"node_def": "no json"}, Verdict.CLEAN),
        ("TFSMLayer", {"filepath": "other"}, Verdict.SUSPICIOUS),
        ("StringLookup", {"vocabulary": "/etc/hostname"}, Verdict.SUSPICIOUS),
        ("TextVectorization", {"vocabulary": "http://127.0.0.1:9/x"}, Verdict.SUSPICIOUS),
        ("StringLookup", {"vocabulary": "words.txt"}, Verdict.UNVERIFIED),
        ("StringLookup", {"vocabulary": ["a", "/etc/b"]}, Verdict.CLEAN),
        ("__typespec__", ["x"], Verdict.CLEAN),
    ],
)
def test_layers_that_reach_out_by_their_settings(name: str, config: Any, expected: Verdict) -> None:
    assert verdict(model(node(name, config))) is expected


@pytest.mark.parametrize(
    "text",
    ["/etc/x", "~/x", "C:\\x", "..", "../x", "a/../../x", "s3://b/x", "file:///x", "\\\\host\\x", "a\\..\\x"],
)
def test_paths_outside(text: str) -> None:
    assert outside(text)


@pytest.mark.parametrize("text", ["x.txt", "a/b.txt", "", "a..b", "local://", "bytes://x", "x:y", "assets/x"])
def test_paths_inside(text: str) -> None:
    assert not outside(text)


def test_a_pickled_torch_module_is_read_as_a_file_of_its_own() -> None:
    def wrapped(data: bytes) -> Any:
        return model(node("TorchModuleWrapper", {"module": base64.b64encode(data).decode()}))

    found = judged.found(
        archive(wrapped(asm.torch_zip(asm.malicious()))), "reachable-sink/shell-command", "m.keras"
    )
    assert str(found.location.member).startswith("config.json!config.layers[1]!")
    assert verdict(wrapped(asm.torch_zip(asm.honest()))) is Verdict.UNVERIFIED


# The JSON itself -------------------------------------------------------------------------------------------


def test_the_last_of_two_equal_keys_counts_and_no_writer_repeats_one() -> None:
    text = json.dumps(PLACES["function"]).replace(
        '"class_name": "Lambda"', '"class_name": "Dense", "class_name": "Lambda"'
    )
    assert verdict(text) is Verdict.DANGEROUS
    assert only(text, "repeated-key").verdict is Verdict.SUSPICIOUS


def test_a_config_stands_alone_too() -> None:
    text = json.dumps(PLACES["function"]).encode()
    assert judged.verdict(text, "model.json") is Verdict.DANGEROUS
    assert judged.verdict(json.dumps(model(node("Dense"))).encode(), "model.json") is Verdict.CLEAN


@pytest.mark.parametrize("text", [b'{"a": 1}', b"[1, 2]", b"{}", b"{not json", b'{"class_name": 3}'])
def test_other_json_is_left_alone(text: bytes) -> None:
    assert judged.verdict(text, "settings.json") is Verdict.CLEAN


def test_what_cannot_be_parsed_is_incomplete() -> None:
    whole = json.dumps(PLACES["function"])
    for text in (
        whole[:-2],
        "[" * 100_000,
        '{"class_name":' * 5000,
        whole + "x",
        whole.replace("null", "nul"),
    ):
        assert verdict(text) is Verdict.INCOMPLETE


def test_sizes_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvmscan.readers.keras_config.MAX_NODES", 10)
    assert verdict(model(*[node("Dense")] * 10)) is Verdict.INCOMPLETE
    monkeypatch.setattr("pvmscan.readers.keras_config.MAX_BYTES", 100)
    assert verdict(model()) is Verdict.INCOMPLETE


def test_depth_is_no_matter_as_long_as_json_readers_go() -> None:
    config: Any = code_node(SHELL)
    for _ in range(200):
        config = {"x": [config]}
    assert verdict(model(config)) is Verdict.DANGEROUS


def test_parsing_tells_repeated_keys_and_configs() -> None:
    assert parse('{"a": 1, "b": {"c": 1, "c": 2}}').repeated == ["c"]
    assert names_classes(parse('[[{"class_name": "X", "config": null}]]').config)


@pytest.mark.parametrize("name", ["lambda_bad.keras", "lambda_nested_bad.keras", "functional.keras"])
def test_damaged_archives_are_read_as_far_as_they_go(name: str) -> None:
    for data in build.damaged(case(name), 40):
        one = judged.file(data, name)
        assert not [problem for problem in one.errors if problem.kind == "internal"], one.errors
        if "bad" in name and one.verdict < Verdict.INCOMPLETE:
            assert SYSTEM not in data


SYSTEM = b"BnN5c3Rlb"  # the name `system`, as the base64 of the golden files has it
