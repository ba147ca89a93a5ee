"""nested: what a pickle loads in turn is judged like a file of its own."""

from __future__ import annotations

import base64
import bz2
import lzma
import sys
import zlib
from collections.abc import Callable

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

SHELL = "reachable-sink/shell-command"
ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "base64": lambda inner: asm.call(asm.glob("base64", "b64decode"), asm.data(base64.b64encode(inner))),
    "zlib": lambda inner: asm.call(asm.glob("zlib", "decompress"), asm.data(zlib.compress(inner))),
    "bz2": lambda inner: asm.call(asm.glob("bz2", "decompress"), asm.data(bz2.compress(inner))),
    "lzma": lambda inner: asm.call(asm.glob("lzma", "decompress"), asm.data(lzma.compress(inner))),
    "hex": lambda inner: asm.call(asm.glob("binascii", "unhexlify"), asm.text(inner.hex())),
    "latin-1": lambda inner: asm.call(
        asm.glob("_codecs", "encode"), asm.text(inner.decode("latin-1")), asm.text("latin1")
    ),
    "plain": asm.data,
}


def loads(content: bytes) -> bytes:
    return asm.program(3, asm.call(asm.glob("pickle", "loads"), content))


@pytest.mark.parametrize("how", ENCODED)
def test_an_encoded_layer_is_decoded_and_judged(how: str) -> None:
    finding = judged.found(loads(ENCODED[how](asm.malicious())), SHELL)
    assert asm.COMMAND in (finding.payload or "")
    assert finding.location.member is not None


def test_three_layers_deep_the_chain_shows_the_whole_way() -> None:
    data = loads(ENCODED["base64"](loads(ENCODED["zlib"](loads(ENCODED["hex"](asm.malicious()))))))
    finding = judged.found(data, SHELL)
    assert (finding.location.member or "").count("pickle.loads@") == 3
    text = " ".join(step.text for step in finding.chain)
    assert text.count("pickle.loads") >= 3
    assert "base64.b64decode" in text
    assert "zlib.decompress" in text
    assert finding.chain[-1].text.startswith("os.system(")


def test_layers_deeper_than_the_limit_are_reported() -> None:
    data = asm.malicious()
    for _ in range(12):
        data = asm.nested(data)
    assert "limit" in judged.problems(data)
    assert judged.verdict(data) is Verdict.DANGEROUS


def test_the_same_layer_many_times_is_judged_once() -> None:
    layer = asm.call(asm.glob("pickle", "loads"), asm.data(asm.honest()))
    file = judged.file(asm.program(3, asm.list_of(*[layer] * 50)))
    assert len(file.streams) == 2


def buffered(content: bytes) -> bytes:
    return asm.call(asm.glob("io", "BytesIO"), asm.data(content))


@pytest.mark.parametrize(
    "program",
    [
        asm.call(asm.attribute(asm.call(asm.glob("pickle", "Unpickler"), buffered(asm.malicious())), "load")),
        asm.call(
            asm.glob("pickle", "load"), asm.call(asm.glob("io", "BufferedReader"), buffered(asm.malicious()))
        ),
        asm.call(
            asm.glob("pickle", "load"),
            asm.build(
                asm.newobj(asm.glob("io", "BytesIO")),
                asm.tuple_of(asm.data(asm.malicious()), asm.number(0), asm.NONE),
            ),
        ),
    ],
)
def test_a_stream_is_looked_into_however_it_was_made(program: bytes) -> None:
    assert asm.COMMAND in (judged.found(asm.program(4, program), SHELL).payload or "")


def test_a_stream_of_nothing_has_no_content() -> None:
    for stream in (asm.call(asm.glob("io", "BytesIO")), asm.call(asm.glob("inert.module", "stream"))):
        data = asm.program(4, asm.call(asm.glob("pickle", "load"), stream))
        assert judged.verdict(data) is Verdict.DANGEROUS


def test_a_bytes_io_is_looked_into() -> None:
    stream = asm.call(asm.glob("io", "BytesIO"), asm.data(asm.malicious()))
    assert SHELL in judged.rules(asm.program(3, asm.call(asm.glob("pickle", "load"), stream)))


def storage(content: bytes) -> bytes:
    return asm.program(3, asm.call(asm.glob("torch.storage", "_load_from_bytes"), content))


@pytest.mark.parametrize("make", [asm.torch_zip, asm.torch_legacy], ids=["zip", "legacy"])
def test_a_storage_that_torch_pickles_itself_is_as_good_as_what_is_inside(
    make: Callable[[bytes], bytes],
) -> None:
    file = judged.file(storage(asm.data(make(asm.honest()))))
    # a pickle that holds an archive is an archive with something before it, which is for people to see
    assert not file.uncovered and (file.verdict is Verdict.CLEAN or make is asm.torch_zip)
    unknown = asm.program(2, asm.call(asm.glob("our.model", "Model")))
    assert judged.verdict(storage(asm.data(make(unknown)))) is Verdict.UNVERIFIED
    assert SHELL in judged.rules(storage(asm.data(make(asm.malicious()))))


