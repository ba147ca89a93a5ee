"""TensorFlow: operations that reach out, wherever a model keeps operations."""

from __future__ import annotations

from collections.abc import Iterator

import keras_cases as build
from keras_cases import SHELL, attribute, const, field, graph, saved, tf_node
from variants.base import Variant, bad, good

PATH = "/tmp/pvmscan-inert/x"
FILE = const("p", PATH)
WRITES = (
    "WriteFile",
    "Save",
    "SaveV2",
    "SaveSlices",
    "DumpTensor",
    "DatasetToTFRecord",
    "SaveDatasetV2",
    "CreateSummaryFileWriter",
    "CreateSummaryDbWriter",
    "CacheDatasetV2",
    "SnapshotDatasetV2",
)
READS = (
    "ReadFile",
    "WholeFileReaderV2",
    "TextLineDataset",
    "TFRecordDatasetV2",
    "FixedLengthRecordDatasetV2",
    "CSVDatasetV2",
    "SqlDataset",
    "MatchingFiles",
    "LoadDataset",
    "RestoreV2",
    "InitializeTableFromTextFileV2",
    "LMDBDataset",
)
PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")


def variants() -> Iterator[Variant]:
    """All of them."""
    for op in WRITES:
        writes = (FILE, const("t", "inert"), tf_node("w", op, *_inputs(op)))
        yield bad(f"{op} in a graph", "saved_model.pb", saved(graph(*writes)))
        yield bad(
            f"{op} in a function",
            "saved_model.pb",
            saved(graph(tf_node("n", "NoOp"), functions={"f": list(writes)})),
        )
        yield bad(f"{op} in a frozen graph", "frozen.pb", graph(*writes))
    for op in READS:
        nodes: tuple[bytes, ...] = (FILE, tf_node("t", "HashTableV2"), tf_node("r", op, *_inputs(op)))
        if op == "WholeFileReaderV2":
            nodes = (*nodes, tf_node("q", "QueueEnqueueV2", "queue", "p"))
        yield bad(f"{op} in a graph", "saved_model.pb", saved(graph(*nodes)))
        yield bad(f"{op} in a meta graph", "model.ckpt.meta", field(2, graph(*nodes)))
    for op in PYTHON:
        node = tf_node("p", op, attributes=attribute("token", field(2, "pyfunc_0")))
        yield bad(f"{op}", "saved_model.pb", saved(graph(node)))
        yield bad(f"{op} as text", "saved_model.pbtxt", _text(op))
    write = (FILE, const("t", "inert"), tf_node("w", "WriteFile", "p", "t"))
    function = attribute("f", field(10, field(1, "WriteFile")))
    listed = attribute("fs", field(1, field(9, field(1, "WriteFile"))))
    yield bad(
        "named by an attribute",
        "saved_model.pb",
        saved(graph(FILE, const("t", "x"), tf_node("c", "PartitionedCall", "p", "t", attributes=function))),
    )
    yield bad(
        "named by a list",
        "saved_model.pb",
        saved(graph(FILE, const("t", "x"), tf_node("c", "Case", "p", "t", attributes=listed))),
    )
    yield bad(
        "a graph in three",
        "saved_model.pb",
        saved(graph(tf_node("a", "NoOp")), graph(tf_node("b", "NoOp")), graph(*write)),
    )
    yield bad(
        "a graph in two parts",
        "saved_model.pb",
        saved(graph(tf_node("a", "NoOp")), more=field(2, graph(*write))),
    )
    yield bad(
        "a name that is computed",
        "saved_model.pb",
        saved(
            graph(
                const("a", "/tmp/pvmscan-"),
                const("b", "inert/x"),
                tf_node("p", "StringJoin", "a", "b"),
                tf_node("i", "Identity", "p"),
                const("t", "inert"),
                tf_node("w", "WriteFile", "i", "t"),
            )
        ),
    )
    yield bad(
        "an initialiser",
        "saved_model.pb",
        saved(graph(tf_node("n", "NoOp"), functions={"__inference__initializer_3": list(write)})),
    )
    yield bad(
        "a gradient",
        "saved_model.pb",
        saved(
            graph(tf_node("n", "NoOp"))
            + field(
                2,
                field(2, field(1, "f") + field(2, "g"))
                + field(1, field(1, field(1, "g")) + b"".join(field(3, one) for one in write)),
            )
        ),
    )
    yield bad(
        "prints to a file",
        "saved_model.pb",
        saved(
            graph(
                const("t", "x"),
                tf_node(
                    "p", "PrintV2", "t", attributes=attribute("output_stream", field(2, f"file://{PATH}"))
                ),
            )
        ),
    )
    for address in ("gs://b/x", "s3://b/x", "http://127.0.0.1/x", "hdfs://h/x"):
        yield bad(
            f"reads {address}",
            "saved_model.pb",
            saved(graph(const("p", address), tf_node("r", "ReadFile", "p"))),
        )
    asset = field(6, field(1, field(1, "p:0")) + field(2, "../../etc/hostname"))
    yield bad("an asset outside", "saved_model.pb", saved(graph(tf_node("n", "NoOp")), more=asset))
    layer = {"class_name": "Lambda", "config": {"function": [SHELL, None, None], "function_type": "lambda"}}
    yield bad("a layer in metadata", "keras_metadata.pb", build.metadata(layer))
    yield good(
        "computes",
        "saved_model.pb",
        saved(
            graph(
                tf_node("x", "Placeholder"),
                const("w", b""),
                tf_node("m", "MatMul", "x", "w"),
                tf_node("s", "Softmax", "m"),
            )
        ),
    )
    yield good(
        "saves where it is told",
        "saved_model.pb",
        saved(
            graph(
                tf_node("n", "NoOp"),
                functions={
                    "__inference__traced_save_9": [
                        tf_node("s", "ShardedFilename", "file_prefix"),
                        tf_node("v", "SaveV2", "s"),
                        tf_node("m", "MergeV2Checkpoints", "s", "file_prefix"),
                    ],
                    "__inference__traced_restore_9": [tf_node("r", "RestoreV2", "file_prefix")],
                },
            )
        ),
    )
    yield good(
        "decodes what it is given",
        "saved_model.pb",
        saved(
            graph(
                tf_node("x", "Placeholder"),
                tf_node("j", "DecodeJpeg", "x"),
                tf_node("r", "ResizeBilinear", "j"),
            )
        ),
    )
    yield good(
        "text that names an operation",
        "saved_model.pb",
        saved(graph(const("t", "WriteFile", "PyFunc", PATH), tf_node("i", "Identity", "t"))),
    )


def _inputs(op: str) -> tuple[str, ...]:
    """The file name where the operation has it."""
    first = (
        ("t", "p")
        if op
        in (
            "CacheDatasetV2",
            "SnapshotDatasetV2",
            "DatasetToTFRecord",
            "CreateSummaryFileWriter",
            "CreateSummaryDbWriter",
            "InitializeTableFromTextFileV2",
            "SaveDatasetV2",
            "SqlDataset",
        )
        else ("p", "t")
    )
    return ("t", "p", "p") if op == "SqlDataset" else first


def _text(op: str) -> bytes:
    return (
        f'saved_model_schema_version: 1 meta_graphs {{ graph_def {{ node {{ name: "p" op: "{op}"\n'
        '  attr { key: "token" value { s: "pyfunc_0" } } } } }\n'
    ).encode()
