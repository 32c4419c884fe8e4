"""Tables and a page of what score files show.

    python -m recipes.AntiDeepfake.report SCORES... --out DIR

SCORES are score files, of this recipe or of another (the original implementation,
ASVspoof 5, the Arenas), or folders that evaluate.py wrote. DIR gets `report.html`, one
page that needs no network, `report.md`, and as tables `metrics.csv`, `comparison.csv`
and `transfer.csv`, with rates in [0, 1]. The same files give the same bytes.

Which system and which test set a file is of:

    results/xlsr/in_the_wild/scores.csv   system xlsr, test set in_the_wild
    results/xlsr                          all such files in the folder
    arena/asvspoof5.txt                   system arena, test set asvspoof5
    ours=PATH                             system ours, test set as above
    ours:itw=PATH                         system ours, test set itw

Systems with the same test set are compared, for which they must have scored the same
trials; if they have not, the page says so and the exit code is 1.

    --key [SET=]FILE ...          labels of score files that have none: a manifest, an
                                  ASVspoof key, a table ID,Label
    --detector [SYSTEM=]FOLDER ...  detector folders or hub ids: tell whether scores are
                                  calibrated, what was published, and which test
                                  corpora were heard in training
    --threshold-set SET           decide where the EER of this test set is; without it
                                  where both classes are equally probable
    --data-folder DIR             what $ROOT stands for: the worst errors can be heard
    --audio N                     worst errors of each class that are listed (5)
    --embeddings [NAME=]NPZ ...   t-SNE map of each, such as before and after training
    --title TEXT                  of the page
    --noprogressbar               shows none

Examples:

    python -m recipes.AntiDeepfake.report results/mini/eval/seed0 --out report \\
        --data-folder data/mini
    python -m recipes.AntiDeepfake.report ours=results/a theirs=arena/itw.txt \\
        --key itw=itw_key.csv --threshold-set asvspoof5 --out report
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.audio_info import AudioError
from data_prep.manifest import ManifestError
from recipes.AntiDeepfake.calibration import CalibrationError
from recipes.AntiDeepfake.embeddings import EmbeddingsError, read_embeddings
from recipes.AntiDeepfake.reporting.build import build_report
from recipes.AntiDeepfake.reporting.detectors import DetectorFacts, detector_facts
from recipes.AntiDeepfake.reporting.inputs import (
    find_sources,
    named_path,
    read_sets,
)
from recipes.AntiDeepfake.score_file import ScoreFileError
from recipes.AntiDeepfake.usage import UsageError, command

__all__ = ["main"]

_FAILURES = (
    *(ScoreFileError, EmbeddingsError, CalibrationError),
    *(AudioError, ManifestError),
)


@command(__doc__, _FAILURES)
def main(arguments: list[str]) -> int:
    """Read, measure and write."""
    options = _parser().parse_args(arguments)
    if options.audio < 0:
        raise UsageError(f"--audio {options.audio}: give 0 or more.")
    sources = find_sources(options.scores)
    systems = list(dict.fromkeys(source.system for source in sources))
    detectors = _detectors(options.detector, systems)
    embeddings = {
        name or path.stem: read_embeddings(path)
        for name, path in map(named_path, options.embeddings)
    }
    if len(embeddings) < len(options.embeddings):
        raise UsageError("--embeddings: two have the same name. Give NAME=NPZ.")
    problems = build_report(
        read_sets(sources, _keys(options.key)),
        options.out,
        detectors,
        embeddings=embeddings,
        title=options.title,
        threshold_set=options.threshold_set,
        data_folder=options.data_folder,
        worst=options.audio,
        progressbar=sys.stderr.isatty() and not options.noprogressbar,
    )
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"report: {options.out / 'report.html'}")
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "recipes.AntiDeepfake.report", allow_abbrev=False, add_help=False
    )
    parser.add_argument("scores", nargs="+")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--key", nargs="+", default=[])
    parser.add_argument("--detector", nargs="+", default=[])
    parser.add_argument("--threshold-set")
    parser.add_argument("--data-folder", type=Path)
    parser.add_argument("--audio", type=int, default=5)
    parser.add_argument("--embeddings", nargs="+", default=[])
    parser.add_argument("--title", default="Deepfake speech detection: report")
    parser.add_argument("--noprogressbar", action="store_true")
    return parser


def _keys(arguments: Sequence[str]) -> dict[str, list[Path]]:
    """Keys by test set."""
    keys: dict[str, list[Path]] = {}
    for name, path in map(named_path, arguments):
        keys.setdefault(name, []).append(path)
    return keys


def _detectors(
    arguments: Sequence[str], systems: Sequence[str]
) -> Mapping[str, DetectorFacts]:
    """What is known of each system."""
    facts = dict.fromkeys(systems, DetectorFacts())
    for argument in arguments:
        name, path = named_path(argument)
        if not name and len(systems) > 1:
            raise UsageError(
                f"--detector {argument}: there are the systems {', '.join(systems)}. "
                "Say of which it is: SYSTEM=FOLDER."
            )
        name = name or systems[0]
        if name not in facts:
            raise UsageError(
                f"--detector {argument}: no system is called {name!r}; there are: "
                f"{', '.join(systems)}."
            )
        facts[name] = detector_facts(str(path))
    return facts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
