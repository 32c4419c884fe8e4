"""The plan of the mini corpus: nothing may be where it must not be."""

from collections import Counter, defaultdict

import pytest

from data_prep.manifest import write_manifest
from data_prep.mini.documents import _MADE_WITH, _licence
from data_prep.mini.engines import ENGINES
from data_prep.mini.genuine import POOLS
from data_prep.mini.items import balanced_order, list_items, manifest_row
from data_prep.mini.plan import Plan
from data_prep.mini.sources import DATA_PACKAGES
from data_prep.mini.vocoders import VOCODERS

PLAN = Plan()


@pytest.fixture(scope="module")
def items():
    return list_items(PLAN, seed=0)


def split_items(items, split):
    return [item for item in items if item.split == split]


def test_the_splits(items):
    assert list(dict.fromkeys(item.split for item in items)) == [
        "posttrain_train",
        "posttrain_valid",
        "zeroshot_test",
        "target_train",
        "target_valid",
        "target_test",
    ]


def test_the_plan_names_what_exists():
    for part in PLAN.parts.values():
        assert set(part.genuine) <= set(POOLS)
        assert set(part.copies) <= set(VOCODERS)
        for voice in part.voices:
            assert voice.engine in ENGINES
            made_with = voice.name if voice.engine == "festival" else voice.engine
            assert made_with in _MADE_WITH


def test_every_package_has_a_licence():
    for pool in POOLS.values():
        assert {package for package, _ in pool.patterns} <= set(DATA_PACKAGES)
    for packages in _MADE_WITH.values():
        assert all(_licence(package) for package in packages)


def test_no_genuine_speaker_is_in_two_parts():
    seen = {}
    for name, part in PLAN.parts.items():
        for pool in part.genuine:
            assert seen.setdefault(POOLS[pool].speaker, name) == name


def test_no_voice_is_in_two_parts():
    """eSpeak's voice is its language; Kokoro's is its styles."""
    seen = {}
    for name, part in PLAN.parts.items():
        for voice in part.voices:
            for single in voice.name.split("@")[0].split("+"):
                assert seen.setdefault((voice.engine, single), name) == name


@pytest.mark.parametrize(
    "same", [{"cmu_us_slt_arctic_hts", "slt"}, {"kal_diphone", "kal16", "kal"}]
)
def test_voices_of_one_person_are_in_one_part(same):
    parts = {
        name
        for name, part in PLAN.parts.items()
        for voice in part.voices
        if voice.name in same
    }
    assert len(parts) == 1


def test_zero_shot_has_unseen_attacks_and_languages(items):
    def column(name, part):
        return {getattr(item, name) for item in items if item.part == part}

    unseen = column("attack", "zeroshot") - column("attack", "posttrain")
    assert unseen == {"kokoro", "piper", "lpc"}
    assert not column("language", "zeroshot") & column("language", "posttrain")


def test_names_are_unique_and_paths_follow(items):
    assert len({item.name for item in items}) == len(items)
    assert all(item.name.startswith("mini-") for item in items)
    assert len({(item.store, item.index) for item in items}) == len(items)


def test_copies_are_paired_with_a_genuine_clip_of_their_split(items):
    by_name = {item.name: item for item in items}
    copies = [item for item in items if item.source]
    assert copies
    for copy in copies:
        assert by_name[copy.source.name].split == copy.split
        assert copy.source.label == "real"
        assert (copy.speaker, copy.language) == (
            copy.source.speaker,
            copy.source.language,
        )


def test_validation_has_thirty_copies_for_each_vocoder(items):
    valid = split_items(items, "posttrain_valid")
    counts = Counter(item.attack for item in valid if item.source)
    assert set(counts) == set(PLAN.parts["posttrain"].copies)
    assert min(counts.values()) >= 30


def test_text_to_speech_is_about_twice_the_copies(items):
    fake = [i for i in split_items(items, "posttrain_train") if i.label == "fake"]
    copies = sum(item.source is not None for item in fake)
    assert 1.7 <= (len(fake) - copies) / copies <= 2.3


def test_train_and_valid_have_the_same_speakers_and_voices(items):
    for domain in ("posttrain", "target"):
        speakers = defaultdict(set)
        for item in items:
            if item.split in (f"{domain}_train", f"{domain}_valid"):
                speakers[item.split].add(item.speaker)
        assert len(speakers) == 2
        assert speakers[f"{domain}_train"] == speakers[f"{domain}_valid"]


def test_the_list_depends_on_nothing_but_the_seed(items):
    assert list_items(PLAN, seed=0) == items
    other = list_items(PLAN, seed=1)
    assert other != items
    assert Counter(item.split for item in other) == Counter(i.split for i in items)


def test_subsets_are_nested_balanced_and_stratified(items):
    train = split_items(items, "target_train")
    order = balanced_order(train, seed=0)
    attacks = {item.attack for item in train if item.label == "fake"}
    for size in PLAN.subset_sizes:
        subset = order[:size]
        assert len(set(subset)) == size
        counts = Counter(item.attack for item in subset)
        assert counts.pop("-") == size // 2
        assert set(counts) == attacks
        # Each attack in turn, as far as its clips go.
        available = Counter(item.attack for item in train)
        assert all(
            counts[attack] >= min(available[attack], size // 2 // len(attacks))
            for attack in attacks
        )


def test_rows_make_a_manifest(items, tmp_path):
    rows = [manifest_row(item, 40000) for item in items]
    assert write_manifest(tmp_path / "all.csv", rows) == len(items)
    copy = next(row for row, item in zip(rows, items, strict=True) if item.source)
    assert copy["Recording"] != copy["ID"]
    assert rows[0]["Duration"] == "2.5000"
    assert rows[0]["Corpus"] == "mini_posttrain"
    assert rows[0]["Proportion"] == "train"
