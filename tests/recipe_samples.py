"""Tiny data for the debug flags of `tests/recipes/AntiDeepfake.csv`.

    python tests/recipe_samples.py [FOLDER]    # by default tests/tmp

Then every row of the table runs from the root of the repository, as
`python <Script_file> <Hparam_file> --output_folder=DIR <test_debug_flags>`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from helpers import ROOT, build_corpus, tiny_ssl_folder

from lobes.classifiers import LinearClassifier
from lobes.detector import Detector
from lobes.pooling import MeanPooling
from lobes.ssl import SSLEncoder
from recipes.AntiDeepfake.export import export_detector

EVALUATION_LISTS = (
    *("test_ADD2023", "test_DEEP-VOICE", "test_FoR-original", "test_FoR-norm"),
    "test_In-the-Wild",
    *(f"test_Deepfake-Eval-2024_{length}s" for length in (4, 10, 13, 30, 50)),
)


def make_samples(folder: Path) -> Path:
    """Write a corpus, a random SSL model and a random detector.

    Arguments
    ---------
    folder : Path
        Gets `corpus/` (`train.csv`, `valid.csv` and test lists under all names that
        evaluations ask for), `hubert/` in Hugging Face layout, and `detector/`.

    Returns
    -------
    Path
        The folder.
    """
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed, (split, count) in enumerate({"train": 8, "valid": 6, "test": 6}.items()):
        build_corpus(corpus, split, count, seed)
    for name in EVALUATION_LISTS:
        (corpus / f"{name}.csv").write_bytes((corpus / "test.csv").read_bytes())
    tiny_ssl_folder(folder / "hubert")
    encoder = SSLEncoder(folder / "hubert")
    torch.manual_seed(0)
    pooling = MeanPooling(encoder.output_size)
    detector = Detector(encoder, pooling, LinearClassifier(pooling.output_size))
    export_detector(folder / "detector", detector, {"stage": "random weights"})
    return folder


if __name__ == "__main__":
    default = ROOT / "tests" / "tmp"
    print(f"samples: {make_samples(Path(*sys.argv[1:2] or [default]))}")
