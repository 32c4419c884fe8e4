"""Has the audio that comes in drifted away from what a detector was tested on?

    python -m recipes.AntiDeepfake.drift reference.npz incoming.npz
    python -m recipes.AntiDeepfake.drift valid.csv incoming/ --detector FOLDER \\
        --data-folder DIR --out drift/

Error rates hold for data like those of the test. Without labels, one can still ask
whether new utterances look to the detector like those of the reference
(the idea of https://arxiv.org/abs/2509.10086). Each of the two sets is

- an .npz file of embeddings, as this command and `embeddings.write_embeddings` write;
- a manifest, or audio: a file or a folder. These need --detector.

Printed is the energy distance as a share H in [0, 1], what it would be without drift,
the p-value of a permutation test, and the Fréchet distance; for all of the incoming
set, and for its slices against the whole reference. Formulas and sources are in
`drift_distance`. A small p says that there is a drift, and H how large it is: of many
utterances even a drift of no consequence has a small p. With slices, read the column
that is adjusted for the number of them (Holm).

    --detector D          detector folder or hub id, to embed manifests and audio
    --data-folder DIR     what $ROOT stands for in the manifests
    --manifest FILE ...   manifests of an incoming .npz file, for the slices
    --by COLUMN ...       columns to slice by (Language Corpus)
    --permutations N      999
    --most N              most utterances of a set (2000): memory and time grow with
                          its square
    --seed N              of the draws (0)
    --out FOLDER          writes drift.json, drift.txt and, if they were made here,
                          reference.npz and incoming.npz, to be used again
    --device, --max_batch_length, --num_workers, --noprogressbar   as in score.py
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas
from numpy.typing import NDArray

from data_prep.audio_info import AudioError
from data_prep.files import atomic_path
from data_prep.manifest import UNKNOWN, ManifestError, read_manifest
from recipes.AntiDeepfake.drift_distance import measure_drift
from recipes.AntiDeepfake.embeddings import (
    EmbeddingsError,
    embed_rows,
    read_embeddings,
    write_embeddings,
)
from recipes.AntiDeepfake.metrics import holm
from recipes.AntiDeepfake.usage import UsageError, command

__all__ = ["EmbeddedSet", "drift_table", "format_drift", "main"]

#: A slice of fewer utterances is listed, but not tested.
FEWEST = 10


class EmbeddedSet(NamedTuple):
    """A set of utterances.

    Arguments
    ---------
    ids : numpy.ndarray
        [utterances], text.
    embeddings : numpy.ndarray
        [utterances, dim].
    rows : dict
        Manifest row by ID, as far as known.
    failures : dict
        Reason by ID of what could not be embedded.
    """

    ids: NDArray
    embeddings: NDArray
    rows: Mapping[str, Mapping[str, str]]
    failures: Mapping[str, str]


def drift_table(
    reference: NDArray,
    incoming: EmbeddedSet,
    by: Sequence[str] = ("Language", "Corpus"),
    permutations: int = 999,
    most: int = 2000,
    seed: int = 0,
) -> list[dict]:
    """The drift of a set, and of its slices, from a reference.

    Arguments
    ---------
    reference : numpy.ndarray
        Embeddings, [utterances, dim].
    incoming : EmbeddedSet
        What has come in.
    by : list of str
        Columns to slice by; one that has a single value is left out.
    permutations, most, seed : int
        As for `drift_distance.measure_drift`.

    Returns
    -------
    list of dict
        `slice`, `utterances` (all there are) and the fields of `Drift`, first of the
        whole; with `p_holm` for the slices, adjusted for their number. Slices of
        fewer than `FEWEST` utterances have None for what was not measured.
    """
    settings = {"permutations": permutations, "most": most, "seed": seed}
    members = {"all": np.arange(len(incoming.ids))} | _slices(incoming, by)
    table = []
    for name, places in members.items():
        row = {"slice": name, "utterances": len(places)}
        measured = dict.fromkeys(
            ("reference", "incoming", "energy", "expected", "p_value", "frechet")
        )
        if len(places) >= FEWEST or name == "all":
            found = measure_drift(reference, incoming.embeddings[places], **settings)
            measured = asdict(found)
        table.append(row | measured | {"p_holm": None})
    tested = [row for row in table[1:] if row["p_value"] is not None]
    adjusted = holm([row["p_value"] for row in tested]) if tested else []
    for row, p_value in zip(tested, adjusted, strict=True):
        row["p_holm"] = float(p_value)
    return table


def _slices(incoming: EmbeddedSet, by: Sequence[str]) -> dict[str, NDArray]:
    """Places of the utterances of each slice, by its name."""
    found = {}
    for column in by:
        rows = [incoming.rows.get(str(name), {}) for name in incoming.ids]
        values = np.array([row.get(column, UNKNOWN) for row in rows])
        names = np.unique(values)
        if len(names) > 1:
            for name in names:
                found[f"{column} {name}"] = np.flatnonzero(values == name)
    return found


def format_drift(table: Sequence[Mapping]) -> str:
    """The table as aligned text."""
    heads = {
        "slice": "slice",
        "utterances": "utterances",
        "energy": "H",
        "expected": "H without drift",
        "p_value": "p",
        "p_holm": "p (Holm)",
        "frechet": "Fréchet",
    }
    frame = pandas.DataFrame(table)[list(heads)].rename(columns=heads)
    for name in list(heads.values())[2:]:
        frame[name] = [
            "" if pandas.isna(value) else f"{value:.4g}" for value in frame[name]
        ]
    return frame.to_string(index=False)


@command(__doc__, (EmbeddingsError, ManifestError, AudioError))
def main(arguments: list[str]) -> int:
    """Compare two sets by the arguments of the command line."""
    options = _parser().parse_args(arguments)
    if options.permutations < 1 or options.most < 2:
        raise UsageError("give at least 1 permutation, and 2 utterances for --most.")
    embedder = _Embedder(options)
    reference = embedder.embed(options.reference, "reference")
    incoming = embedder.embed(options.incoming, "incoming")
    if options.manifest:
        rows = {row["ID"]: row for row in read_manifest(options.manifest)}
        incoming = incoming._replace(rows=rows)
    if reference.embeddings.shape[1] != incoming.embeddings.shape[1]:
        raise EmbeddingsError(
            f"{options.reference} has {reference.embeddings.shape[1]} dimensions and "
            f"{options.incoming} {incoming.embeddings.shape[1]}: embed both with the "
            "same detector."
        )
    table = drift_table(
        reference.embeddings,
        incoming,
        options.by,
        options.permutations,
        options.most,
        options.seed,
    )
    _report(table, reference, incoming, options)
    failures = {**reference.failures, **incoming.failures}
    for reason in failures.values():
        print(f"not embedded: {reason}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("recipes.AntiDeepfake.drift")
    parser.add_argument("reference")
    parser.add_argument("incoming")
    parser.add_argument("--detector")
    parser.add_argument("--data-folder")
    parser.add_argument("--manifest", nargs="+")
    parser.add_argument("--by", nargs="*", default=["Language", "Corpus"])
    parser.add_argument("--permutations", type=int, default=999)
    parser.add_argument("--most", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out")
    parser.add_argument("--device")
    parser.add_argument("--max_batch_length", type=float, default=100.0)
    parser.add_argument("--num_workers", type=int, default=0)
    parser.add_argument("--noprogressbar", action="store_true")
    return parser


class _Embedder:
    """Reads sets, and embeds those that are not; the detector is loaded once."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.detector = None

    def embed(self, source: str, name: str) -> EmbeddedSet:
        """The set that is in a file or folder; `name` is for what is written."""
        if source.endswith(".npz"):
            return EmbeddedSet(*read_embeddings(source), {}, {})
        rows, failures = self._rows(source)
        options = self.options
        self.detector = self.detector or _load(source, options)
        ids, embeddings = embed_rows(
            self.detector,
            rows,
            options.data_folder,
            options.max_batch_length,
            options.num_workers,
            sys.stderr.isatty() and not options.noprogressbar,
            failures,
        )
        if len(ids) < 2:
            reasons = "; ".join(list(failures.values())[:3])
            raise EmbeddingsError(
                f"{source}: {len(ids)} utterances could be embedded, but two are "
                f"needed at least. {reasons}"
            )
        if options.out:
            write_embeddings(Path(options.out) / f"{name}.npz", ids, embeddings)
        return EmbeddedSet(ids, embeddings, {row["ID"]: row for row in rows}, failures)

    def _rows(self, source: str) -> tuple[list[dict[str, str]], dict[str, str]]:
        if source.endswith(".csv"):
            return read_manifest(source), {}
        from recipes.AntiDeepfake.scoring import find_audio

        return find_audio([source])


