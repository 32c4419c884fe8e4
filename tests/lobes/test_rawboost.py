"""RawBoost equals its release, is fast the same augmentation, and fails clearly."""

import pickle
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from scipy import signal, stats

from benchmarks.rawboost import make_speech, plain_rawboost
from lobes.masking import normalise_wav
from lobes.rawboost import ALGORITHMS, RawBoost, RawBoostParams, rawboost
from lobes.rawboost_filters import filter_powers, notch_cascades
from recipes.AntiDeepfake.dataio import WaveformReader

RELEASED = np.load(Path(__file__).parent / "fixtures/rawboost.npz")
CASES = sorted(name[3:] for name in RELEASED.files if name.startswith("in_"))
ROOT = Path(__file__).resolve().parents[2]
RATE = 16000


def speech(seconds=0.5, seed=0):
    return make_speech(seconds, np.random.default_rng(seed))


# The draws of the released code


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("case", CASES)
def test_output_and_state_are_those_of_the_released_code(case, algorithm):
    rng = np.random.RandomState(int(case.split("_")[1]))
    out = rawboost(RELEASED[f"in_{case}"], RATE, algorithm, rng=rng)
    assert out.dtype == np.float32
    assert np.abs(out - RELEASED[f"out_{algorithm}_{case}"]).max() < 1e-6
    following = [rng.standard_normal(), rng.random()]
    assert following == RELEASED[f"next_{algorithm}_{case}"].tolist()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("length", "rate", "params"),
    [
        (3593, 16000, {}),  # around the hop of the filtering, 3596
        (3597, 16000, {}),
        (64001, 16000, {}),
        (8000, 8000, {"max_freq": 4000}),
        (8000, 44100, {"min_gain": -3, "max_gain": 6, "max_freq": 20000}),
        (8000, 16000, {"num_notches": 9, "min_taps": 301, "max_taps": 400}),
        (8000, 16000, {"num_notches": 1, "min_taps": 2, "max_taps": 2}),
        (8000, 16000, {"num_powers": 1, "max_impulses": 100, "impulse_gain": 5}),
        (8000, 16000, {"num_powers": 9, "max_impulses": 0, "min_width": 9e3 / 8}),
    ],
)
def test_output_is_that_of_the_plain_way(length, rate, params, algorithm):
    params = RawBoostParams.of({"max_width": 2000, **params})
    wav = np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    rngs = [np.random.RandomState(5), np.random.RandomState(5)]
    expected = plain_rawboost(wav, rate, algorithm, params, rngs[0])
    out = rawboost(wav, rate, algorithm, params, rngs[1])
    assert np.abs(out - expected).max() < 1e-6
    assert rngs[0].random() == rngs[1].random()


def test_loud_audio_is_that_of_the_plain_way_relative_to_its_level():
    wav = 20 * speech()
    for algorithm in ALGORITHMS:
        rngs = [np.random.RandomState(2), np.random.RandomState(2)]
        expected = plain_rawboost(wav, RATE, algorithm, RawBoostParams(), rngs[0])
        out = rawboost(wav, RATE, algorithm, None, rngs[1])
        assert np.abs(out - expected).max() < 1e-6 * max(1, np.abs(expected).max())


def test_the_defaults_are_those_of_the_post_training_paper():
    params = RawBoostParams()
    assert (params.num_notches, params.num_powers) == (5, 5)
    assert (params.min_freq, params.max_freq) == (20, 8000)
    assert (params.min_width, params.max_width) == (100, 1000)
    assert (params.min_taps, params.max_taps) == (10, 100)
    assert (params.min_gain, params.max_gain) == (0, 0)
    assert (params.min_bias, params.max_bias) == (5, 20)
    assert (params.max_impulses, params.impulse_gain) == (10, 2)
    assert (params.min_snr, params.max_snr) == (10, 40)


# Filters


def test_cascade_has_its_notches_and_its_gain():
    centres = torch.tensor([[1000.0, 5000.0]], dtype=torch.float64)
    taps = torch.tensor([[101, 99]])
    gain = torch.tensor([-7.0], dtype=torch.float64)
    half = notch_cascades(centres, centres * 0 + 600, taps, gain, RATE, reach=120)[0]
    whole = torch.cat([half[1:].flip(0), half]).numpy()
    frequencies, response = signal.freqz(whole, worN=2048, fs=RATE)
    levels = 20 * np.log10(np.abs(response))
    assert levels.max() == pytest.approx(-7, abs=0.01)
    # The edges are 6 dB down, and the middles more.
    for frequency in (700, 1300, 4700, 5300):
        level = levels[np.argmin(np.abs(frequencies - frequency))]
        assert level == pytest.approx(-13, abs=2)
    for frequency in (1000, 5000):
        assert levels[np.argmin(np.abs(frequencies - frequency))] < -25


