"""Python files beside a model: alarms for what runs and reaches out, none for honest modules."""

from __future__ import annotations

import pytest

import judged
from pvmscan import Verdict

HEAD = "import torch\nimport torch.nn as nn\nfrom transformers import PreTrainedModel\n"
HONEST = [
    HEAD + "class Net(PreTrainedModel):\n    def __init__(self, config):\n        super().__init__(config)\n"
    "        self.act = getattr(nn, config.act)()\n        self.w = torch.load(config.path)\n"
    "    def forward(self, x):\n        return self.act(x)\n",
    HEAD + "import json, os\n_HERE = os.path.dirname(__file__)\ndef load(path):\n    with open(path) as f:\n"
    "        return json.load(f)\n",
    HEAD + "import os\nos.environ['X'] = '1'\nos.makedirs('cache', exist_ok=True)\n"
    "@torch.jit.script\ndef f(x):\n    return x\n",
    "import subprocess, sys\ndef main():\n    subprocess.run(['git', 'status'])\n"
    "if __name__ == '__main__':\n    sys.exit(main())\n",
    "import requests\nclass Processor:\n    def fetch(self, url):\n        return requests.get(url).content\n",
    "import pickle\ndef read(path):\n    with open(path, 'rb') as f:\n        return pickle.load(f)\n",
    "import base64\nKERNEL = base64.b64decode('AAAAAAAAAAAAAAAA')\n",
    "import subprocess\ndef check(p):\n    assert isinstance(p, subprocess.Popen)\n",
]
DANGEROUS = [
    "import os\nos.system('echo inert')\n",
    "import posix\nposix.system('echo inert')\n",
    "__import__('o' + 's').system('echo inert')\n",
    "import os\ngetattr(os, ''.join(['sys', 'tem']))('echo inert')\n",
    "import base64\nexec(base64.b64decode('cHJpbnQoMSk='))\n",
    "import base64\ncode = base64.b64decode('cHJpbnQoMSk=')\nexec(compile(code, 'x', 'exec'))\n",
    "import requests\nanswer = requests.get('http://127.0.0.1/x')\nexec(answer.text)\n",
    "import pickle, base64\npickle.loads(base64.b64decode('gASVIwAAAAAAAA=='))\n",
    "import os\ndef f(x=os.system('echo inert')):\n    pass\n",
    "import os\n@os.system\ndef f():\n    pass\n",
    "import os\nclass A:\n    x = os.popen('echo inert')\n",
    "import os\nlist(map(os.system, ['echo inert']))\n",
    "import os, threading\nthreading.Thread(target=os.system, args=('echo inert',)).start()\n",
    "from os import *\nsystem('echo inert')\n",
    "import os\nfor f in [os.system]:\n    f('echo inert')\n",
    "class A:\n    def __init__(self):\n        import zlib\n        exec(zlib.decompress(b'x'))\n",
]
SUSPICIOUS = [
    "import subprocess\nclass A:\n    def __init__(self):\n        subprocess.run(['echo', 'inert'])\n",
    "import subprocess as s\nclass A:\n    def forward(self, x):\n        return self.h(x)\n"
    "    def h(self, x):\n        s.Popen('echo inert', shell=True)\n",
    "import socket\ns = socket.create_connection(('127.0.0.1', 4444))\n",
    "open('/tmp/pvmscan-inert/x', 'w').write('x')\n",
    "().__class__.__base__.__subclasses__()[1].__init__.__globals__['system']('echo inert')\n",
    "# -*- coding: utf-7 -*-\nx = 1\n",
]


@pytest.mark.parametrize("source", HONEST)
def test_honest_modules_are_unverified(source: str) -> None:
    assert judged.verdict(source.encode(), "modeling_net.py") is Verdict.UNVERIFIED


@pytest.mark.parametrize("source", DANGEROUS)
def test_what_runs_on_import_is_dangerous(source: str) -> None:
    assert judged.verdict(source.encode(), "modeling_net.py") is Verdict.DANGEROUS
    assert judged.verdict(b"\xef\xbb\xbf" + source.encode(), "modeling_net.py") is Verdict.DANGEROUS


@pytest.mark.parametrize("source", SUSPICIOUS)
def test_what_may_run_or_hides_is_suspicious(source: str) -> None:
    assert judged.verdict(source.encode(), "modeling_net.py") is Verdict.SUSPICIOUS


def test_only_what_python_would_import() -> None:
    bad = DANGEROUS[0].encode()
    assert judged.verdict(bad, "README.txt") is Verdict.CLEAN
    assert judged.verdict(b"\xa7\r\r\n" + bytes(20), "x.cpython-311.pyc") is Verdict.UNVERIFIED
    assert judged.problems(b"print 'x'\n", "old.py") == ["unreadable"]
