"""What stands beside pickles: templates, configs, sources, and the formats of other frameworks."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator
from typing import Any

import assemble as asm
from beside_samples import promise, tar, tflite
from variants.base import Variant, bad, good
from wire_builder import field, number

ESCAPES = (
    "{{ x.__class__ }}",
    "{{ lipsum.__globals__['os'].popen('echo inert').read() }}",
    "{{ x|attr('__class__') }}",
    "{{ x['__cla' + 'ss__'] }}",
    "{{ cycler.__init__.__globals__.os.system('echo inert') }}",
    "{%- set a = x.__mro__ -%}",
    "{{ x['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ x|attr('\\u005f_class__') }}",
    "{{ (x|attr('__' ~ 'init__')).__globals__ }}",
    "{% for k in self.__dict__ %}{% endfor %}",
    "{{ request.application.__globals__ }}",
    "{{ x | map(attribute='__class__') | list }}",
    "{{ joiner['__in' 'it__'] }}",
    "{% if namespace.__init__ %}{% endif %}",
    "{{ x[['__cl', 'ass__'] | join] }}",
    "{{ x['__ssalc__' | reverse] }}",
    "{{ x['__class__' | string] }}",
    "{{ x['%c%cclass__' % (95, 95)] }}",
    "{{ x | attr('__CLASS__'.lower()) }}",
)
TEMPLATES = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] }}{% endfor %}",
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}{{ eos_token }}",
    "{% set ns = namespace(i=0) %}{{ raise_exception('no __class__ here') }}{{ tools | tojson(indent=2) }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join('') }}",
    "{{- strftime_now('%d %b %Y') -}}{{ content.split('</think>')[-1].strip() }}",
)
TARGETS = (
    "os.system",
    "subprocess.Popen",
    "builtins.eval",
    "builtins.exec",
    "importlib.import_module",
    "shutil.rmtree",
    "posix.system",
    "pickle.loads",
)
CLASSES = (
    "torch.nn.Linear",
    "torch.optim.AdamW",
    "pytorch_lightning.Trainer",
    "nemo.collections.asr.models.EncDecCTCModel",
)


def variants() -> Iterator[Variant]:
    """All of them."""
    yield from _templates()
    yield from _targets()
    yield from _sources()
    yield from _tensors()
    yield from _others()


def gguf(key: str, text: str, version: int = 3) -> bytes:
    """A file with one text."""
    content = text.encode()
    head = struct.pack("<IQQ", version, 0, 1)
    return (
        b"GGUF"
        + head
        + struct.pack("<Q", len(key))
        + key.encode()
        + struct.pack("<IQ", 8, len(content))
        + content
    )


def _templates() -> Iterator[Variant]:
    for index, text in enumerate(ESCAPES):
        yield bad(f"template {index} in GGUF", "m.gguf", gguf("tokenizer.chat_template", text))
        yield bad(
            f"template {index} for tools in GGUF", "m.bin", gguf("tokenizer.chat_template.tool_use", text, 2)
        )
        yield bad(
            f"template {index} in a config",
            "tokenizer_config.json",
            json.dumps({"chat_template": text}).encode(),
        )
        listed = {
            "chat_template": [{"name": "default", "template": "{{ x }}"}, {"name": "tools", "template": text}]
        }
        yield bad(f"template {index} in a list", "tokenizer_config.json", json.dumps(listed).encode())
        yield bad(f"template {index} alone", "chat_template.jinja", text.encode())
        yield bad(
            f"template {index} behind text", "chat_template.jinja", (TEMPLATES[0] + "\n" * 99 + text).encode()
        )
        yield bad(
            f"template {index} in an archive", "m.zip", asm.zipped({"m/chat_template.jinja": text.encode()})
        )
    for index, text in enumerate(TEMPLATES):
        yield good(f"honest template {index} in GGUF", "m.gguf", gguf("tokenizer.chat_template", text))
        yield good(
            f"honest template {index} in a config",
            "tokenizer_config.json",
            json.dumps({"chat_template": text}).encode(),
        )
        yield good(f"honest template {index}", "chat_template.jinja", text.encode())


def _targets() -> Iterator[Variant]:
    for name in TARGETS:
        plain = f"model:\n  _target_: {name}\n  _args_:\n    - echo inert\n"
        yield bad(f"hydra {name}", "config.yaml", plain.encode())
        yield bad(
            f"hydra {name}, in a flow",
            "config.yaml",
            f"model: {{_target_: '{name}', _args_: [x]}}\n".encode(),
        )
        yield bad(f"hydra {name}, as JSON", "config.json", json.dumps({"a": [{"_target_": name}]}).encode())
        yield bad(f"NeMo {name}", "m.nemo", tar("./model_config.yaml", plain.encode()))
        yield bad(f"NeMo {name}, packed", "m.nemo", gzip.compress(tar("model_config.yaml", plain.encode())))
        yield bad(f"a tag {name}", "x.yaml", f"a: !!python/object/apply:{name} [echo inert]\n".encode())
        node = {
            "__class__": name.rpartition(".")[2],
            "__module__": name.rpartition(".")[0],
            "__loader__": "FunctionNode",
            "content": name.rpartition(".")[2],
        }
        yield bad(
            f"skops {name}",
            "m.skops",
            asm.zipped({"schema.json": json.dumps({**node, "protocol": 2}).encode()}),
        )
        deep = {
            "__class__": "dict",
            "__module__": "builtins",
            "__loader__": "DictNode",
            "content": {"x": {"__loader__": "PartialNode", **node}},
        }
        yield bad(f"skops {name}, inside", "m.skops", asm.zipped({"schema.json": json.dumps(deep).encode()}))
    for name in CLASSES:
        yield good(f"hydra {name}", "config.yaml", f"model:\n  _target_: {name}\n  in_features: 3\n".encode())
        yield good(
            f"NeMo {name}",
            "m.nemo",
            tar("./model_config.yaml", f"target: {name}\nencoder:\n  _target_: {name}\n".encode()),
        )
    yield bad(
        "a tag in quotes", "x.yaml", b'a: !<tag:yaml.org,2002:python/object/apply:os.system> ["echo inert"]\n'
    )
    yield bad(
        "a tag by a prefix",
        "x.yaml",
        b"%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:os.system [echo inert]\n",
    )
    yield bad("hydra by an anchor", "x.yaml", b"base: &b\n  _target_: os.system\nmodel:\n  <<: *b\n")
    yield bad("hydra in escapes", "x.yaml", b'model:\n  "_t\\x61rget_": "os\\x2esystem"\n')
    yield good(
        "MLflow",
        "MLmodel",
        b"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n"
        b"  sklearn:\n    pickled_model: model.pkl\nrun_id: 1\n",
    )


def _sources() -> Iterator[Variant]:
    sources = (
        "import os\nos.system('echo inert')\n",
        "from subprocess import run as r\nr('echo inert', shell=True)\n",
        "exec(__import__('base64').b64decode('MQ=='))\n",
        "class A:\n    import os as o\n    o.popen('echo inert')\n",
        "def f(x=eval('__import__(chr(111)+chr(115)).system(1)')):\n    return x\n",
        "@__import__('os').system\ndef f(): pass\n",
        "import socket\nsocket.create_connection(('127.0.0.1', 1))\n",
    )
    for index, source in enumerate(sources):
        yield bad(f"source {index}", "modeling_x.py", source.encode())
        yield bad(f"source {index} in an archive", "m.zip", asm.zipped({"m/modeling_x.py": source.encode()}))
    yield good(
        "source of a model",
        "modeling_x.py",
        b"import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n"
        b"    def forward(self, x):\n        return torch.relu(x)\n",
    )
    for value in ("../evil.Net", "/tmp/x.Net"):
        yield bad(
            f"classes in {value}",
            "config.json",
            json.dumps({"auto_map": {"AutoModel": value}, "model_type": "x"}).encode(),
        )
    yield good(
        "classes beside",
        "config.json",
        json.dumps({"auto_map": {"AutoModel": "modeling_x.Net"}, "model_type": "x"}).encode(),
    )
    yield bad(
        "an index that leads out",
        "pytorch_model.bin.index.json",
        json.dumps({"metadata": {}, "weight_map": {"a": "../../x.bin"}}).encode(),
    )


def safetensors(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _tensors() -> Iterator[Variant]:
    one = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    yield good("safetensors", "m.safetensors", safetensors(one, bytes(8)))
    yield good(
        "safetensors with notes",
        "m.safetensors",
        safetensors({"__metadata__": {"format": "pt"}, **one}, bytes(8)),
    )
    yield good(
        "safetensors with blanks", "m.safetensors", safetensors(json.dumps(one).encode() + b"   ", bytes(8))
    )
    yield bad("a pickle behind tensors", "m.safetensors", safetensors(one, bytes(8)) + asm.malicious())
    yield bad("a pickle of that name", "m.safetensors", asm.malicious())
    yield bad("an archive of that name", "m.safetensors", asm.torch_zip(asm.malicious()))
    for location in ("../../x", "/etc/hostname", "a/../../x", "C:\\x", "..\\x"):
        tensor = field(13, field(1, b"location") + field(2, location.encode())) + number(14, 1)
        yield bad(f"ONNX, {location}", "m.onnx", number(1, 8) + field(7, field(5, tensor)))
        nested = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, field(5, tensor))))
        yield bad(f"ONNX inside, {location}", "m.onnx", number(1, 8) + field(7, nested))
    script = field(1, field(4, b"PyOp") + field(7, b"ai.onnx.contrib"))
    yield bad("ONNX, Python", "m.onnx", number(1, 8) + field(7, script))
    tensor = field(13, field(1, b"location") + field(2, b"weights.bin")) + number(14, 1)
    yield good(
        "ONNX, weights beside",
        "m.onnx",
        number(1, 8) + field(7, field(1, field(4, b"Relu")) + field(5, tensor)) + field(8, number(2, 17)),
    )


def _others() -> Iterator[Variant]:
    yield bad("R, a promise", "m.rds", promise())
    yield bad("R, packed", "m.rds", gzip.compress(promise()))
    yield bad("R, a workspace", "m.RData", b"RDX2\n" + promise())
    yield bad(
        "PMML, an entity",
        "m.pmml",
        b'<?xml version="1.0"?><!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/hostname">]><PMML>&x;</PMML>',
    )
    yield bad(
        "PMML, many entities",
        "m.pmml",
        b'<!DOCTYPE PMML [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]><PMML>&b;</PMML>',
    )
    yield good(
        "PMML",
        "m.pmml",
        b'<?xml version="1.0"?><PMML version="4.4" xmlns="http://www.dmg.org/PMML-4_4"><Header/></PMML>',
    )
    yield bad("TFLite, an operation that writes", "m.tflite", tflite("FlexWriteFile"))
    yield bad("TFLite, an operation that reads", "m.tflite", tflite("FlexReadFile"))
    yield bad("TFLite with a pickle", "m.tflite", tflite("CUSTOM") + asm.zipped({"x": asm.malicious()}))
    yield bad(
        "llamafile with a template",
        "m.llamafile",
        b"MZqFpD='\n" + bytes(512) + asm.zipped({"m.gguf": gguf("tokenizer.chat_template", ESCAPES[0])}),
    )
    for name in ("model.pdparams", "model.pdopt", "model.pdiparams.info"):
        yield bad(f"Paddle, {name}", name, asm.malicious(4))
        yield good(f"Paddle, honest {name}", name, asm.honest(4))
    program = number(1, 0) + number(2, 0) + field(4, field(3, b"py_func"))
    yield bad("Paddle, Python", "m.pdmodel", field(1, program) + field(4, number(1, 0)))
    yield good("Flax", "m.msgpack", b"\x81\xa6params\x81\xa1w\x93\x01\x02\x03")
    yield good("XGBoost", "m.json", b'{"learner":{"gradient_booster":{"name":"gbtree"}},"version":[2,0,3]}')
    yield good(
        "LightGBM",
        "m.txt",
        b"tree\nversion=v4\nnum_class=1\nobjective=binary\n\nTree=0\nnum_leaves=2\n\nend of trees\n",
    )
    yield bad(
        "a pickle behind LightGBM",
        "m.txt",
        b"tree\nversion=v4\nnum_class=1\n\nend of trees\n" + asm.malicious(0),
    )