@pytest.mark.parametrize("length", [1, 2, 5, 900, 4083, 4084, 10000])
@pytest.mark.parametrize("reach", [1, 6, 1500])
def test_filtering_of_powers_equals_convolution(length, reach):
    generator = torch.Generator().manual_seed(0)
    wav = torch.rand(length, generator=generator) * 2 - 1
    half = torch.rand(3, reach + 1, generator=generator) / reach
    expected = np.zeros(length)
    for power, taps in enumerate(half.double().numpy(), 1):
        whole = np.concatenate([taps[:0:-1], taps])
        full = signal.fftconvolve(wav.double().numpy() ** power, whole)
        expected += full[reach + 1 : reach + 1 + length]
    np.testing.assert_allclose(filter_powers(wav, half), expected, atol=3e-6)


# The fast stream is the same augmentation


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_both_streams_have_the_same_distribution(algorithm):
    wav = speech(0.25, seed=1)
    streams = np.random.RandomState(0), np.random.default_rng(0)
    fast = np.array([features(wav, algorithm, streams[1]) for _ in range(300)])
    same = np.array([features(wav, algorithm, streams[0]) for _ in range(300)])
    for column in range(fast.shape[1]):
        test = stats.ks_2samp(fast[:, column], same[:, column], method="asymp")
        assert test.pvalue > 1e-3


def features(wav, algorithm, rng):
    """Level, peak, roughness, share of changed samples, and level in 8 bands."""
    out = rawboost(wav, RATE, algorithm, rng=rng).astype(float)
    spectrum = np.abs(np.fft.rfft(out)) ** 2
    bands = [band.mean() for band in np.array_split(spectrum, 8)]
    roughness = np.square(np.diff(out, 3)).sum() / np.square(out).sum()
    changed = np.mean(out != wav)
    ratios = [np.square(out).mean(), np.abs(out).max(), roughness, *bands]
    return np.append(np.log(ratios), changed)


@pytest.mark.parametrize("source", [np.random.RandomState, np.random.default_rng])
def test_impulses_are_what_they_are_said_to_be(source):
    rng, wav = source(0), np.full(4000, 0.2, np.float32)
    shares, strengths = [], []
    for _ in range(400):
        relative = rawboost(wav, RATE, 2, rng=rng) / wav - 1
        strengths.append(relative[np.abs(relative) > 1e-6] / 2)
        shares.append(len(strengths[-1]) / len(wav))
    strengths = np.concatenate(strengths)
    assert stats.kstest(shares, "uniform", (0, 0.1)).pvalue > 1e-3
    # A product of two uniform numbers: E = 0, E |.| = 1/4, E .^2 = 1/9.
    assert strengths.mean() == pytest.approx(0, abs=5e-3)
    assert np.abs(strengths).mean() == pytest.approx(1 / 4, abs=5e-3)
    assert np.square(strengths).mean() == pytest.approx(1 / 9, abs=5e-3)


@pytest.mark.parametrize("source", [np.random.RandomState, np.random.default_rng])
def test_stationary_noise_has_its_level(source):
    rng, wav = source(0), speech(0.1)
    ratios = []
    for _ in range(300):
        noise = rawboost(wav, RATE, 3, rng=rng) - wav
        ratios.append(20 * np.log10(np.linalg.norm(wav) / np.linalg.norm(noise)))
    assert stats.kstest(ratios, "uniform", (10, 30)).pvalue > 1e-3


# Odd input


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("source", [np.random.RandomState, np.random.default_rng])
@pytest.mark.parametrize("level", [0.0, 1e-30, 1e-4, 1.0, 20.0, 1e5])
def test_finite_in_finite_out(algorithm, source, level):
    for length in (1, 2, 3, 250, 1000):
        wav = np.full(length, level, np.float32)
        wav[::2] *= -1
        before = wav.copy()
        out = rawboost(wav, RATE, algorithm, rng=source(length))
        assert out.shape == wav.shape and np.isfinite(out).all()
        assert np.array_equal(wav, before)
        if level == 0:
            assert not out.any()


def test_convolutive_and_impulsive_noise_never_exceed_full_scale():
    wav = 3 * speech()
    for algorithm in (1, 2, 5, 8):
        rng = np.random.default_rng(0)
        assert np.abs(rawboost(wav, RATE, algorithm, rng=rng)).max() <= 1


