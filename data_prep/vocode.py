"""Copies of genuine speech by vocoders, as training data (verb `vocode`).

A vocoder takes speech apart and makes it again. Such a copy says the same words in the
same voice, room and noise, so that a detector that is trained on both has to look for
what the vocoder left behind. Of the 18,282 hours of fake speech in the paper's
post-training, 7,067 were made from LibriTTS and VoxCeleb2 in this way.

A copy has one channel (those of the source are averaged), the sample rate of its source
(vocoders with a rate of their own are resampled to and from), exactly its number of
samples, its level (standard deviation) and its offset (mean); where that would clip,
the copy is scaled to a peak of 0.99. A vocoder of a lower rate than the source leaves
the upper band empty, which is a trivial cue: check with the verb `audit`, or give
sources of its rate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from data_prep.audio_info import AudioError
from data_prep.files import explain_refusal
from data_prep.manifest import ManifestError, read_manifest, write_manifest
from data_prep.options import (
    UsageError,
    add_data_root,
    add_noprogressbar,
    add_workers,
)
from data_prep.vocoders import VOCODERS, VocoderError, model_folder
from data_prep.vocoders.base import weights_key
from data_prep.vocoders.making import remove_leftovers
from data_prep.vocoders.plan import FORMATS, copy_id, copy_row, plan_copies
from data_prep.vocoders.running import Job, list_devices, make_copies
from data_prep.vocoders.state import Journal, Made, request_key

__all__ = ["add_arguments", "run", "vocode_rows"]

_EPILOG = """\
output:
  OUT/NAME/<path of the source below $ROOT>.flac   the copies, 16 bits
  OUT/NAME.csv                                     their manifest
  OUT/.NAME.state.jsonl                            what is done, to go on after a stop

Each row of the manifest has Label fake, Attack NAME, the Speaker, Language and
Proportion of its source, the ID <Corpus>-Vo-NAME-<ID of the source>, the Corpus
<Corpus>-Vocoded, and as Recording that of the source or else its ID. If OUT is below
the data folder, paths start with $ROOT/ again; if not, they are absolute.

Run the same command again after a stop: complete copies are kept if the source (by size
and time), the vocoder, its weights and the seed are the same. On a CPU the bytes do not
depend on the number of workers. Cut long recordings into pieces first (columns Start
and Stop): some vocoders need gigabytes for an hour.

vocoders:
{vocoders}

The paper used hifigan, hn_sinc_nsf, hn_sinc_nsf_hifi and waveglow; SpeechBrain has only
the first. To add one, see data_prep/vocoders/__init__.py. Model folders can run code
when they are loaded: take them from people you trust.

examples:
  python -m data_prep vocode train.csv --vocoder world --data-root /data \\
    --out /data/vocoded --workers 8
  python -m data_prep vocode train.csv --vocoder hifigan --vocoder vocos \\
    --weights hifigan=/models/hifigan --data-root /data --out /data/vocoded \\
    --device cuda
  # the layout LibriTTS-Vocoded/<vocoder>/<subset>/<speaker>/<chapter>/*.wav
  python -m data_prep vocode LibriTTS_EN_*.csv --vocoder hifigan --data-root /data \\
    --relative-to LibriTTS --format wav --out /data/LibriTTS-Vocoded
"""


def vocode_rows(
    rows: Sequence[Mapping[str, str]],
    data_folder: str | Path | None,
    out: str | Path,
    vocoder: str,
    *,
    workers: int = 1,
    device: str = "cpu",
    weights: str | Path | None = None,
    seed: int = 0,
    audio_format: str = "flac",
    relative_to: str | Path = "",
    progress: bool = False,
    failures: list[str] | None = None,
) -> list[dict[str, str]]:
    """Make copies of the audio of manifest rows.

    Arguments
    ---------
    rows : list of dict
        Rows of `read_manifest`; `Start` and `Stop` are respected. Their labels are
        not looked at: choose the genuine ones before.
    data_folder : str or Path, optional
        What `$ROOT` stands for.
    out : str or Path
        Folder for the copies; those that are there and up to date are kept.
    vocoder : str
        A key of `data_prep.vocoders.VOCODERS`.
    workers : int
        Number of processes on the CPU. More than one are started afresh, so a script
        needs its `if __name__ == "__main__":`.
    device : str
        `cpu`, or `cuda` for one process on each GPU.
    weights : str or Path, optional
        Folder or hub id of the model, if not the published one.
    seed : int
        Seed of the random choices; each copy depends on it and its ID alone.
    audio_format : str
        `flac` or `wav`, 16 bits.
    relative_to : str or Path
        Folder below the data folder that the output paths start from.
    progress : bool
        Whether to show a progress bar, if standard error is a terminal.
    failures : list of str, optional
        Takes a message for each source that cannot be copied. Without it the first
        one raises.

    Returns
    -------
    list of dict
        Manifest rows of the copies, in the order of the sources; see
        `data_prep.vocoders.plan.copy_row`.

    Raises
    ------
    AudioError
        For the first source that cannot be copied, unless `failures` is given.
    ManifestError
        If the output paths cannot be told.
    VocoderError
        If the vocoder cannot be used.
    OSError
        If a file cannot be written.
    """
    folder = model_folder(vocoder, weights)
    job = Job(vocoder, folder, folder and weights_key(folder))
    devices = list_devices(vocoder, device, workers)
    copies = plan_copies(
        rows, data_folder, out, vocoder, seed, audio_format, relative_to
    )
    keys = {copy.file: request_key(copy, job.settings) for copy in copies}
    with Journal(Path(out, f".{vocoder}.state.jsonl"), out) as journal:
        made = {file: journal.find(file, key) for file, key in keys.items()}
        todo = [copy for copy in copies if made[copy.file] is None]
        remove_leftovers(todo)
        # `disable=None` leaves the bar out where there is no terminal.
        disable = None if progress else True
        kept = len(copies) - len(todo)
        with tqdm(None, vocoder, len(copies), initial=kept, disable=disable) as bar:
            for copy, result in make_copies(todo, job, devices):
                if not isinstance(result, AudioError):
                    made[copy.file] = Made(copy.file, keys[copy.file], *result)
                    journal.add(made[copy.file])
                elif failures is None:
                    raise result
                else:
                    failures.append(f"{vocoder}, ID {copy.row['ID']}: {result}")
                bar.update()
    return [
        copy_row(copy, data_folder, vocoder, found.frames, found.sample_rate)
        for copy in copies
        if (found := made[copy.file])
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of `python -m data_prep vocode`."""
    lines = [
        f"  {name:16} {kind.summary}" + (f"; {kind.hub_id}" if kind.hub_id else "")
        for name, kind in VOCODERS.items()
    ]
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__.partition("\n\n")[2].strip()
    parser.epilog = _EPILOG.format(vocoders="\n".join(lines))
    add = parser.add_argument
    add("manifests", nargs="+", metavar="MANIFEST", help="manifest of the sources")
    add(
        "--vocoder",
        action="append",
        required=True,
        choices=VOCODERS,
        metavar="NAME",
        help="one of the list below; may be given several times",
    )
    add_data_root(parser, required=True)
    add("--out", required=True, metavar="DIR", help="folder for copies and manifests")
    add(
        "--weights",
        action="append",
        default=[],
        metavar="[NAME=]ID_OR_FOLDER",
        help="model of a vocoder (default: see the list; downloaded once)",
    )
    add_workers(parser, "processes on the CPU, one thread each")
    add(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="cuda: one process on each GPU, whatever --workers says; WORLD stays on "
        "the CPU (default: cpu)",
    )
    add("--seed", type=int, default=0, metavar="S", help="seed (default: 0)")
    add(
        "--labels",
        choices=("real", "all"),
        default="real",
        help="which rows to copy (default: real)",
    )
    add(
        "--format",
        choices=FORMATS,
        default="flac",
        help="of the files, 16 bits (default: flac)",
    )
    add(
        "--relative-to",
        default="",
        metavar="DIR",
        help="paths of the copies start below this folder of the data folder "
        "(default: below the data folder)",
    )
    add_noprogressbar(parser)


