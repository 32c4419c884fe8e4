"""The corpora of the paper, one module for each."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from data_prep.corpora.base import Corpus

__all__ = ["corpus_keys", "find_corpus"]

_NOT_CORPORA = ("base", "tree")


def corpus_keys() -> list[str]:
    """Keys of all corpora, sorted."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    # A leading underscore marks what several corpora share.
    return sorted(name for name in names if name not in _NOT_CORPORA and name[0] != "_")


def find_corpus(key: str) -> Corpus:
    """The corpus with a key, the name of its module.

    Raises
    ------
    ValueError
        If there is none; the message lists the keys.

    Example
    -------
    >>> find_corpus("aishell3").name
    'AISHELL-3'
    """
    if key not in corpus_keys():
        raise ValueError(
            f"no corpus {key!r}; known: {', '.join(corpus_keys())}. See `python -m "
            "data_prep list`."
        )
    return import_module(f"data_prep.corpora.{key}").CORPUS