@pytest.mark.parametrize(
    ("wav", "error", "message"),
    [
        (np.zeros(9, np.int16), TypeError, "int16: give floating point.*/ 32768"),
        (np.zeros(9, complex), TypeError, "complex128: give floating point"),
        (np.array([0, np.nan]), ValueError, "NaN or infinite samples: remove"),
        (np.array([0, np.inf]), ValueError, "NaN or infinite samples: remove"),
        (np.zeros((9, 2)), ValueError, r"shape \(9, 2\): give \[time\], one channel"),
        (np.zeros(0), ValueError, "at least one sample"),
        (np.full(9, 1e9), ValueError, r"peak of 1e\+09.*full scale of 1"),
    ],
)
def test_impossible_waveforms_are_clear_errors(wav, error, message):
    with pytest.raises(error, match=message):
        rawboost(wav, RATE, 5, rng=np.random.default_rng(0))


def test_other_floating_point_arrays_are_taken():
    wav = speech()
    expected = rawboost(wav, RATE, 4, rng=np.random.default_rng(0))
    double = wav.astype(np.float64)
    double.flags.writeable = False
    strided = np.repeat(wav, 2)[::2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for other in (double, strided):
            out = rawboost(other, RATE, 4, rng=np.random.default_rng(0))
            assert np.array_equal(out, expected)


# Parameters


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_freq": 9000}, "max_freq is 9000 Hz.*16000 Hz. Set max_freq to 8000"),
        ({"min_freq": -1}, "min_freq is -1. Give at least 0"),
        ({"min_width": 0}, "min_width is 0. Give at least 1"),
        ({"min_taps": 1}, "min_taps is 1. Give at least 2"),
        ({"max_taps": 50.5}, "max_taps is 50.5. Give a whole number"),
        ({"min_taps": 200}, "min_taps is 200, above max_taps, which is 100"),
        ({"num_powers": 0}, "num_powers is 0. Give at least 1"),
        ({"num_notches": None}, "num_notches is None. Give a finite number"),
        ({"max_impulses": 101}, "share of the samples in %: give at most 100"),
        ({"impulse_gain": -1}, "impulse_gain is -1. Give at least 0"),
        ({"max_snr": float("nan")}, "max_snr is nan. Give a finite number"),
        ({"max_snr": 5}, "min_snr is 10, above max_snr, which is 5"),
        ({"nBands": 5}, "no parameter 'nBands'. Use some of num_powers, num_notches"),
    ],
)
def test_impossible_parameters_are_clear_errors(params, message):
    for use in (
        lambda: rawboost(speech(), RATE, 5, params, np.random.default_rng(0)),
        lambda: RawBoost(**params),
    ):
        with pytest.raises(ValueError, match=message):
            use()


def test_other_impossible_arguments_are_clear_errors():
    with pytest.raises(ValueError, match="max_freq is 8000 Hz.*Set max_freq to 4000"):
        rawboost(speech(), 8000, 5, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="sample_rate is nan"):
        rawboost(speech(), float("nan"), 5, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="sample_rate is 0. Give at least 1"):
        RawBoost(sample_rate=0)
    with pytest.raises(ValueError, match="algorithm is 9. Give one of"):
        rawboost(speech(), RATE, 9, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"rng is int: give a numpy.random.Generator"):
        rawboost(speech(), RATE, 5, rng=3)
    with pytest.raises(ValueError, match="probability is 1.5"):
        RawBoost(probability=1.5)


# The module


def test_module_keeps_its_arguments():
    module = RawBoost(4, 8000, 0.5, max_freq=4000)
    assert (module.algorithm, module.sample_rate, module.probability) == (4, 8000, 0.5)
    assert module.params == RawBoostParams(max_freq=4000)
    assert not list(module.parameters()) and not module.state_dict()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_augment_is_the_function_also_after_pickling(algorithm):
    wav = speech()
    expected = rawboost(wav, RATE, algorithm, rng=np.random.default_rng(3))
    augment = pickle.loads(pickle.dumps(RawBoost(algorithm).augment))
    out = augment(wav, RATE, np.random.default_rng(3))
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_row_of_a_batch_is_the_function(algorithm):
    lengths = [8000, 5001, 1, 400]
    batch = torch.full((4, 8000), torch.nan)
    for row, length in enumerate(lengths):
        batch[row, :length] = torch.from_numpy(speech(seed=row)[:length])
    torch.manual_seed(7)
    out = RawBoost(algorithm)(batch, torch.tensor(lengths) / 8000)
    torch.manual_seed(7)
    rng = np.random.default_rng(torch.randint(2**63 - 1, ()).item())
    for row, length in enumerate(lengths):
        wav = batch[row, :length].numpy()
        expected = rawboost(wav, RATE, algorithm, rng=rng)
        assert np.array_equal(out[row, :length], expected)
        assert not out[row, length:].any()