def run(arguments: argparse.Namespace) -> int:
    """Vocode manifests, write those of the copies; 1 if anything failed."""
    given = _weights_by_vocoder(arguments.weights, arguments.vocoder)
    rows = read_manifest(arguments.manifests)
    chosen = [row for row in rows if arguments.labels in (row["Label"], "all")]
    if not chosen:
        raise ManifestError(
            f"{', '.join(arguments.manifests)}: no real rows among {len(rows)}. Give "
            "manifests of genuine speech, or --labels all."
        )
    print(f"{len(chosen)} sources, {len(rows) - len(chosen)} fake rows left out")
    failures: list[str] = []
    try:
        # Before the work of hours: what is missing for the last vocoder?
        folders = {
            name: model_folder(name, given.get(name)) for name in arguments.vocoder
        }
        for name in folders:
            _check_manifest(_manifest(arguments.out, name), name, chosen)
        for name, folder in folders.items():
            _vocode(chosen, name, folder, arguments, failures)
    except VocoderError as error:
        failures.append(str(error))
    except OSError as error:
        failures.append(explain_refusal(error))
    for message in failures:
        print(f"failed: {message}", file=sys.stderr)
    return 1 if failures else 0


def _vocode(
    rows: Sequence[Mapping[str, str]],
    vocoder: str,
    weights: Path | None,
    arguments: argparse.Namespace,
    failures: list[str],
) -> None:
    """Make the copies of one vocoder and their manifest."""
    made = vocode_rows(
        rows,
        arguments.data_folder,
        arguments.out,
        vocoder,
        workers=arguments.workers,
        device=arguments.device,
        weights=weights,
        seed=arguments.seed,
        audio_format=arguments.format,
        relative_to=arguments.relative_to,
        progress=not arguments.noprogressbar,
        failures=failures,
    )
    path = _manifest(arguments.out, vocoder)
    if made:
        write_manifest(path, made)
    hours = sum(float(row["Duration"]) for row in made) / 3600
    print(f"{path}: {len(made)} of {len(rows)} copies, {hours:.2f} hours")


def _manifest(out: str, vocoder: str) -> Path:
    return Path(out, f"{vocoder}.csv")


def _check_manifest(
    path: Path, vocoder: str, rows: Sequence[Mapping[str, str]]
) -> None:
    """Raise ManifestError if a manifest to be replaced has copies of other sources."""
    if not path.exists():
        return
    others = {row["ID"] for row in read_manifest(path)}
    others -= {copy_id(row, vocoder) for row in rows}
    if others:
        raise ManifestError(
            f"{path}: it lists {len(others)} copies of sources that are not given now, "
            f"such as {min(others)}. Give all manifests together, choose another "
            "--out, or remove that file."
        )


def _weights_by_vocoder(values: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Read `--weights`; raise UsageError if it is not clear whose they are."""
    named = {}
    for value in values:
        name, equals, source = value.partition("=")
        if not equals or name not in VOCODERS:
            if len(names) > 1:
                raise UsageError(
                    f"--weights {value}: for which of {', '.join(names)}? Write "
                    f"--weights NAME={value}"
                )
            name, source = names[0], value
        if name not in names or VOCODERS[name].hub_id is None or name in named:
            raise UsageError(
                f"--weights {value}: {name} was not asked for, has no weights or has "
                "them already. Leave this out."
            )
        named[name] = source
    return named
