"""Keras: configs with code and names that lead out, in every spelling that its readers take."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import assemble as asm
import keras_cases as build
import zip_builder
from keras_cases import HONEST, SHELL, archive, code_node, code_text, function_node, model, node
from variants.base import Variant, bad, good

DENSE = node(
    "Dense",
    {"units": 2, "activation": "relu", "kernel_initializer": node("GlorotUniform", {}, "keras.initializers")},
)
LAMBDA = node("Lambda", {"function": code_node(SHELL)})
CODE = {
    "os.system": "lambda x: os.system('echo inert')",
    "import": "lambda x: __import__('subprocess').run('echo inert', shell=True)",
    "eval": "lambda x: eval('1+1')",
    "exec": "lambda x: exec('1')",
    "compile": "lambda x: compile('1', '', 'eval')",
    "open": "lambda x: open('/tmp/pvmscan-inert/x', 'w').write('inert')",
    "getattr": "lambda x: getattr(__builtins__, 'ev' + 'al')('1')",
    "importlib": "lambda x: importlib.import_module('os').system('echo inert')",
    "subclasses": "lambda x: [c for c in ().__class__.__base__.__subclasses__()]",
    "nested": "lambda x: (lambda: [(lambda: os.popen('echo inert'))() for _ in (1,)])()",
    "globals": "lambda x: x.__init__.__globals__['os'].system('echo inert')",
    "tf io": "lambda x: tf.io.write_file('/tmp/pvmscan-inert/x', 'inert')",
    "a builtin as value": "lambda x, f=None: list(map(eval, ['1']))",
    "a default": "lambda x: (lambda y, g=exec: g('1'))(x)",
    "socket": "lambda x: socket.create_connection(('127.0.0.1', 1))",
    "sys.modules": "lambda x: sys.modules['os'].system('echo inert')",
    "marshal": "lambda x: marshal.loads(b'')",
}
PLAIN = {
    "times": "lambda x: x * 2",
    "eval of a backend": "lambda x: K.eval(x)",
    "expand": "lambda x: tf.expand_dims(x, -1)",
    "normalize": "lambda x: K.l2_normalize(x, axis=1)",
    "slices": "lambda x: x[:, 0, :3]",
    "resize": "lambda x: tf.image.resize(x, (32, 32), method='bilinear')",
    "sampling": "lambda t: t[0] + K.exp(0.5 * t[1]) * K.random_normal(shape=K.shape(t[0]))",
    "concat": "lambda xs: tf.concat([tf.cast(x, tf.float32) for x in xs], axis=-1)",
    "a condition": "lambda x: x if x.shape[0] is None else K.reverse(x, 0)",
    "softmax": "lambda x: keras.ops.softmax(x / math.sqrt(64))",
    "numbers": "lambda x: (x - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])",
}


def legacy(function: Any) -> dict[str, Any]:
    """A Lambda as Keras 2 writes it."""
    return {
        "class_name": "Lambda",
        "config": {"function": function, "function_type": "lambda", "module": "__main__"},
    }


def variants() -> Iterator[Variant]:
    """All of them."""
    for name, source in CODE.items():
        text = code_text(source)
        yield bad(f"code, {name}", "m.keras", archive(model(node("Lambda", {"function": code_node(text)}))))
        yield bad(f"code of Keras 2, {name}", "m.h5", build.legacy(model(legacy([text, None, None]))))
        yield bad(
            f"code in metadata, {name}", "keras_metadata.pb", build.metadata(legacy([text, None, None]))
        )
    for name, source in PLAIN.items():
        text = code_text(source)
        yield good(
            f"honest code, {name}", "m.keras", archive(model(node("Lambda", {"function": code_node(text)})))
        )
        yield good(f"honest code of Keras 2, {name}", "m.h5", build.legacy(model(legacy([text, None, None]))))
        yield good(
            f"honest code in metadata, {name}",
            "keras_metadata.pb",
            build.metadata(legacy([text, None, None])),
        )
    yield from _places()
    yield from _encodings()
    yield from _names()
    yield from _settings()


def _places() -> Iterator[Variant]:
    lines = SHELL[:40] + "\n" + SHELL[40:]
    places: dict[str, Any] = {
        "in lines": node("Lambda", {"function": code_node(lines)}),
        "in a list": node(
            "Lambda", {"function": {"class_name": "__lambda__", "config": [SHELL, None, None]}}
        ),
        "as arguments": node("Lambda", {"function": code_node(HONEST), "arguments": {"f": code_node(SHELL)}}),
        "as mask": node("Lambda", {"function": code_node(HONEST), "mask": code_node(SHELL)}),
        "as activation": node("Dense", {"units": 1, "activation": code_node(SHELL)}),
        "as regularizer": node("Dense", {"units": 1, "kernel_regularizer": code_node(SHELL)}),
        "as cell": node(
            "RNN", {"cell": node("StackedRNNCells", {"cells": [node("LSTMCell", {"f": code_node(SHELL)})]})}
        ),
        "in a bidirectional layer": node("Bidirectional", {"layer": LAMBDA, "backward_layer": DENSE}),
        "in a model in a model": node(
            "Sequential", {"layers": [node("Functional", {"layers": [LAMBDA]}, "keras")]}, "keras"
        ),
        "in metrics": {**DENSE, "compile_config": {"optimizer": "adam", "metrics": [code_node(SHELL)]}},
        "in arguments of a call": {
            **DENSE,
            "inbound_nodes": [{"args": [1], "kwargs": {"f": code_node(SHELL)}}],
        },
        "in arguments of Keras 2": {
            **DENSE,
            "inbound_nodes": [[["x", 0, 0, {"f": {"class_name": "__lambda__", "config": {"value": SHELL}}}]]],
        },
    }
    for name, layer in places.items():
        yield bad(name, "m.keras", archive(model(layer)))
        yield bad(f"{name}, HDF5", "m.h5", build.legacy(model(layer)))
    yield bad(
        "beside the layers",
        "m.keras",
        archive({**model(DENSE), "compile_config": {"loss": code_node(SHELL)}}),
    )


def _encodings() -> Iterator[Variant]:
    config = json.dumps(model(LAMBDA))
    for encoding in ("utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-le"):
        yield bad(f"in {encoding}", "m.keras", archive(config, encoding))
    escaped = "".join(f"\\u{ord(one):04X}" for one in SHELL)
    yield bad("escaped", "m.keras", archive(config.replace(SHELL, escaped).replace("code", "\\u0063ode")))
    yield bad(
        "with numbers that JSON has not", "m.keras", archive(config[:-1] + ', "x": NaN, "y": -Infinity}')
    )
    first = json.dumps(node("Dense"))[:-1]
    yield bad(
        "a key twice",
        "m.keras",
        archive(
            first + ', "class_name": "Lambda", "config": {"function": ' + json.dumps(code_node(SHELL)) + "}}"
        ),
    )
    honest = json.dumps(model(DENSE)).encode()
    two = zip_builder.archive(
        (b"metadata.json", b"{}"), (b"config.json", honest), (b"config.json", config.encode())
    )
    yield bad("the member twice", "m.keras", two)
    yield bad("behind a prefix", "m.keras", b"#!/bin/sh\n" + archive(config))
    yield bad(
        "deflated",
        "m.keras",
        asm.zipped({"metadata.json": b"{}", "config.json": config.encode()}, zipfile.ZIP_DEFLATED),
    )
    yield bad("a config alone", "config.json", config.encode())
    yield bad("a model as JSON", "model.json", config.encode())
    raw = base64.b64decode(SHELL).decode("latin-1")
    yield bad("code as characters", "m.keras", archive(model(node("Lambda", {"function": code_node(raw)}))))
    weights = asm.zipped({"w/vars/0.npy": asm.npy(asm.malicious())})
    yield bad("weights as npz", "m.keras", asm.zipped({"config.json": honest, "model.weights.npz": weights}))
    yield bad(
        "a pickle among the assets",
        "m.keras",
        asm.zipped({"config.json": honest, "assets/vocab.txt": asm.malicious()}),
    )
    yield good("honest", "m.keras", archive(model(DENSE)))


def _names() -> Iterator[Variant]:
    for module, name in (
        ("os", "system"),
        ("subprocess", "run"),
        ("builtins", "exec"),
        ("shutil", "rmtree"),
        ("importlib", "import_module"),
        ("keras.utils", "get_file"),
        ("keras.src.utils.file_utils", "get_file"),
        ("keras.config", "enable_unsafe_deserialization"),
        ("keras.saving", "load_model"),
        ("keras.models", "load_model"),
        ("keras.src.saving.saving_api", "load_model"),
        ("pickle", "loads"),
        ("numpy", "load"),
        ("tensorflow.keras.utils", "get_file"),
        ("keras.src.utils.python_utils", "func_load"),
        ("urllib.request", "urlretrieve"),
        ("posix", "system"),
        ("http.server", "test"),
    ):
        yield bad(
            f"function {module}.{name}",
            "m.keras",
            archive(model(node("Lambda", {"function": function_node(module, name)}))),
        )
        yield bad(
            f"class {module}.{name}", "m.keras", archive(model(node(name, {"args": ["echo inert"]}, module)))
        )
    spec = {"class_name": "__typespec__", "module": "os", "spec_name": "system", "config": ["echo inert"]}
    yield bad("a type specification", "m.keras", archive(model(node("Dense", {"units": spec}))))
    for module, name in (
        ("keras.activations", "relu"),
        ("keras.ops", "tanh"),
        ("builtins", "mse"),
        ("keras.losses", "categorical_crossentropy"),
    ):
        yield good(
            f"function {module}.{name}",
            "m.keras",
            archive(model(node("Lambda", {"function": function_node(module, name)}))),
        )
    own = {**node("MyLayer", {"units": 3}, "mypackage.layers"), "registered_name": "mypackage>MyLayer"}
    yield good("a layer of the user", "m.keras", archive(model(own)))


def _settings() -> Iterator[Variant]:
    torch = base64.b64encode(asm.torch_zip(asm.malicious())).decode()
    wrapped = {
        "class_name": "TorchModuleWrapper",
        "module": "keras.layers",
        "config": {"module": torch, "name": "t"},
    }
    yield bad("a torch module", "m.keras", archive(model(wrapped)))
    inner = {"class_name": "__bytes__", "config": {"value": torch}}
    yield bad("a torch module as bytes", "m.keras", archive(model({**wrapped, "config": {"module": inner}})))
    for name in ("StringLookup", "IntegerLookup", "TextVectorization"):
        for place in ("/etc/passwd", "http://127.0.0.1/x", "../../secret.txt"):
            yield bad(f"{name} of {place}", "m.keras", archive(model(node(name, {"vocabulary": place}))))
        yield good(
            f"{name} of words", "m.keras", archive(model(node(name, {"vocabulary": ["a", "b", "/etc"]})))
        )
    yield bad("TFSMLayer", "m.keras", archive(model(node("TFSMLayer", {"filepath": "/tmp/pvmscan-inert/m"}))))
    yield bad(
        "TFSMLayer of an address", "m.keras", archive(model(node("TFSMLayer", {"filepath": "gs://x/m"})))
    )
    operation = node("TensorFlowOpLayer", {"node_def": json.dumps({"op": "WriteFile"})}, None)
    yield bad("an operation as layer", "m.h5", build.legacy(model(operation)))