def test_batch_follows_the_seed_of_torch_alone():
    module, batch = RawBoost(4), torch.from_numpy(speech()).repeat(3, 1)
    outs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        np.random.random()
        outs.append(module(batch))
    assert torch.equal(outs[0], outs[1]) and not torch.equal(outs[0], outs[2])
    assert not torch.equal(outs[0][0], outs[0][1])


def test_normalised_batch_keeps_its_scale():
    wav = torch.from_numpy(speech())[None] / np.abs(speech()).max()
    loud = 25 * wav
    outs = []
    for batch in (wav, loud):
        torch.manual_seed(0)
        outs.append(RawBoost(5)(batch))
    torch.testing.assert_close(25 * outs[0], outs[1], rtol=1e-4, atol=1e-4)


def test_probability_is_per_waveform():
    batch = torch.from_numpy(speech(0.05)).repeat(400, 1)
    torch.manual_seed(0)
    changed = (RawBoost(2, probability=0.3)(batch) != batch).any(1)
    assert 90 < changed.sum() < 150
    module, rng = RawBoost(2, probability=0.3), np.random.default_rng(0)
    wav = speech(0.05)
    changed = sum(module.augment(wav, RATE, rng) is not wav for _ in range(400))
    assert 90 < changed < 150
    assert torch.equal(RawBoost(probability=0.0)(batch), batch)


def test_batch_keeps_type_and_wants_no_gradient():
    batch = torch.from_numpy(speech()).half()[None].requires_grad_()
    out = RawBoost(5)(batch)
    assert out.dtype == torch.float16 and not out.requires_grad


@pytest.mark.parametrize("sample", [torch.nan, torch.inf])
def test_batch_with_impossible_samples_is_an_error(sample):
    batch = torch.zeros(2, 500)
    batch[1, 3] = sample
    with pytest.raises(ValueError, match="NaN, infinite or huge samples"):
        RawBoost(5)(batch)
    with pytest.raises(ValueError, match=r"give \[batch, time\]"):
        RawBoost(5)(batch[0])


def test_threads_do_not_matter():
    wav, outs = speech(3.0), []
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        outs.append(
            [rawboost(wav, RATE, a, rng=np.random.default_rng(0)) for a in (4, 8)]
        )
    torch.set_num_threads(before)
    assert np.array_equal(outs[0], outs[1])


def test_data_pipeline_is_reproducible_and_differs_per_pass(corpus):
    path = str(next((corpus / "audio").glob("train-*.flac")))
    wavs = [
        WaveformReader(augmentation=RawBoost().augment, seed=seed)(
            "a", path, "-", "-", pass_number
        )
        for seed, pass_number in [(0, 0), (0, 0), (0, 1), (1, 0)]
    ]
    assert torch.equal(wavs[0], wavs[1])
    assert not torch.equal(wavs[0], wavs[2]) and not torch.equal(wavs[0], wavs[3])
    assert not torch.equal(wavs[0], WaveformReader()("a", path, "-", "-", 0))


# In a YAML


def test_yaml_declares_it_and_gives_its_method():
    text = "rawboost: !new:lobes.rawboost.RawBoost\n    probability: 0.5\n"
    hparams = load_hyperpyyaml(text)
    assert hparams["rawboost"].probability == 0.5
    assert load_hyperpyyaml(text, {"rawboost": None})["rawboost"] is None


def test_chain_with_speechbrain_augmentations(tmp_path):
    block = ROOT / "hparams/blocks/augment_chain.yaml"
    (tmp_path / "experiment.yaml").write_text(
        f"augment_chain: !include:{block}\n"
        "    rawboost_probability: 1.0\n"
        "augment: !ref <augment_chain[augment]>\n"
    )
    with open(tmp_path / "experiment.yaml") as stream:
        augment = load_hyperpyyaml(stream)["augment"]
    assert len(augment.augmentations) == 3
    wavs, lens = torch.zeros(3, RATE), torch.tensor([1.0, 0.5, 0.25])
    for row, fraction in enumerate(lens):
        wav = torch.from_numpy(speech(1.0, row)[: int(RATE * fraction)])
        wavs[row, : len(wav)] = wav
    wavs = normalise_wav(wavs, lens)
    for seed in range(6):  # several codecs
        random.seed(seed)
        torch.manual_seed(seed)
        out, out_lens = augment(wavs, lens)
        out = normalise_wav(out, out_lens)
        assert torch.equal(out_lens, lens) and out.isfinite().all()
        for row, fraction in enumerate(lens):
            valid = int(RATE * fraction)
            similarity = torch.corrcoef(torch.stack([out[row], wavs[row]])[:, :valid])
            assert 0.05 < similarity[0, 1].abs() < 0.999
            assert not out[row, valid:].any()
