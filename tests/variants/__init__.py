"""Variants of containers: each format with its tricks, and honest files that look alike.

A variant has a name, the name of its file, its bytes, and what a scan has to say: `bad` is suspicious or dangerous, and
says where; `good` is neither, and is understood.
"""

from __future__ import annotations

from collections.abc import Iterator

from variants import archives, beside, hdf5, joblib, keras, numpy, raw, tensorflow, torch
from variants.base import Variant

FAMILIES = {
    "raw": raw.variants,
    "torch": torch.variants,
    "numpy": numpy.variants,
    "joblib": joblib.variants,
    "keras": keras.variants,
    "hdf5": hdf5.variants,
    "tensorflow": tensorflow.variants,
    "archives": archives.variants,
    "beside": beside.variants,
}


def every() -> Iterator[Variant]:
    """All of them."""
    for family, variants in FAMILIES.items():
        for one in variants():
            yield Variant(f"{family}-{one.id}", one.name, one.data, bad=one.bad)


__all__ = ["FAMILIES", "Variant", "every"]
