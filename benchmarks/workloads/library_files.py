"""Writes one file with a real library. Run by the environment that has it: WHAT COUNT PATH."""

from __future__ import annotations

import importlib
import pickle
import random
import sys
from collections.abc import Callable
from typing import Any

sys.path.pop(0)  # what lies beside this script is not for the libraries
SEED = 20_260_101


def library(name: str) -> Any:
    """A module that the suite itself does not have."""
    return importlib.import_module(name)


def forest(trees: int) -> Any:
    """A forest on numbers that mean nothing."""
    rng = library("numpy").random.default_rng(SEED)
    model = library("sklearn.ensemble").RandomForestClassifier(trees, max_depth=8, random_state=SEED)
    features = rng.normal(size=(400, 12))
    return model.fit(features, (features[:, 0] + features[:, 1] > 0).astype(int))


def pipeline(texts: int) -> Any:
    """A vocabulary, its weights and a linear model."""
    text, linear, pipe = map(
        library, ("sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.pipeline")
    )
    model = pipe.make_pipeline(text.TfidfVectorizer(), linear.LogisticRegression())
    return model.fit([" ".join(line) for line in sentences(texts)], [i % 2 for i in range(texts)])


def frame(rows: int) -> Any:
    """Columns of numbers, dates and categories."""
    pandas, rng = library("pandas"), library("numpy").random.default_rng(SEED)
    columns = {
        "number": rng.normal(size=rows),
        "count": rng.integers(0, 99, rows),
        "day": pandas.date_range("2020-01-01", periods=rows, freq="min"),
        "kind": pandas.Categorical.from_codes(rng.integers(0, 3, rows), ["low", "middle", "high"]),
        "flag": rng.normal(size=rows) > 0,
    }
    return pandas.DataFrame(columns)


def object_frame(rows: int) -> Any:
    """Columns of Python objects."""
    columns = {"name": [f"name {i}" for i in range(rows)], "tags": [["a", str(i % 7)] for i in range(rows)]}
    return library("pandas").DataFrame(columns, dtype=object)


def arrays(floats: int) -> Any:
    """Arrays in a dictionary, among other things."""
    rng = library("numpy").random.default_rng(SEED)
    parts = {f"layer{i}": rng.normal(size=(floats // 10,)).astype("float32") for i in range(10)}
    return {"weights": parts, "epochs": 12, "labels": ["cat", "dog"]}


def sentences(count: int) -> list[list[str]]:
    """Words that follow Zipf's law a little."""
    rng = random.Random(SEED)
    return [[f"w{int(rng.paretovariate(0.7)) % 20_000}" for _ in range(12)] for _ in range(count)]


def word2vec(count: int) -> Any:
    """A small embedding."""
    return library("gensim.models").Word2Vec(
        sentences(count), vector_size=32, min_count=1, workers=1, seed=SEED % 1000, epochs=1
    )


def dictionary(count: int) -> Any:
    """Words and their numbers."""
    return library("gensim.corpora").Dictionary(sentences(count))


def spacy_pipeline(words: int) -> Any:
    """A blank English pipeline whose rules know some words."""
    language = library("spacy").blank("en")
    ruler = language.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "WORD", "pattern": f"w{i}"} for i in range(words)])
    return language


def spacy_documents(count: int) -> Any:
    """Documents, each with its words."""
    language = library("spacy").blank("en")
    return [language(" ".join(line)) for line in sentences(count)]


OBJECTS: dict[str, Callable[[int], Any]] = {
    "sklearn-forest": forest,
    "sklearn-forest-joblib": forest,
    "sklearn-pipeline": pipeline,
    "pandas-frame": frame,
    "pandas-objects": object_frame,
    "joblib-arrays": arrays,
    "gensim-word2vec": word2vec,
    "gensim-dictionary": dictionary,
    "spacy-pipeline": spacy_pipeline,
    "spacy-documents": spacy_documents,
}


def main(what: str, count: str, path: str) -> None:
    """Make the object and write it as its library's users would."""
    made = OBJECTS[what](int(count))
    with open(path, "wb") as out:
        if "joblib" in what:
            library("joblib").dump(made, out)
        else:
            pickle.dump(made, out, 4)


if __name__ == "__main__":
    main(*sys.argv[1:])
