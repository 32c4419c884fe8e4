"""Diffuse or Confuse."""

import pytest
from corpus_checks import decided, mentions, skipped, write_broken
from corpus_trees import prepare, write_audio

FOLDER = "DiffusionDeepfake"
FILES = {
    "tacotron2-DCA_wavegrad": "tacotron2-DCA_wavegrad/LJ001-0001.wav",
    "DiffGAN-TTS_aux": "DiffGAN-TTS_aux/LJ001-0001.wav",
    "DiffGAN-TTS_naive": "dataset_01/DiffGAN-TTS_naive/LJ001-0001.wav",
}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    for path in FILES.values():
        write_audio(root / FOLDER / path, 0.2, 22050)
    return root


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_rows_of_both_layouts(root, mode):
    rows, summary = prepare("diffuse_or_confuse", root, mode=mode)
    assert decided(rows) == {
        f"DiffFake-{model}-LJ001-0001": (
            f"{FOLDER}/{path}",
            *("fake", model, "LJ", "-", "EN", "-"),
        )
        for model, path in FILES.items()
    }
    assert summary["skipped"] == []


@pytest.mark.parametrize(
    "path",
    ["LJ001-0001.wav", "dataset_02/LJ001-0001.wav", "LJSpeech-1.1/wavs/LJ001-0001.wav"],
    ids=["no model", "archive without model", "genuine LJSpeech"],
)
def test_file_that_is_not_in_the_folder_of_a_model_is_skipped(root, path):
    write_audio(root / FOLDER / path)
    rows, summary = prepare("diffuse_or_confuse", root)
    assert len(rows) == 3
    assert list(skipped(summary)) == [path]


def test_unreadable_file_is_listed(root):
    write_broken(root / FOLDER / "DiffGAN-TTS_aux/LJ001-0002.wav")
    rows, summary = prepare("diffuse_or_confuse", root)
    assert len(rows) == 3
    assert mentions(summary, "DiffGAN-TTS_aux/LJ001-0002.wav")