def _load(source: str, options: argparse.Namespace):
    """The detector of --detector."""
    if not options.detector:
        raise UsageError(
            f"{source} is no .npz file of embeddings: give --detector, to embed it."
        )
    # PyTorch is loaded only where audio is embedded.
    from recipes.AntiDeepfake.calibration import CalibrationError
    from recipes.AntiDeepfake.command import load_detector
    from recipes.AntiDeepfake.interface import DeepfakeDetector
    from recipes.AntiDeepfake.weights import WeightsError

    run_opts = {"device": options.device} if options.device else {}
    try:
        detector = load_detector(options.detector, run_opts)
    except (CalibrationError, WeightsError) as error:
        raise EmbeddingsError(str(error)) from None
    if not isinstance(detector, DeepfakeDetector):
        raise UsageError(
            f"--detector {options.detector}: an ONNX file gives no embeddings. Give "
            "the detector folder that it was made of."
        )
    return detector


def _report(table, reference, incoming, options) -> None:
    """Print the table, and write it if there is somewhere to."""
    common = len(np.intersect1d(reference.ids, incoming.ids))
    facts = {
        "reference": {"source": Path(options.reference).name, "n": len(reference.ids)},
        "incoming": {"source": Path(options.incoming).name, "n": len(incoming.ids)},
        "in_both": common,
        "dimensions": int(incoming.embeddings.shape[1]),
        "permutations": options.permutations,
        "most": options.most,
        "seed": options.seed,
    }
    text = format_drift(table)
    if common:
        text += f"\n{common} utterances are in both sets, which makes them look alike."
    print(text)
    if options.out:
        with atomic_path(Path(options.out) / "drift.txt") as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        with atomic_path(Path(options.out) / "drift.json") as temporary:
            temporary.write_text(json.dumps(facts | {"table": table}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
