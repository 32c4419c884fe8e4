"""CFAD."""

import pytest
from corpus_checks import facts, mentions, recordings, skipped
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError

# From the path of a file to its ID, its facts without the path, and its recording.
FILES = {
    "clean_version/dev_clean/real_clean/aishell3/SSB01010008.wav": (
        "CFAD-clean_version-valid-real-SSB01010008",
        ("real", "-", "SSB0101", "valid", "ZH"),
        "SSB01010008",
    ),
    "clean_version/train_clean/real_clean/aishell1/BAC009S0764W0123.wav": (
        "CFAD-clean_version-train-real-BAC009S0764W0123",
        ("real", "-", "BAC009S0764", "train", "ZH"),
        "BAC009S0764W0123",
    ),
    "clean_version/test_seen_clean/real_clean/thchs30/A11_0.wav": (
        "CFAD-clean_version-test-real-A11_0",
        ("real", "-", "A11", "test", "ZH"),
        "A11_0",
    ),
    "noisy_version/test_seen_noise/real_noise/magicread/5_541_20170607142131_a.wav": (
        "CFAD-noisy_version-test-real-5_541_20170607142131_a",
        ("real", "-", "5_541", "test", "ZH"),
        "5_541_20170607142131",
    ),
    "noisy_version/test_unseen_noise/real_noise/selfrecording/voice-1.wav": (
        "CFAD-noisy_version-test-real-voice-1",
        ("real", "-", "-", "test", "ZH"),
        "-",
    ),
    # One digit too many for a name of AISHELL-3.
    "noisy_version/dev_noise/fake_noise/gl/SSB010100071.wav": (
        "CFAD-noisy_version-valid-fake-SSB010100071",
        ("fake", "gl", "-", "valid", "ZH"),
        "-",
    ),
    "codec_version/test_seen_codec/fake_codec/lpcnet/SSB01010007_lpcnet_m4a.wav": (
        "CFAD-codec_version-test-fake-SSB01010007_lpcnet_m4a",
        ("fake", "lpcnet", "SSB0101", "test", "ZH"),
        "SSB01010007",
    ),
    "codec_version/test_unseen_codec/fake_codec/partiallyfake/x_partial_mp3.wav": (
        "CFAD-codec_version-test-fake-x_partial_mp3",
        ("fake", "partiallyfake", "-", "test", "ZH"),
        "-",
    ),
}


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "data/CFAD/CFAD"
    for path in FILES:
        write_audio(folder / path)
    return folder


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_every_row(corpus, mode):
    rows, summary = prepare("cfad", corpus.parents[1], mode)
    assert facts(rows) == {
        name: (*values, f"$ROOT/CFAD/CFAD/{path}")
        for path, (name, values, _) in FILES.items()
    }
    assert skipped(summary) == {}


def test_versions_and_fakes_of_an_utterance_share_its_recording(corpus):
    rows, _ = prepare("cfad", corpus.parents[1])
    assert recordings(rows) == {name: source for name, _, source in FILES.values()}


def test_speaker_of_a_genuine_file_is_not_its_name(corpus):
    rows, _ = prepare("cfad", corpus.parents[1])
    assert not any(row["Speaker"].endswith(".wav") for row in rows.values())


def test_one_folder_less(corpus, tmp_path):
    corpus.rename(tmp_path / "inner")
    corpus.parent.rmdir()
    (tmp_path / "inner").rename(corpus.parent)
    rows, _ = prepare("cfad", corpus.parents[1])
    assert len(rows) == len(FILES)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("clean_version/eval_clean/real_clean/a/x.wav", "'eval_clean' is not one of"),
        ("clean_version/dev_clean/odd_clean/a/x.wav", "'odd_clean' is not one of"),
        ("clean_version/dev_noise/real_clean/a/x.wav", "'dev_noise' is not one of"),
        ("codec_version/dev_codec/fake_clean/a/x.wav", "'fake_clean' is not one of"),
        ("loud_version/dev_clean/real_clean/a/x.wav", "'loud_version' is not one of"),
        ("clean_version/dev_clean/real_clean/x.wav", "not in <version>/<split>/"),
    ],
    ids=["split", "label", "mixed split", "mixed label", "version", "depth"],
)
def test_unknown_folder_inherits_nothing(corpus, path, reason):
    write_audio(corpus / path)
    rows, summary = prepare("cfad", corpus.parents[1])
    assert len(rows) == len(FILES)
    assert list(skipped(summary)) == [f"CFAD/{path}"]
    assert reason in skipped(summary)[f"CFAD/{path}"]


def test_missing_version_stops(corpus):
    (corpus / "noisy_version").rename(corpus / "noise_version")
    with pytest.raises(LayoutError, match="no folder CFAD/noisy_version"):
        prepare("cfad", corpus.parents[1])


def test_unreadable_file_is_listed(corpus):
    path = "clean_version/dev_clean/real_clean/aishell3/SSB01010008.wav"
    (corpus / path).write_bytes(b"RIFF")
    rows, summary = prepare("cfad", corpus.parents[1])
    assert len(rows) == len(FILES) - 1
    assert mentions(summary, path)
