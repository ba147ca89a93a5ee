"""Models in XML: entities and extensions; ordinary pages are left alone."""

from __future__ import annotations

import pytest

import judged
from pvmscan import Verdict

HONEST = '<?xml version="1.0"?>\n<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/></PMML>'


def test_honest_models_are_clean() -> None:
    assert judged.verdict(HONEST.encode(), "m.pmml") is Verdict.CLEAN
    assert (
        judged.verdict(b'<?xml version="1.0"?><net name="x" version="11"><layers/></net>', "m.xml")
        is Verdict.CLEAN
    )


@pytest.mark.parametrize("prolog", [
    '<!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
    '<!DOCTYPE PMML [<!ENTITY % x PUBLIC "a" "http://127.0.0.1/x">%x;]>',
    '<!DOCTYPE PMML SYSTEM "http://127.0.0.1/x.dtd">',
    '<!DOCTYPE PMML [<!ENTITY a "b">]>',
])  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_suspicious(prolog: str, encoding: str) -> None:
    text = HONEST.replace("<PMML", prolog + "<PMML")
    assert judged.verdict(text.encode(encoding), "m.pmml") is Verdict.SUSPICIOUS


def test_extensions_are_unverified() -> None:
    text = HONEST.replace("<Header/>", '<Extension name="script" value="x"/>')
    assert judged.found(text.encode(), "xml/extension").verdict is Verdict.UNVERIFIED


def test_other_documents_are_no_models() -> None:
    page = b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://www.w3.org/x.dtd"><html></html>'
    assert judged.verdict(page, "page.pt") is Verdict.CLEAN
