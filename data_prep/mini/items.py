"""From the plan to the list of clips: names, splits, pairs and rows.

Everything here is known before any audio exists, so it can be checked alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data_prep.manifest import ROOT, UNKNOWN
from data_prep.mini.audio import SAMPLE_RATE, generator
from data_prep.mini.genuine import POOLS
from data_prep.mini.plan import Part, Plan, Voice

__all__ = ["Item", "balanced_order", "list_items", "manifest_row"]


@dataclass(frozen=True)
class Item:
    """One clip of the corpus.

    Arguments
    ---------
    name : str
        The `ID`.
    part, split : str
        The part of the plan, and the full name of the split.
    attack, speaker, language : str
        The columns of these names.
    store, index : str, int
        Which intermediate file the waveform is in, and where in it.
    pool : str
        The pool of genuine speech, or empty.
    voice : Voice
        The synthetic voice, or None.
    source : Item
        What a copy is a copy of, or None.
    """

    name: str
    part: str
    split: str
    attack: str
    speaker: str
    language: str
    store: str
    index: int
    pool: str = ""
    voice: Voice | None = None
    source: Item | None = None

    @property
    def label(self) -> str:
        """The `Label` column."""
        return "real" if self.attack == UNKNOWN else "fake"

    @property
    def path(self) -> str:
        """Path of the audio file below the corpus folder."""
        return f"audio/{self.split}/{self.name}.flac"


def list_items(plan: Plan, seed: int) -> list[Item]:
    """All clips of the corpus, in the order of the manifests."""
    items: list[Item] = []
    for name, part in plan.parts.items():
        genuine = list(_genuine(name, part))
        items += genuine
        items += _synthetic(name, part)
        items += _copies(name, part, genuine, seed)
    return items


def manifest_row(item: Item, frames: int) -> dict[str, object]:
    """The manifest row of a clip that has so many samples."""
    domain, proportion = item.split.split("_")
    return {
        "ID": item.name,
        "Label": item.label,
        "Duration": f"{frames / SAMPLE_RATE:.4f}",
        "SampleRate": SAMPLE_RATE,
        "Path": f"{ROOT}{item.path}",
        "Attack": item.attack,
        "Speaker": item.speaker,
        "Proportion": proportion,
        "AudioChannel": 1,
        "AudioEncoding": "FLAC",
        "AudioBitSample": 16,
        "Language": item.language,
        "Corpus": f"mini_{domain}",
        "Recording": item.source.name if item.source else item.name,
    }


def balanced_order(items: Sequence[Item], seed: int) -> list[Item]:
    """Reorder clips so that every even-length start of the list is balanced.

    Real and fake take turns; within real the speakers take turns, and within
    fake the attacks, in a random order. Ends when one of the classes is used up.
    """
    real = [item for item in items if item.label == "real"]
    fake = [item for item in items if item.label == "fake"]
    pairs = zip(
        _take_turns(real, [item.speaker for item in real], seed),
        _take_turns(fake, [item.attack for item in fake], seed),
        strict=False,
    )
    return [item for pair in pairs for item in pair]


def _take_turns(
    items: Sequence[Item], groups: Sequence[str], seed: int
) -> Iterator[Item]:
    """Random items, one of each group in turn as long as it has any."""
    random = generator("subsets", seed)
    by_group: dict[str, list[Item]] = defaultdict(list)
    for index in random.permutation(len(items)):
        by_group[groups[index]].append(items[index])
    names = sorted(by_group)
    queues = [by_group[names[index]] for index in random.permutation(len(names))]
    for turn in range(max(map(len, queues), default=0)):
        yield from (queue[turn] for queue in queues if turn < len(queue))


def _split_of(part: Part, index: int) -> str:
    """The split of the piece with this index within its speaker or voice."""
    held_out = (index + 1) % part.valid_every == 0
    return f"{part.domain}_{part.splits[-1 if held_out else 0]}"


def _genuine(name: str, part: Part) -> Iterator[Item]:
    for pool, count in part.genuine.items():
        for index in range(count):
            split = _split_of(part, index)
            yield Item(
                name=f"mini-{split}-real-{pool}-{index:04d}",
                part=name,
                split=split,
                attack=UNKNOWN,
                speaker=POOLS[pool].speaker,
                language=POOLS[pool].language,
                store=f"genuine/{pool}",
                index=index,
                pool=pool,
            )


def _synthetic(name: str, part: Part) -> Iterator[Item]:
    for voice in part.voices:
        voice_name = re.sub(r"[^\w]+", "_", f"{voice.speaker}_{voice.language}")
        for index in range(voice.count):
            split = _split_of(part, index)
            yield Item(
                name=f"mini-{split}-{voice.attack}-{voice_name}-{index:04d}",
                part=name,
                split=split,
                attack=voice.attack,
                speaker=voice.speaker,
                language=voice.language.upper(),
                store=f"synthetic/{name}-{voice_name}",
                index=index,
                voice=voice,
            )


def _copies(
    name: str, part: Part, genuine: Sequence[Item], seed: int
) -> Iterator[Item]:
    """Copies of genuine clips of the same split, no source twice if it can be."""
    for short_split in part.splits:
        split = f"{part.domain}_{short_split}"
        sources = [item for item in genuine if item.split == split]
        random = generator("copies", seed, split)
        order = [sources[index] for index in random.permutation(len(sources))]
        position = 0
        for attack, counts in part.copies.items():
            for index in range(counts.get(short_split, 0)):
                source = order[position % len(order)]
                position += 1
                yield Item(
                    name=source.name.replace("-real-", f"-{attack}-"),
                    part=name,
                    split=split,
                    attack=attack,
                    speaker=source.speaker,
                    language=source.language,
                    store=f"copies/{split}-{attack}",
                    index=index,
                    source=source,
                )
