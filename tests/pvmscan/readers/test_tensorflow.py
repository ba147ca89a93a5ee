"""TensorFlow files: operations by what they reach, wherever a graph keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import assemble as asm
import judged
import keras_cases as build
from keras_cases import (
    HONEST,
    SHELL,
    attribute,
    case,
    code_node,
    const,
    field,
    graph,
    metadata,
    model,
    node,
    saved,
    tf_node,
)
from pvmscan import Verdict
from pvmscan.readers.data import words
from pvmscan.readers.tfops import operations
from pvmscan.report import Severity

PATH = "/tmp/pvmscan-inert/x"
WRITE = (const("path", PATH), const("text", "echo inert"), tf_node("w", "WriteFile", "path", "text"))
BAD_CONFIG = json.dumps(model(node("Lambda", {"function": code_node(SHELL)})))


def verdict(data: bytes, name: str = "saved_model.pb") -> Verdict:
    return judged.verdict(data, name)


# What TensorFlow wrote -------------------------------------------------------------------------------------

WRITTEN = {
    "saved_honest.pb": Verdict.CLEAN,
    "saved_table.pb": Verdict.CLEAN,
    "checkpoint.meta": Verdict.CLEAN,
    "graph.pb": Verdict.CLEAN,
    "graph.pbtxt": Verdict.CLEAN,
    "saved_images.pb": Verdict.UNVERIFIED,
    "saved_reads_bad.pb": Verdict.SUSPICIOUS,
    "saved_calls_bad.pb": Verdict.SUSPICIOUS,
    "saved_writes_bad.pb": Verdict.DANGEROUS,
    "graph_bad.pb": Verdict.DANGEROUS,
    "graph_bad.pbtxt": Verdict.DANGEROUS,
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("named", ["as written", "model.bin"])
def test_files_of_tensorflow_itself_whatever_their_name(name: str, named: str) -> None:
    assert verdict(case(name), name if named == "as written" else named) is WRITTEN[name]


def test_a_finding_says_what_where_and_when() -> None:
    one = judged.found(case("saved_writes_bad.pb"), "tensorflow/file-write", "saved_model.pb")
    assert (one.effect, one.severity, one.payload) == ("file-write", Severity.CRITICAL, PATH)
    assert "when the model is called" in one.message
    assert case("saved_writes_bad.pb")[one.location.offset or 0 :][:30].count(b"WriteFile")
    assert [step.kind for step in one.chain] == ["code", "call"]
    assert "__inference___call__" in one.chain[0].text


def test_models_that_an_installed_tensorflow_writes(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    keras = tf.keras
    inputs = keras.layers.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3, activation="relu")(inputs)
    x = keras.layers.Bidirectional(keras.layers.LSTM(2))(keras.layers.Reshape((36, 2))(x))
    words = keras.layers.StringLookup(vocabulary=["a", "b"])
    text = keras.layers.Input((1,), dtype="string")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(4, 2)(words(text)))
    both = keras.Model([inputs, text], keras.layers.Dense(1)(keras.layers.Concatenate()([x, embedded])))
    both.export(tmp_path / "exported", verbose=False)
    both.save(tmp_path / "both.keras")

    def call(self: object, x: object) -> object:
        data = tf.data.Dataset.from_tensor_slices(x).map(tf.strings.upper).batch(2)
        return tf.while_loop(
            lambda i, _: i < 3, lambda i, s: (i + 1, s + 1), (0, data.reduce(0, lambda s, _: s + 1))
        )

    traced = tf.function(input_signature=[tf.TensorSpec([None], tf.string)])(call)
    module = type("Module", (tf.Module,), {"__call__": traced})
    tf.saved_model.save(module(), tmp_path / "module")
    for path in (
        tmp_path / "exported" / "saved_model.pb",
        tmp_path / "module" / "saved_model.pb",
        tmp_path / "both.keras",
    ):
        assert judged.verdict(path.read_bytes(), path.name) in (Verdict.CLEAN, Verdict.UNVERIFIED), path


def test_the_table_of_operations_speaks_of_operations_that_exist() -> None:
    assert set(operations()) <= words("tensorflow", "operations")
    assert len(words("tensorflow", "operations")) == 1908


# Where a graph keeps operations ----------------------------------------------------------------------------

NOTHING = tf_node("n", "NoOp")
CALLS = attribute("f", field(10, field(1, "WriteFile")))
INNER = graph(*WRITE)
WHERE = {
    "graph": saved(graph(*WRITE)),
    "second graph": saved(graph(NOTHING), graph(*WRITE)),
    "two graphs in one": saved(graph(NOTHING), more=field(2, graph(*WRITE))),
    "function": saved(graph(NOTHING, functions={"__inference_f_1": list(WRITE)})),
    "a function of the same name": saved(
        graph(functions={"f": [NOTHING]}) + graph(functions={"f": list(WRITE)})
    ),
    "a node of a name that is taken": saved(graph(tf_node("w", "NoOp"), *WRITE)),
    "bare graph": graph(*WRITE),
    "library first": graph(functions={"f": list(WRITE)}) + graph(NOTHING),
    "meta graph": field(2, graph(*WRITE)),
    "called by name": saved(
        graph(*WRITE[:2], tf_node("c", "StatefulPartitionedCall", "path", "text", attributes=CALLS))
    ),
    "graph in a constant": saved(graph(const("g", INNER), tf_node("d", "DatasetFromGraph", "g"))),
    "behind unknown fields": b"\xf8\x3f\x01" + field(900, "x") + saved(graph(*WRITE)),
    "behind many nodes": graph(*[tf_node(f"n{index}", "NoOp") for index in range(3000)], *WRITE),
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("name", ["saved_model.pb", "x.bin"])
def test_a_bad_operation_is_found_wherever_it_stands(where: str, name: str) -> None:
    one = judged.found(WHERE[where], "tensorflow/file-write", name)
    assert one.verdict is Verdict.DANGEROUS
    assert one.payload == PATH


TEXT = """
# a SavedModel as text
saved_model_schema_version: 1
meta_graphs { graph_def { library { function {
  signature { name: "f" }
  node_def {
    name: "p" op: "Const"
    attr { key: "value" value { tensor { dtype: DT_STRING string_val: "/tmp/pvmscan-inert/x" } } }
  }
  node_def { name: 'w' op: 'Write' "File" input: "p:output:0" input: "p:output:0" }
} } } }
"""


def test_a_saved_model_as_text() -> None:
    assert judged.found(TEXT.encode(), "tensorflow/file-write", "saved_model.pbtxt").payload == PATH
    assert verdict(TEXT.replace('"File"', '"Nothing"').encode(), "saved_model.pbtxt") is Verdict.UNVERIFIED


def test_what_initialises_runs_on_load() -> None:
    def message(data: bytes) -> str:
        return judged.found(data, "tensorflow/file-write", "saved_model.pb").message

    assert "loaded" in message(saved(graph(NOTHING, functions={"__inference__initializer_7": list(WRITE)})))
    entry = field(4, field(1, "saved_model_main_op") + field(2, field(1, field(1, "init"))))
    assert "loaded" in message(saved(graph(*WRITE, tf_node("init", "NoOp", "^w")), more=entry))
    assert "called" in message(saved(graph(*WRITE, tf_node("init", "NoOp")), more=entry))
    output = field(2, field(1, "o") + field(2, field(1, "w:0")))
    assert "loaded" in message(
        saved(graph(*WRITE), more=field(5, field(1, "__saved_model_init_op") + field(2, output)))
    )
    inner = attribute("f", field(10, field(1, "inside")))
    functions = {
        "__inference__initializer_7": [tf_node("c", "PartitionedCall", attributes=inner)],
        "inside": list(WRITE),
    }
    assert "loaded" in message(saved(graph(NOTHING, functions=functions)))


# What an operation reaches ---------------------------------------------------------------------------------

GIVEN = tf_node("given", "Placeholder")
JOINED = (const("a", "/etc/"), const("b", "hostname"), tf_node("joined", "StringJoin", "a", "b"))


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([const("p", "/etc/hostname"), tf_node("r", "ReadFile", "p")], Verdict.SUSPICIOUS),
        (
            [const("p", "x.png"), tf_node("i", "Identity", "p"), tf_node("r", "ReadFile", "i:0")],
            Verdict.SUSPICIOUS,
        ),
        ([*JOINED, tf_node("r", "ReadFile", "joined")], Verdict.SUSPICIOUS),
        ([GIVEN, tf_node("r", "ReadFile", "given")], Verdict.UNVERIFIED),
        (
            [
                GIVEN,
                const("d", "images"),
                tf_node("j", "StringJoin", "d", "given"),
                tf_node("r", "ReadFile", "j"),
            ],
            Verdict.UNVERIFIED,
        ),
        (
            [
                GIVEN,
                const("d", "/etc/"),
                tf_node("j", "StringJoin", "d", "given"),
                tf_node("r", "ReadFile", "j"),
            ],
            Verdict.SUSPICIOUS,
        ),
        ([tf_node("r", "ReadFile", "argument")], Verdict.UNVERIFIED),
        ([tf_node("w", "WriteFile", "argument", "argument")], Verdict.DANGEROUS),
        ([const("p", "model"), tf_node("s", "SaveV2", "p")], Verdict.CLEAN),
        (
            [GIVEN, const("p", "part"), tf_node("s", "SaveV2", "p"), tf_node("r", "RestoreV2", "given")],
            Verdict.CLEAN,
        ),
        ([const("p", PATH), tf_node("s", "SaveV2", "p")], Verdict.DANGEROUS),
        ([const("p", "/x/model"), tf_node("s", "RestoreV2", "p")], Verdict.SUSPICIOUS),
        ([tf_node("p", "PrintV2", attributes=attribute("output_stream", field(2, "stderr")))], Verdict.CLEAN),
        (
            [tf_node("p", "PrintV2", attributes=attribute("output_stream", field(2, f"file://{PATH}")))],
            Verdict.DANGEROUS,
        ),
        (
            [
                tf_node(
                    "d",
                    "DebugIdentityV2",
                    attributes=attribute("debug_urls", field(1, field(2, "grpc://127.0.0.1:9"))),
                )
            ],
            Verdict.SUSPICIOUS,
        ),
        ([tf_node("d", "DebugIdentityV2")], Verdict.CLEAN),
        (
            [tf_node("p", "EagerPyFunc", attributes=attribute("token", field(2, "pyfunc_0")))],
            Verdict.SUSPICIOUS,
        ),
        ([const("a", "127.0.0.1:9"), tf_node("p", "RpcServer", "a")], Verdict.DANGEROUS),
        ([const("a", ""), GIVEN, tf_node("c", "CacheDatasetV2", "given", "a")], Verdict.CLEAN),
        (
            [
                const("a", PATH),
                tf_node("q", "QueueEnqueueManyV2", "queue", "a"),
                tf_node("t", "TextLineReaderV2"),
            ],
            Verdict.SUSPICIOUS,
        ),
        ([tf_node("t", "TextLineReaderV2")], Verdict.UNVERIFIED),
        (
            [tf_node("d", "DecodeProtoV2", attributes=attribute("descriptor_source", field(2, "local://")))],
            Verdict.CLEAN,
        ),
        (
            [
                tf_node(
                    "i",
                    "ImmutableConst",
                    attributes=attribute("memory_region_name", field(2, "/etc/hostname")),
                )
            ],
            Verdict.SUSPICIOUS,
        ),
        ([tf_node("m", "MyCustomOp")], Verdict.UNVERIFIED),
        ([tf_node("m", "MatMul", "a", "b"), tf_node("c", "Const")], Verdict.CLEAN),
    ],
)
def test_operations_are_judged_by_what_they_reach(nodes: list[bytes], expected: Verdict) -> None:
    assert verdict(saved(graph(*nodes))) is expected
    assert verdict(saved(graph(NOTHING, functions={"f": nodes}))) is expected


def test_addresses_are_told_as_network() -> None:
    data = saved(graph(const("p", "gs://bucket/x"), tf_node("r", "ReadFile", "p")))
    assert judged.found(data, "tensorflow/network", "saved_model.pb").payload == "gs://bucket/x"


TABLE = graph(
    const("file", "/home/me/words.txt"), tf_node("t", "InitializeTableFromTextFileV2", "table", "file")
)


def test_tables_read_assets() -> None:
    info = field(1, field(1, "file:0"))
    asset = field(6, info + field(2, "words.txt"))
    assert verdict(saved(TABLE, more=asset)) is Verdict.CLEAN
    older = field(
        4,
        field(1, "saved_model_assets") + field(2, field(5, field(1, field(2, info + field(2, "words.txt"))))),
    )
    assert verdict(saved(TABLE, more=older)) is Verdict.CLEAN
    assert verdict(saved(TABLE)) is Verdict.SUSPICIOUS
    outside = field(6, info + field(2, "../../../etc/hostname"))
    assert judged.serious(saved(TABLE, more=outside), "saved_model.pb") == {"tensorflow/asset-path"}


def test_functions_of_the_file_are_no_unknown_operations() -> None:
    assert (
        verdict(saved(graph(tf_node("c", "my_function"), functions={"my_function": [NOTHING]})))
        is Verdict.CLEAN
    )


# Keras inside ----------------------------------------------------------------------------------------------


def test_configs_in_metadata_are_judged() -> None:
    one = judged.found(metadata(BAD_CONFIG), "keras/lambda", "keras_metadata.pb")
    assert one.verdict is Verdict.DANGEROUS
    assert one.location.offset
    assert verdict(metadata(BAD_CONFIG.replace(SHELL, HONEST)), "x") is Verdict.UNVERIFIED
    assert verdict(metadata(json.dumps(model(node("Dense")))), "x") is Verdict.CLEAN
    assert verdict(metadata("{broken"), "x") is Verdict.INCOMPLETE


def test_configs_in_the_object_graph_are_judged() -> None:
    user = field(4, field(1, "_tf_keras_sequential") + b"\x12\x00" + field(3, BAD_CONFIG))
    assert verdict(saved(graph(NOTHING), more=field(7, field(1, user)))) is Verdict.DANGEROUS
    assert verdict(saved(b"", more=field(7, field(1, user))), "x") is Verdict.DANGEROUS


def test_the_same_layer_in_two_configs_is_told_once() -> None:
    assert len(judged.places(metadata(BAD_CONFIG) + metadata(BAD_CONFIG), "keras/lambda")) == 1


# Hostile files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"\x0a\x00",
        bytes(100),
        b"node: 1\n",
        b"library:\n  - a\n",
        json.dumps({"node": 1}).encode(),
    ],
)
def test_other_content_is_left_alone(data: bytes) -> None:
    assert verdict(data, "x.dat") is Verdict.CLEAN


def test_what_is_named_a_saved_model_and_is_none_is_incomplete() -> None:
    assert verdict(b"\xff\xff\xff") is Verdict.INCOMPLETE
    assert verdict(b"node { broken", "graph.pbtxt") is Verdict.CLEAN
    assert verdict(b'node { name: "a" op: "WriteFile', "graph.pbtxt") is Verdict.INCOMPLETE


def test_a_pickle_in_front_is_still_found() -> None:
    assert verdict(asm.malicious() + saved(graph(NOTHING)), "x") is Verdict.DANGEROUS


def test_a_pickle_that_is_a_graph_as_well_is_found() -> None:
    """`(` and `.` are the tags of unknown fields; what lies between them is a pickle."""
    pickled = b"(\x01" + asm.malicious(0)
    assert verdict(pickled + saved(graph(NOTHING)), "x") is Verdict.DANGEROUS


def test_limits_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = graph(NOTHING)
    for _ in range(8):
        inner = graph(const("g", inner), tf_node("d", "DatasetFromGraph", "g"))
    assert "limit" in judged.problems(inner)
    monkeypatch.setattr("pvmscan.readers.tensorflow.SNIFFED_FIELDS", 3)
    assert verdict(b"\xf8\x3f\x01" * 9 + graph(*WRITE), "x.pb") is Verdict.DANGEROUS
    assert verdict(b" " * 100, "x.dat") is Verdict.CLEAN
    monkeypatch.setattr("pvmscan.readers.tensorflow.MAX_TEXT", 10)
    assert verdict(TEXT.encode(), "x.pbtxt") is Verdict.INCOMPLETE


@pytest.mark.parametrize("name", ["model.bin", "model.pb"])
@pytest.mark.parametrize("before", [b"\x60\1", b"\x60\1\x68\2", field(1, field(1, b"a")) + b"\x60\1"])
def test_a_graph_behind_more_fields_than_are_tried(
    name: str, before: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pvmscan.readers.tensorflow.SNIFFED_FIELDS", 300)
    data = before * 301 + graph(*WRITE)
    assert verdict(data, name) is Verdict.DANGEROUS
    assert verdict(before * 301 + graph(const("path", PATH)), name) < Verdict.SUSPICIOUS


@pytest.mark.parametrize("tag", [b"\x12", b"\x92\0", b"\x92\x80\0"])
@pytest.mark.parametrize("length", [b"\x09", b"\x89\0", b"\x89\x80\0"])
def test_numbers_that_are_longer_than_they_need(
    tag: bytes, length: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pvmscan.readers.tensorflow.SNIFFED_FIELDS", 300)
    inner = field(1, field(1, b"w") + tag + length + b"WriteFile")
    assert verdict(b"\x60\1" * 301 + inner, "model.bin") >= Verdict.SUSPICIOUS


@pytest.mark.parametrize(
    "name",
    ["saved_writes_bad.pb", "saved_reads_bad.pb", "graph_bad.pb", "graph_bad.pbtxt", "checkpoint.meta"],
)
def test_damaged_files_are_read_as_far_as_they_go(name: str) -> None:
    for data in build.damaged(case(name), 60):
        one = judged.file(data, name)
        assert not [problem for problem in one.errors if problem.kind == "internal"], one.errors
        if "writes" in name and b"\x12\x09WriteFile" in data:
            assert one.verdict >= Verdict.INCOMPLETE
