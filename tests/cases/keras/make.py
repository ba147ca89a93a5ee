# mypy: ignore-errors
"""Makes the golden files of this folder with the libraries that write such files, each in an environment of its own.

    python make.py keras     # Keras 3.15.1, h5py 3.16.0, PyTables 3.11.1, pandas 3.1.1
    python make.py tf        # TensorFlow 2.21.0

Payloads are inert (`echo inert`, paths below `/tmp/pvmscan-inert`). Code is written, never loaded back.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent


class Inert:
    """Pickles to a call of a shell."""

    def __reduce__(self):
        return os.system, ("echo inert",)


def honest_lambda(x):
    """Only computes."""
    return x * 2.0 + 1.0


def loop_lambda(x):
    """Nested code that only computes."""
    return sum(part * scale for part, scale in zip((x, x), (1.0, 2.0), strict=True))


def bad_lambda(x):
    """Runs a shell when it is called, which building the model would do: these models are never built."""
    return __import__("os").system("echo inert") or x


def make_keras() -> None:
    """Archives, HDF5 models and weights, and tables with pickles."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    layers = keras.layers
    dense = keras.Sequential([layers.Input((3,)), layers.Dense(2, activation="relu"), layers.Dropout(0.1)])
    dense.compile(optimizer="adam", loss="mse", metrics=["mae"])
    dense.save(HERE / "dense.keras")
    dense.save(HERE / "dense.h5")
    dense.save_weights(HERE / "dense.weights.h5")

    left, right = layers.Input((4, 4, 1)), layers.Input((3,))
    convolved = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 2)(layers.Rescaling(0.5)(left)))
    joined = layers.Concatenate()([convolved, layers.LayerNormalization()(right)])
    scaled = keras.ops.tanh(joined) + 1.0
    keras.Model([left, right], layers.Dense(1, kernel_regularizer="l2")(scaled)).save(
        HERE / "functional.keras"
    )

    for name, function in (("honest", honest_lambda), ("loop", loop_lambda)):
        model = keras.Sequential([layers.Input((3,)), layers.Lambda(as_lambda(function), output_shape=(3,))])
        model.save(HERE / f"lambda_{name}.keras")
        model.save(HERE / f"lambda_{name}.h5")
    bad = keras.Sequential([layers.Lambda(as_lambda(bad_lambda), output_shape=(3,))])
    bad.save(HERE / "lambda_bad.keras")
    nested = keras.Sequential(
        [layers.TimeDistributed(layers.Lambda(as_lambda(bad_lambda), output_shape=(3,)))]
    )
    nested.save(HERE / "lambda_nested_bad.keras")

    @keras.saving.register_keras_serializable("mine")
    class Scale(layers.Layer):
        def call(self, x):
            return x * 3

    keras.Sequential([layers.Input((3,)), Scale()]).save(HERE / "custom.keras")
    make_tables()


def as_lambda(function):
    """The function under the name that marks a lambda for Keras."""
    function.__name__ = "<lambda>"
    function.__code__ = function.__code__.replace(co_name="<lambda>")
    return function


def make_tables() -> None:
    """PyTables and pandas: honest pickles in attributes and arrays, and one of each that is not."""
    import pandas
    import tables

    for name, thing in (("honest", {"scale": 2.0, "names": ["a", "b"]}), ("bad", Inert())):
        with tables.open_file(HERE / f"tables_attribute_{name}.h5", "w") as file:
            file.root._v_attrs.settings = thing
        with tables.open_file(HERE / f"tables_objects_{name}.h5", "w") as file:
            array = file.create_vlarray("/", "things", tables.ObjectAtom(), expectedrows=2, chunkshape=(2,))
            array.append(["x", 1])
            array.append(thing)
    frame = pandas.DataFrame({"n": [1, 2]}, index=pandas.date_range("2020", periods=2, freq="D"))
    with pandas.HDFStore(HERE / "pandas.h5", "w") as store:
        store.put("frame", frame, track_times=False)


def make_tf() -> None:
    """SavedModels, a MetaGraph and graphs."""
    import tensorflow as tf

    class Honest(tf.Module):
        def __init__(self):
            self.scale = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, x):
            tf.print("called", output_stream=sys.stderr)
            return x * self.scale

    class Images(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def __call__(self, path):
            return tf.image.decode_png(tf.io.read_file(path))

    class Table(tf.Module):
        def __init__(self):
            words = HERE / "words.txt"
            words.write_text("a\nb\n")
            starts = tf.lookup.TextFileInitializer(
                str(words),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            )
            self.table = tf.lookup.StaticHashTable(starts, -1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, x):
            return self.table.lookup(x)

    class Writes(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, x):
            tf.io.write_file("/tmp/pvmscan-inert/x", "echo inert")
            return x

    class Reads(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def __call__(self, x):
            return tf.io.read_file(tf.strings.join(["/etc/", "hostname"])) + x

    class Calls(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, x):
            return tf.py_function(lambda y: y, [x], tf.float32)

    import shutil
    import tempfile

    for name, module in (
        ("honest", Honest()), ("images", Images()), ("table", Table()), ("writes_bad", Writes()),
        ("reads_bad", Reads()), ("calls_bad", Calls()),
    ):  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(module, folder)
            shutil.copy(f"{folder}/saved_model.pb", HERE / f"saved_{name}.pb")
    (HERE / "words.txt").unlink()

    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        variable = tf.compat.v1.get_variable("v", [1])
        tf.identity(x * variable, "y")
        saver = tf.compat.v1.train.Saver()
        saver.export_meta_graph(str(HERE / "checkpoint.meta"))
        tf.io.write_graph(graph, str(HERE), "graph.pbtxt", as_text=True)
        tf.io.write_graph(graph, str(HERE), "graph.pb", as_text=False)
    bad = tf.Graph()
    with bad.as_default():
        tf.raw_ops.WriteFile(filename="/tmp/pvmscan-inert/x", contents="echo inert")
        tf.io.write_graph(bad, str(HERE), "graph_bad.pbtxt", as_text=True)
        tf.io.write_graph(bad, str(HERE), "graph_bad.pb", as_text=False)


if __name__ == "__main__":
    {"keras": make_keras, "tf": make_tf}[sys.argv[1]]()
