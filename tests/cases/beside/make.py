# mypy: disable-error-code="import-not-found,import-untyped"
"""Makes the golden files of this folder with the libraries that own the formats.

    python tests/cases/beside/make.py

Needs onnx 1.23, gguf 0.19, skops 0.16, safetensors 0.8, flax 0.12, xgboost 3.2, lightgbm 4.7, py7zr 1.1 and
zstandard 0.25; the tests need none of them. Payloads are inert.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2] / "cli"), str(HERE.parents[2] / "pvm")]

HONEST_TEMPLATE = (
    "{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message.content | trim }}"
    "{% if not loop.last %}{{ '<|im_end|>' }}{% endif %}{%- endfor %}"
)
BAD_TEMPLATE = "{{ cycler['__in' ~ 'it__'].__globals__.os.popen('echo inert').read() }}"


def onnx_files() -> None:
    import onnx
    from onnx import TensorProto, helper

    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])

    def model(nodes: list[onnx.NodeProto], initial: list[onnx.TensorProto], *domains: str) -> onnx.ModelProto:
        graph = helper.make_graph(nodes, "g", [value("x")], [value("y")], initial)
        opsets = [helper.make_opsetid(domain, 17) for domain in ("", *domains)]
        return helper.make_model(graph, opset_imports=opsets)

    def outside(location: str) -> onnx.TensorProto:
        tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        return tensor

    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    plain = model([helper.make_node("Add", ["x", "w"], ["y"])], [weight])
    onnx.checker.check_model(plain)
    write("plain.onnx", plain.SerializeToString())
    add = [helper.make_node("Add", ["x", "w"], ["y"])]
    write("external.onnx", model(add, [outside("plain.onnx.data")]).SerializeToString())
    write("external_bad.onnx", model(add, [outside("a/../../secret")]).SerializeToString())
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["t"], value=outside("/etc/hostname"))], "then", [], [value("t")]
    )
    branch = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    write("external_nested_bad.onnx", model([branch], []).SerializeToString())
    python = helper.make_node("PyOp", ["x"], ["y"], domain="ai.onnx.contrib")
    write("python_bad.onnx", model([python], [], "ai.onnx.contrib").SerializeToString())
    custom = helper.make_node("Mine", ["x"], ["y"], domain="org.example")
    write("custom.onnx", model([custom], [], "org.example").SerializeToString())


def gguf_files() -> None:
    import gguf
    import numpy as np

    for name, template in (("plain.gguf", HONEST_TEMPLATE), ("template_bad.gguf", BAD_TEMPLATE)):
        writer = gguf.GGUFWriter(HERE / name, "llama")
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(["a", "b", "{{"])
        writer.add_token_scores([0.0, 1.0, 2.0])
        writer.add_chat_template(template)
        writer.add_tensor("w", np.zeros((4, 32), np.float32))
        writer.add_tensor("v", np.zeros(3, np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def skops_files() -> None:
    import numpy as np
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    fitted = make_pipeline(StandardScaler(), FunctionTransformer(np.log1p), LogisticRegression())
    skops.io.dump(fitted.fit(np.eye(4), [0, 1, 0, 1]), HERE / "plain.skops")
    with zipfile.ZipFile(HERE / "plain.skops") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    text = (
        json.dumps(schema)
        .replace('"log1p"', '"system"')
        .replace('"__module__": "numpy"', '"__module__": "os"')
    )
    for node in _nodes(schema):
        if (
            node["__loader__"] == "UfuncNode"
            or node.get("__class__") == "ufunc"
            or "log1p" in str(node.get("content"))
        ):
            node |= {"__module__": "os", "__class__": "system", "__loader__": "FunctionNode"}
            break
    else:
        raise SystemExit(f"no function in {text[:2000]}")
    with zipfile.ZipFile(HERE / "function_bad.skops", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(schema) if name == "schema.json" else content)


def _nodes(tree: object) -> list[dict[str, object]]:
    """Nodes of a schema, inner ones first."""
    if isinstance(tree, list):
        return [node for part in tree for node in _nodes(part)]
    if not isinstance(tree, dict):
        return []
    inner = [node for part in tree.values() for node in _nodes(part)]
    return [*inner, tree] if "__loader__" in tree else inner


def other_files() -> None:
    import lightgbm
    import numpy as np
    import py7zr
    import safetensors.numpy
    import xgboost
    import zstandard
    from flax import serialization

    import assemble

    arrays = {"a": np.zeros((2, 3), np.float32), "b": np.ones(5, np.int64)}
    safetensors.numpy.save_file(arrays, HERE / "plain.safetensors", {"format": "np"})
    parameters = {"layer": {"kernel": arrays["a"], "bias": np.float32(1)}, "step": 3, "names": ["a", "b"]}
    write("plain.msgpack", serialization.msgpack_serialize(parameters))
    features, labels = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    booster = xgboost.train({"max_depth": 1}, xgboost.DMatrix(features, labels), 1)
    booster.save_model(HERE / "xgboost.ubj")
    booster.save_model(HERE / "xgboost.json")
    settings = {"verbose": -1, "num_leaves": 2, "min_data_in_leaf": 1}
    lightgbm.train(settings, lightgbm.Dataset(features, labels), 1).save_model(HERE / "lightgbm.txt")
    for name, content in (("plain", assemble.honest()), ("pickle_bad", assemble.malicious())):
        target = io.BytesIO()
        with py7zr.SevenZipFile(target, "w") as archive:
            archive.writestr(content * 20, "model.pkl")
        write(f"{name}.7z", target.getvalue())
        write(f"{name}.pkl.zst", zstandard.ZstdCompressor(19).compress(content * 20))


def write(name: str, content: bytes) -> None:
    (HERE / name).write_bytes(content)


if __name__ == "__main__":
    onnx_files()
    gguf_files()
    skops_files()
    other_files()
