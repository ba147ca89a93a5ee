"""Files that real libraries write, made by `library_files.py` in an environment that has the libraries."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks import environments

SCRIPT = Path(__file__).with_name("library_files.py")
OBJECTS: dict[str, tuple[str, int, int]] = {
    "sklearn-forest": (".pkl", 5, 100),
    "sklearn-forest-joblib": (".joblib", 5, 100),
    "sklearn-pipeline": (".pkl", 50, 2_000),
    "pandas-frame": (".pkl", 500, 100_000),
    "pandas-objects": (".pkl", 500, 20_000),
    "joblib-arrays": (".joblib", 10_000, 2_000_000),
    "gensim-word2vec": (".pkl", 50, 2_000),
    "gensim-dictionary": (".pkl", 50, 20_000),
    "spacy-pipeline": (".pkl", 50, 5_000),
    "spacy-documents": (".pkl", 5, 300),
}
"""Suffix, and items in the small and in the medium file."""


def write(path: Path, count: int, what: str) -> None:
    """Let the libraries write one of the objects."""
    python = environments.python("makers")
    quiet = {**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    subprocess.run([python, str(SCRIPT), what, str(count), str(path)], check=True, env=quiet)
