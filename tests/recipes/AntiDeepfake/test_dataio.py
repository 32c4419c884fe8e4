import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from data_prep.audio_info import AudioError
from lobes.masking import normalise_wav
from recipes.AntiDeepfake.dataio import (
    PassDataset,
    WaveformReader,
    item_generator,
    make_dataset,
)

RATE = 16000


@pytest.fixture
def long_file(tmp_path):
    """Ten seconds in which every sample is unlike any other."""
    wav = np.linspace(-0.9, 0.9, 10 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", wav, RATE, subtype="FLOAT")
    return tmp_path / "long.wav", wav


def read(path, reader=None, start="-", stop="-", pass_number=0, item_id="a"):
    return (reader or WaveformReader())(item_id, str(path), start, stop, pass_number)


def test_whole_file_is_normalised(long_file):
    path, wav = long_file
    expected = torch.nn.functional.layer_norm(torch.from_numpy(wav), wav.shape)
    assert torch.allclose(read(path), expected, atol=1e-6)


def test_start_and_stop_select_a_piece(long_file):
    path, wav = long_file
    expected = normalise_wav(torch.from_numpy(wav[RATE : 3 * RATE]))
    assert torch.equal(read(path, start="1.0", stop="3.0"), expected)


def test_crop_is_a_piece_of_the_file_within_its_limits(long_file):
    path, wav = long_file
    reader = WaveformReader(crop=(2.0, 3.0), seed=5)
    starts = set()
    for pass_number in range(8):
        crop = read(path, reader, pass_number=pass_number)
        assert 2 * RATE - 1 <= len(crop) <= 3 * RATE + 1
        # Samples rise linearly, so a crop is a straight line.
        steps = crop.double().diff()
        assert steps.std() < 1e-2 * steps.mean()
        starts.add(len(crop))
    assert len(starts) > 4


def test_crop_stays_within_the_piece(long_file):
    path, wav = long_file
    reader = WaveformReader(crop=(0.5, 0.5), augmentation=lambda wav, *_: record(wav))
    seen = []

    def record(samples):
        seen.append((samples.min(), samples.max()))
        return samples

    for pass_number in range(20):
        read(path, reader, start="4.0", stop="6.0", pass_number=pass_number)
    assert min(low for low, _ in seen) >= wav[4 * RATE]
    assert max(high for _, high in seen) <= wav[6 * RATE]


def test_short_files_are_not_cropped(long_file):
    path, wav = long_file
    assert len(read(path, WaveformReader(crop=(10.0, 13.0)))) == len(wav)


def test_crops_follow_from_seed_pass_and_id_only(long_file):
    path, _ = long_file
    reader = WaveformReader(crop=(2.0, 3.0), seed=5)
    one = read(path, reader, pass_number=3)
    read(path, reader, pass_number=4)
    assert torch.equal(one, read(path, reader, pass_number=3))
    assert len(one) != len(read(path, reader, pass_number=4))
    assert len(one) != len(read(path, reader, pass_number=3, item_id="b"))
    other = WaveformReader(crop=(2.0, 3.0), seed=6)
    assert len(one) != len(read(path, other, pass_number=3))


def test_generators_are_independent():
    draws = {
        item_generator(s, p, i).random() for s in (0, 1) for p in (0, 1) for i in "ab"
    }
    assert len(draws) == 8


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_other_sample_rates_are_resampled(tmp_path, rate):
    time = np.arange(rate) / rate
    tone = 0.3 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "tone.wav", tone, rate, subtype="FLOAT")
    wav = read(tmp_path / "tone.wav")
    assert len(wav) == RATE
    expected = np.sqrt(2) * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert np.abs(wav.numpy() - expected)[200:-200].max() < 0.02


def test_channels_are_averaged(tmp_path):
    channels = np.random.default_rng(0).uniform(-1, 1, (4000, 5)).astype(np.float32)
    soundfile.write(tmp_path / "five.wav", channels, RATE, subtype="FLOAT")
    expected = normalise_wav(torch.from_numpy(channels).mean(dim=1))
    assert torch.allclose(read(tmp_path / "five.wav"), expected, atol=1e-6)


def test_silence_gives_zeros(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(4000), RATE)
    assert not read(tmp_path / "silence.wav").any()


@pytest.mark.parametrize("samples", [1, 399])
def test_too_short_is_named(tmp_path, samples):
    soundfile.write(tmp_path / "short.wav", np.ones(samples), RATE)
    with pytest.raises(AudioError, match=f"ID a: .*short.wav: {samples} samples.* 400"):
        read(tmp_path / "short.wav")


def test_augmentation_gets_waveform_rate_and_generator(long_file):
    path, wav = long_file

    def double(samples, rate, generator):
        assert rate == RATE and samples.dtype == np.float32
        generator.random()
        return samples[: len(samples) // 2]

    assert len(read(path, WaveformReader(augmentation=double))) == len(wav) // 2


def test_dataset_of_manifest_rows(corpus):
    from data_prep.manifest import read_manifest

    rows = read_manifest(corpus / "test.csv")
    dataset = make_dataset(rows, corpus)
    item = dataset[1]
    assert set(item) == {"id", "wav", "label"}
    assert (item["id"], item["label"]) == ("test-001", 0)
    assert dataset[0]["label"] == 1
    assert abs(item["wav"].mean()) < 1e-5 and abs(item["wav"].std() - 1) < 1e-3


def test_pass_number_is_in_the_index():
    dataset = PassDataset({"a": {}, "b": {}}, output_keys=["id", "pass_number"])
    assert dataset[0] == {"id": "a", "pass_number": 0}
    assert dataset[7] == {"id": "b", "pass_number": 3}


def test_resampler_is_the_one_of_torchaudio(tmp_path):
    wav = np.random.default_rng(0).uniform(-0.5, 0.5, 44100).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", wav, 44100, subtype="FLOAT")
    expected = torchaudio.functional.resample(torch.from_numpy(wav), 44100, RATE)
    assert torch.equal(read(tmp_path / "noise.wav"), normalise_wav(expected))
