"""Files of which only the headers are fetched, and those that look like them and are not."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from functools import partial

import pytest

import assemble
from pvmscan.remote import Judged, judge, plan
from pvmscan.report import Verdict
from pvmscan.scan import scan_bytes, scan_source
from web_server import serving

numpy = pytest.importorskip("numpy")
TENSORS = bytes(range(1, 251)) * 16_000  # 4 MB


def safetensors(size: int = len(TENSORS), rest: bytes = b"", length: int = 1000) -> bytes:
    table = {"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    header = json.dumps(table).encode().ljust(length)
    return struct.pack("<Q", len(header)) + header + TENSORS[:size] + rest


def gguf(template: str, rest: bytes = b"") -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    words = b"".join(text(f"word{number}") for number in range(5000))
    entries = text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 5000) + words
    entries += text("tokenizer.chat_template") + struct.pack("<I", 8) + text(template)
    tensor = text("a") + struct.pack("<IQIQ", 1, len(TENSORS) // 4, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 2) + entries + tensor
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + TENSORS + rest


def npy(array: object) -> bytes:
    out = io.BytesIO()
    numpy.save(out, array, allow_pickle=False)
    return out.getvalue()


def _late() -> bytes:
    """A pickle that begins with the length, has the header as a text, and goes on in the tensors."""
    whole = safetensors(length=0x5350)  # PERSID
    at = 8 + 0x5350
    tensors = bytes(200_000) + b"\n" + assemble.malicious()
    return whole[:at] + tensors + whole[at + len(tensors) :]


PLAIN = npy(numpy.arange(500_000.0))
HIDDEN = TENSORS[:512] + b"\x89HDF\r\n\x1a\n"
BY_PIECES = {
    "a.safetensors": safetensors(),
    "a.npy": PLAIN,
    "a.gguf": gguf("{{ messages }}"),
    "bad.gguf": gguf("{{ ''.__class__.__mro__[1].__subclasses__() }}"),
    # lengths that begin like lines of PUT and PERSID
    "put.safetensors": safetensors(length=0x7370),
    "persistent.safetensors": safetensors(length=0x5150),
    "a-with-the-name-of-a.pkl": safetensors(),
}
WHOLE = {
    "behind.safetensors": safetensors(rest=assemble.malicious()),
    "behind.npy": PLAIN + assemble.malicious(),
    "behind.gguf": gguf("{{ messages }}", rest=bytes(100) + assemble.malicious()),
    "cut.npy": PLAIN[:-100],
    "cut.safetensors": safetensors()[:-100],
    "two.npy": PLAIN + npy(numpy.array([b"x"])),
    "hdf.safetensors": struct.pack("<Q", 504) + b"{}".ljust(504) + b"\x89HDF\r\n\x1a\n" + TENSORS,
    "pickle.safetensors": b"\x80\x04N.\0\0\0\0" + b"{" + TENSORS,
    # a line of PERSID that ends behind what is tried first, and a pickle behind it
    "late.safetensors": _late(),
    "tar.npy": PLAIN[:257] + b"ustar" + PLAIN[262:],
}


def fetched(name: str, content: bytes) -> tuple[Judged, str]:
    with serving({name: content}) as server:
        url = f"{server.url}/honest/{name}"
        return judge(url, partial(scan_source)), plan(url).how


@pytest.mark.parametrize("name", BY_PIECES)
def test_only_headers_are_fetched(name: str) -> None:
    judged, how = fetched(name, BY_PIECES[name])
    here = scan_bytes(BY_PIECES[name], name=judged.report.path).files[0]
    assert replace(judged.report, fetched=None) == here
    assert (here.verdict > Verdict.CLEAN) == name.startswith("bad")
    assert how == "by pieces"
    assert judged.received < len(BY_PIECES[name]) // 8 and judged.requests <= 8


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_more_than_its_header_is_judged_as_at_hand(name: str) -> None:
    judged, _ = fetched(name, WHOLE[name])
    here = scan_bytes(WHOLE[name], name=judged.report.path).files[0]
    assert replace(judged.report, fetched=None) == here


def test_an_object_array_is_fetched_and_judged() -> None:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + assemble.malicious()
    judged, _ = fetched("a.npy", data)
    assert judged.report.verdict == Verdict.DANGEROUS


def test_the_plan_of_a_file_that_is_fetched_whole() -> None:
    with serving({"a.pkl": assemble.malicious() + TENSORS}) as server:
        planned = plan(f"{server.url}/honest/a.pkl")
        assert (planned.how, planned.most) == ("whole", planned.size)