def test_a_function_that_numba_pickles_is_as_good_as_what_is_inside() -> None:
    load = asm.at("numba.core.serialize._unpickle__CustomPickled")
    honest, evil = (asm.program(4, asm.call(load, asm.data(one))) for one in (asm.honest(), asm.malicious()))
    assert judged.verdict(honest) <= Verdict.UNVERIFIED
    assert SHELL in judged.rules(evil) and judged.verdict(evil) is Verdict.DANGEROUS
    assert judged.verdict(asm.program(4, asm.call(load, asm.persistent(asm.text("0"))))) >= Verdict.INCOMPLETE


@pytest.mark.parametrize("content", [b"", b"x", b"\x80", b"PK\x03\x04", b"no torch file at all" * 9])
def test_a_storage_with_bytes_that_are_no_torch_file_is_not_clean(content: bytes) -> None:
    honest = asm.data(asm.torch_legacy(asm.honest()))
    load = asm.glob("torch.storage", "_load_from_bytes")
    both = asm.list_of(asm.call(load, honest), asm.call(load, asm.data(content)))
    for data in (storage(asm.data(content)), asm.program(3, both)):
        assert judged.verdict(data) > Verdict.CLEAN


def test_a_loader_that_is_only_carried_is_not_covered() -> None:
    file = judged.file(asm.program(3, asm.glob("torch.storage", "_load_from_bytes")))
    assert file.verdict > Verdict.CLEAN


def test_a_storage_whose_bytes_cannot_be_told_is_incomplete() -> None:
    assert judged.verdict(storage(asm.persistent(asm.text("0")))) is Verdict.INCOMPLETE


def test_bytes_given_by_keyword_are_judged() -> None:
    load = asm.glob("torch.storage", "_load_from_bytes")
    partial = asm.newobj_ex(
        asm.glob("functools", "partial"), asm.tuple_of(load), asm.dict_of(b=asm.data(asm.malicious()))
    )
    assert SHELL in judged.rules(asm.program(4, asm.call(partial)))


def test_pickle_loads_is_dangerous_even_of_honest_bytes() -> None:
    """No honest file does that."""
    assert "reachable-sink/nested-pickle" in judged.rules(asm.nested(asm.honest()))


def test_bytes_that_nothing_loads_are_no_layer_of_a_loader() -> None:
    file = judged.file(asm.program(3, asm.dict_of(note=asm.data(asm.honest()))))
    assert len(file.streams) == 1
    assert file.verdict is Verdict.CLEAN


def spacy_vocab(getters: bytes) -> bytes:
    """A vocabulary as spaCy 3.8 pickles it: strings, vectors, morphology, a spare, getters, lookups, chunks."""
    strings = asm.call(asm.glob("spacy.strings", "StringStore"), asm.list_of(asm.text("word")))
    vectors = asm.call(asm.glob("spacy.vectors", "unpickle_vectors"), asm.data(b"\x81\xa4none\xc0"))
    morphology = asm.call(asm.glob("spacy.morphology", "unpickle_morphology"), strings, asm.list_of())
    parts = (strings, vectors, morphology, asm.NONE, getters, asm.NONE, asm.NONE)
    return asm.call(asm.glob("spacy.vocab", "unpickle_vocab"), *parts)


def spacy_doc(getters: bytes, hooks: bytes) -> bytes:
    return asm.program(
        3,
        asm.call(
            asm.glob("spacy.tokens.doc", "unpickle_doc"), spacy_vocab(getters), hooks, asm.data(b"\x80")
        ),
    )


GETTERS = asm.program(4, asm.dict_of(x=asm.glob("spacy.lang.lex_attrs", "is_alpha")))
HOOKS = asm.program(4, asm.tuple_of(*[asm.EMPTY_DICT] * 4))


def test_spacy_documents_and_vocabularies_are_judged_by_the_pickles_that_they_carry() -> None:
    honest = spacy_doc(asm.data(GETTERS), asm.data(HOOKS))
    assert judged.verdict(honest) <= Verdict.UNVERIFIED
    for getters, hooks in ((asm.malicious(), HOOKS), (GETTERS, asm.malicious())):
        data = spacy_doc(asm.data(getters), asm.data(hooks))
        assert judged.found(data, SHELL).location.member is not None


def test_spacy_getters_that_cannot_be_told_are_reported() -> None:
    data = spacy_doc(asm.call(asm.glob("some.module", "made"), asm.number(1)), asm.data(HOOKS))
    assert judged.verdict(data) is Verdict.INCOMPLETE


@pytest.mark.parametrize("module", ["matcher", "phrasematcher", "dependencymatcher"])
def test_spacy_matchers_are_put_together_from_their_patterns(module: str) -> None:
    """Their function is called like those that load pickles, and loads none."""
    vocab = spacy_vocab(asm.data(GETTERS))
    matcher = asm.call(
        asm.glob(f"spacy.matcher.{module}", "unpickle_matcher"), vocab, asm.dict_of(), asm.dict_of()
    )
    assert judged.verdict(asm.program(3, matcher)) <= Verdict.UNVERIFIED


def test_the_way_to_honest_layers_is_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than judging them, and thousands of documents have such layers."""
    calls: list[object] = []

    def chain(call: object) -> tuple[()]:
        calls.append(call)
        return ()

    monkeypatch.setattr(sys.modules["pvmscan.judging"], "chain", chain)
    judged.verdict(spacy_doc(asm.data(GETTERS), asm.data(HOOKS)))
    assert not calls
    judged.verdict(spacy_doc(asm.data(GETTERS), asm.data(asm.malicious())))
    assert calls
