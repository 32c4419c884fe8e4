"""Pools, texts and voices, on packages and engines that the test makes."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
import soundfile

from data_prep.mini import engines, genuine, synthesis
from data_prep.mini.audio import SAMPLE_RATE, generator
from data_prep.mini.engines import allowed_text, make_sentences
from data_prep.mini.errors import MiniError
from data_prep.mini.genuine import Pool, make_genuine_pieces, pool_files
from data_prep.mini.items import list_items
from data_prep.mini.plan import Part, Plan, Voice
from data_prep.mini.settings import Settings
from data_prep.mini.sources import Prefix
from data_prep.mini.store import read_clips
from data_prep.mini.texts import LENGTHS, TextStock, read_sentences

ANYTHING = re.compile(".*")


def speech(seconds, key):
    """Noise in syllables."""
    random = generator("speech", key)
    noise = 0.1 * random.standard_normal(int(seconds * SAMPLE_RATE))
    return noise.astype(np.float32)


@pytest.fixture
def prefix(tmp_path):
    """Scripts, stamps and twelve recordings of one speaker."""
    root = tmp_path / "debian"
    for number in range(30):
        word = chr(ord("a") + number % 26) * (12 + number // 26)
        folder = root / f"usr/share/games/fillets-ng/script/level{number:02d}"
        folder.mkdir(parents=True)
        (folder / "dialogs_cs.lua").write_text(
            f'dialogId("a-m-{number}", "font", "This is an English {word}.")\n'
            f'dialogStr("Česká věta s mnoha slovy, {word}.")\n'
            'dialogStr("krátká")\n'
        )
    stamps = root / "usr/share/tuxpaint/stamps/animals"
    stamps.mkdir(parents=True)
    for number in range(9):
        (stamps / f"frog{number}.txt").write_text(
            f"A frog.\nca.utf8=Una granota {number} (verda).\nfr.utf8=Grenouille.\n"
        )
    sounds = root / "usr/share/sounds/en"
    (sounds / "digits").mkdir(parents=True)
    for number in range(12):
        soundfile.write(
            sounds / f"a-{number:02d}.wav", speech(1.5, number), SAMPLE_RATE
        )
    soundfile.write(sounds / "beep.wav", speech(1.5, "beep"), SAMPLE_RATE)
    soundfile.write(sounds / "digits" / "1.wav", speech(1.5, "1"), SAMPLE_RATE)
    return Prefix(root)


@pytest.fixture
def pool(monkeypatch):
    patterns = (("sounds", "usr/share/sounds/en/**/*.wav"),)
    monkeypatch.setitem(genuine.POOLS, "test", Pool("jo", "EN", patterns))


def test_a_pool_leaves_out_what_is_not_speech(prefix, pool):
    names = [path.name for _, path in pool_files(prefix, "test")]
    assert names == [f"a-{number:02d}.wav" for number in range(12)]


def test_genuine_pieces_are_deterministic_and_know_their_files(prefix, pool, tmp_path):
    for name in ("one", "two"):
        make_genuine_pieces(tmp_path / f"{name}.npz", prefix, "test", 3, seed=0)
    one, two = (read_clips(tmp_path / f"{name}.npz") for name in ("one", "two"))
    assert len(one) == 3
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.waveform, second.waveform)
        assert re.match(r"sounds: usr/share/sounds/en/a-\d\d\.wav", first.origin)


def test_a_pool_that_is_too_small_is_named(prefix, pool, tmp_path):
    with pytest.raises(MiniError, match="'test': 12 recordings give . pieces"):
        make_genuine_pieces(tmp_path / "a.npz", prefix, "test", 50, seed=0)


def test_a_pool_without_files_is_named(prefix):
    with pytest.raises(MiniError, match="'june_fr'.*asterisk-core-sounds-fr-g722"):
        pool_files(prefix, "june_fr")


@pytest.mark.parametrize(
    ("pool_name", "file_name", "belongs"),
    [
        ("fillets_nl_m", "let-m-divna.ogg", True),
        ("fillets_nl_m", "let-v-divna.ogg", False),
        ("fillets_nl_v", "let-v-divna.ogg", True),
        ("fillets_nl_other", "let-x-divna.ogg", True),
        ("fillets_nl_other", "let-m-divna.ogg", False),
    ],
)
def test_the_fish_are_told_apart_by_the_file_name(pool_name, file_name, belongs):
    matching = genuine.POOLS[pool_name].matching
    assert bool(re.search(matching, file_name)) is belongs


def test_sentences_have_the_length_of_sentences(prefix):
    assert len(read_sentences(prefix, "cs")) == 30
    assert read_sentences(prefix, "en")[0] == f"This is an English {12 * 'a'}."
    catalan = read_sentences(prefix, "ca")
    assert all(LENGTHS[0] <= len(text) <= LENGTHS[1] for text in catalan)
    assert "verda" not in " ".join(catalan)


def test_a_language_without_texts_is_named(prefix):
    with pytest.raises(MiniError, match="language 'xx'"):
        read_sentences(prefix, "xx")


def test_the_stock_repeats_only_when_it_must(prefix):
    stock = TextStock(prefix, seed=0)
    first = stock.take("cs", 20, ANYTHING) + stock.take("cs", 10, ANYTHING)
    assert len(set(first)) == 30
    assert set(stock.take("cs", 30, ANYTHING)) == set(first)
    assert TextStock(prefix, seed=0).take("cs", 20, ANYTHING) == first[:20]
    assert TextStock(prefix, seed=1).take("cs", 20, ANYTHING) != first[:20]


def test_sentences_that_cannot_be_read_are_counted(prefix):
    stock = TextStock(prefix, seed=0)
    texts = stock.take("en", 3, re.compile(r"[^b]*"))
    assert not any("b" in text for text in texts)
    with pytest.raises(MiniError, match="no sentence matches"):
        stock.take("en", 1, re.compile("x"))


@pytest.mark.parametrize(
    ("engine", "voice", "text", "fits"),
    [
        ("flite", "slt", "It's fine, isn't it?", True),
        ("flite", "slt", "naïve", False),
        ("festival", "czech_dita", "Příliš žluťoučký kůň.", True),
        ("festival", "czech_dita", "Жаба", False),
        ("festival", "lp_diphone", "Perché no?", True),
        ("festival", "kal_diphone", 'say "no"', False),
        ("espeak", "be", "Жаба.", True),
        ("kokoro", "jf_alpha@cs", "Rok 1984", False),
    ],
)
def test_what_an_engine_can_read(engine, voice, text, fits):
    assert bool(allowed_text(engine, voice).fullmatch(text)) is fits


def silent_engine(prefix, voice, texts, random):
    return [np.zeros(SAMPLE_RATE, np.float32) for _ in texts]


def failing_engine(prefix, voice, texts, random):
    raise MiniError("no such voice")


@pytest.mark.parametrize(
    ("engine", "message"),
    [(silent_engine, "there is no speech"), (failing_engine, "no such voice")],
)
def test_a_failed_synthesis_names_engine_voice_and_text(
    engine, message, prefix, tmp_path, monkeypatch
):
    monkeypatch.setitem(engines.ENGINES, "fake", engine)
    with pytest.raises(MiniError, match=f"voice jo, text 'Hello': {message}") as error:
        make_sentences(tmp_path / "a.npz", prefix, "fake", "jo", ["Hello"], (0,))
    assert "'Hello'" in str(error.value)
    assert not (tmp_path / "a.npz").exists()


@dataclass(frozen=True)
class InProcess(Settings):
    """Settings whose jobs run here, until a number of them is done."""

    most_jobs: int = 10**6

    def run(self, step, jobs):
        for job in jobs:
            if not job.output.exists():
                self.progress(step, 0, 1)
                job.function(job.output, *job.arguments)


def short_engine(prefix, voice, texts, random):
    """Sentences of half a second, so that the first round does not do."""
    return [speech(random.uniform(0.4, 0.6), text) for text in texts]


class Stop(Exception):
    """The build is killed."""


def test_voices_speak_on_until_the_pieces_are_there(prefix, tmp_path, monkeypatch):
    """And a build that is killed anywhere ends with the same pieces."""
    monkeypatch.setitem(engines.ENGINES, "fake", short_engine)
    part = Part(
        "zeroshot", ("test",), False, {}, (Voice("fake", "czech_jo", "cs", 4),), {}
    )
    plan = Plan(parts={"zeroshot": part}, subset_sizes=())
    items = list_items(plan, seed=0)
    steps = []

    def build(work, steps_before_kill=10**6):
        def progress(step, done, total):
            nonlocal steps_before_kill
            steps.append(step)
            steps_before_kill -= 1
            if steps_before_kill < 0:
                raise Stop

        settings = InProcess(tmp_path, tmp_path, plan, 0, 1, progress)
        synthesis.make_synthetic_pieces(settings, prefix, work, items, [])
        return read_clips(work / "synthetic/zeroshot-fake_czech_jo_cs.npz")

    monkeypatch.setattr(synthesis, "MOST_ROUNDS", 20)
    whole = build(tmp_path / "whole")
    assert "synthetic speech 2" in steps
    for number in range(len(steps)):
        with pytest.raises(Stop):
            build(tmp_path / "killed", 1)
        if (tmp_path / "killed/synthetic/zeroshot-fake_czech_jo_cs.npz").exists():
            break
        assert number < len(steps)
    killed = build(tmp_path / "killed")
    assert [clip.origin for clip in killed] == [clip.origin for clip in whole]
    for one, other in zip(killed, whole, strict=True):
        np.testing.assert_array_equal(one.waveform, other.waveform)
    monkeypatch.setattr(synthesis, "MOST_ROUNDS", 1)
    with pytest.raises(MiniError, match="do not give 4 pieces"):
        build(tmp_path / "short")
