"""Neural vocoders: the published formats and real loaders, with tiny random weights."""

import numpy as np
import pytest
import soundfile
import torch
from helpers import RATE, manifest_row, voice

from data_prep.manifest import read_manifest, write_manifest
from data_prep.vocode import vocode_rows
from data_prep.vocoders import VOCODERS, VocoderError, load_vocoder, model_folder
from data_prep.vocoders.base import weights_key
from data_prep.vocoders.hifigan import MEL, log_mel
from data_prep.vocoders.making import copy_waveform

HIFIGAN = """
generator: !new:speechbrain.lobes.models.HifiGAN.HifiganGenerator
  in_channels: 80
  out_channels: 1
  resblock_type: "1"
  resblock_dilation_sizes: [[1, 3, 5]]
  resblock_kernel_sizes: [3]
  upsample_kernel_sizes: [16, 16, 4, 4]
  upsample_initial_channel: 32
  upsample_factors: [8, 8, 2, 2]
  inference_padding: 5
modules:
  generator: !ref <generator>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    generator: !ref <generator>
"""
DIFFWAVE = """
diffwave: !new:speechbrain.lobes.models.DiffWave.DiffWave
  input_channels: 80
  residual_layers: 2
  residual_channels: 8
  dilation_cycle_length: 2
  total_steps: 50
diffusion: !new:speechbrain.lobes.models.DiffWave.DiffWaveDiffusion
  model: !ref <diffwave>
  beta_start: 0.0001
  beta_end: 0.05
  timesteps: 50
  noise: !new:speechbrain.nnet.diffusion.GaussianNoise
modules:
  diffwave: !ref <diffwave>
  diffusion: !ref <diffusion>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    diffwave: !ref <diffwave>
"""
VOCOS = """
feature_extractor:
  class_path: vocos.feature_extractors.MelSpectrogramFeatures
  init_args:
    {sample_rate: 24000, n_fft: 1024, hop_length: 256, n_mels: 100, padding: center}
backbone:
  class_path: vocos.models.VocosBackbone
  init_args: {input_channels: 100, dim: 16, intermediate_dim: 32, num_layers: 1}
head:
  class_path: vocos.heads.ISTFTHead
  init_args: {dim: 16, n_fft: 1024, hop_length: 256, padding: center}
"""


def hifigan(folder):
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    (folder / "hyperparams.yaml").write_text(HIFIGAN)
    sizes = [[1, 3, 5]], [3], [16, 16, 4, 4], 32, [8, 8, 2, 2]
    model = HifiganGenerator(80, 1, "1", *sizes)
    torch.save(model.state_dict(), folder / "generator.ckpt")


def diffwave(folder):
    from speechbrain.lobes.models.DiffWave import DiffWave

    (folder / "hyperparams.yaml").write_text(DIFFWAVE)
    model = DiffWave(80, 2, 8, 2, 50)
    # The published recipe starts the last layer from zeros, which hides the input.
    torch.nn.init.normal_(model.output_projection.conv.weight, std=0.1)
    torch.save(model.state_dict(), folder / "diffwave.ckpt")


def vocos(folder):
    model = pytest.importorskip("vocos").Vocos
    (folder / "config.yaml").write_text(VOCOS)
    weights = model.from_hparams(str(folder / "config.yaml")).state_dict()
    torch.save(weights, folder / "pytorch_model.bin")


def enliven(codec):
    """Make the tokens of a random codec depend on its input.

    Without that the biases rule, and all frames have the same tokens.
    """
    with torch.no_grad():
        for parameter in codec.encoder.parameters():
            parameter.mul_(2.0 if parameter.dim() > 1 else 1.0)
    for name, buffer in codec.named_buffers():
        if name.endswith(("codebook.embed", "codebook.embed_sum")):
            torch.nn.init.normal_(buffer)
    return codec


def encodec(folder):
    from transformers import EncodecConfig, EncodecModel

    config = EncodecConfig(
        num_filters=4,
        hidden_size=16,
        codebook_dim=16,
        num_lstm_layers=1,
        target_bandwidths=[1.5, 3.0, 6.0],
    )
    enliven(EncodecModel(config)).save_pretrained(folder)


def mimi(folder):
    from transformers import MimiConfig, MimiModel

    config = MimiConfig(
        hidden_size=32,
        num_filters=4,
        codebook_size=64,
        codebook_dim=16,
        vector_quantization_hidden_dimension=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=32,
        upsample_groups=32,
    )
    enliven(MimiModel(config)).save_pretrained(folder)


BUILDERS = {
    "hifigan": hifigan,
    "hifigan_22k": hifigan,
    "diffwave": diffwave,
    "vocos": vocos,
    "encodec": encodec,
    "mimi": mimi,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Gives the folder of the tiny model of a vocoder."""
    made = {}

    def get(name):
        if name not in made:
            path = tmp_path_factory.mktemp(name)
            torch.manual_seed(0)
            BUILDERS[name](path)
            made[name] = path
        return made[name]

    return get


def test_every_vocoder_with_weights_is_tested():
    assert set(BUILDERS) == {name for name, kind in VOCODERS.items() if kind.hub_id}


@pytest.mark.parametrize("name", BUILDERS)
def test_end_to_end(name, folder, tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for i, (rate, seconds) in enumerate([(RATE, 0.61), (44100, 0.4)]):
        wav = np.resize(voice(rng, 1.0, False), int(rate * seconds))
        soundfile.write(tmp_path / f"{i}.flac", wav, rate)
        others = {"SampleRate": rate}
        path = f"$ROOT/{i}.flac"
        rows.append(manifest_row(f"v-{i}", "real", seconds, path, **others))
    write_manifest(tmp_path / "real.csv", rows)
    rows = read_manifest(tmp_path / "real.csv")
    weights = folder(name)
    copies = vocode_rows(rows, tmp_path, tmp_path / "out", name, weights=weights)
    assert write_manifest(tmp_path / "fake.csv", copies) == 2
    for row, copy in zip(rows, copies, strict=True):
        wav, copied = (soundfile.read(tmp_path / r["Path"][6:])[0] for r in (row, copy))
        assert len(copied) == len(wav)
        assert copy["SampleRate"] == row["SampleRate"]
        assert copy["Attack"] == name
        assert not np.allclose(copied, wav, atol=0.01)


@pytest.mark.parametrize("name", BUILDERS)
def test_copies_follow_the_input_in_time(name, folder):
    """What a click changes is where the click is; the seed gives the rest."""
    vocoder = load_vocoder(name, folder(name))
    rate = vocoder.sample_rate
    quiet = 0.001 * np.random.default_rng(0).standard_normal(2 * rate)
    quiet = quiet.astype(np.float32)
    click = quiet.copy()
    click[rate : rate + rate // 50] = 0.5
    state = torch.get_rng_state()
    copies = [vocoder(wav, rate, seed=1) for wav in (quiet, quiet, click)]
    assert torch.equal(torch.get_rng_state(), state), "the caller's random state"
    np.testing.assert_array_equal(copies[0], copies[1])
    change = np.abs(copies[2] - copies[0])[: 2 * rate] ** 2
    # Mimi has frames of 80 ms, and its attention carries the click on.
    before, share = (0.1, 0.0) if name == "mimi" else (0.05, 0.5)
    assert change[: round((1 - before) * rate)].sum() < 0.1 * change.sum()
    nearby = change[round((1 - before) * rate) : round(1.15 * rate)]
    assert nearby.sum() > share * change.sum()


def test_random_choices_follow_the_seed(folder):
    vocoder = load_vocoder("diffwave", folder("diffwave"))
    wav = voice(np.random.default_rng(0), 0.3, False)
    one, two = (copy_waveform(vocoder, wav, RATE, seed) for seed in (1, 2))
    assert not np.allclose(one, two, atol=0.01)
    np.testing.assert_array_equal(one, copy_waveform(vocoder, wav, RATE, 1))


@pytest.mark.parametrize("rate", [16000, 22050])
def test_mel_is_that_of_the_recipe(rate):
    """The function that SpeechBrain's vocoders were trained with gives the same."""
    from speechbrain.lobes.models import HifiGAN

    recipe = getattr(HifiGAN, "mel_spectrogram", None) or HifiGAN.mel_spectogram
    wav = torch.from_numpy(voice(np.random.default_rng(0), 0.5, False))
    expected = recipe(
        sample_rate=rate,
        hop_length=256,
        win_length=1024,
        n_fft=1024,
        n_mels=80,
        f_min=0.0,
        f_max=8000,
        power=1,
        normalized=False,
        norm="slaney",
        mel_scale="slaney",
        compression=True,
        audio=wav,
    )
    torch.testing.assert_close(log_mel(rate, "cpu")(wav), expected)


def test_hifigan_is_not_shifted_by_its_padding(folder):
    """Away from the ends it is the generator without the frames put in front."""
    vocoder = load_vocoder("hifigan", folder("hifigan"))
    wav = voice(np.random.default_rng(0), 1.0, False)
    copy = vocoder(wav, RATE)
    with torch.no_grad():
        mel = vocoder.to_mel(torch.from_numpy(wav))[None]
        plain = vocoder.model.hparams.generator.inference(mel, padding=False)[0, 0]
    middle = slice(5 * MEL["hop_length"], 50 * MEL["hop_length"])
    np.testing.assert_allclose(copy[middle], plain[middle].numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"), [("encodec", {"bandwidth": 6.0}), ("mimi", {})]
)
def test_codecs_do_what_their_own_model_does(name, options, folder):
    from transformers import AutoModel

    wav = voice(np.random.default_rng(0), 0.5, False)
    model = AutoModel.from_pretrained(folder(name)).eval()
    if name == "mimi":
        options = {"num_quantizers": 8}
    with torch.no_grad():
        given = torch.from_numpy(wav)[None, None]
        expected = model(given, **options).audio_values[0, 0].numpy()
    copy = load_vocoder(name, folder(name))(wav, 24000)[: len(wav)]
    np.testing.assert_allclose(copy, expected[: len(wav)], atol=1e-5)
    assert copy.std() > 1e-4


def test_new_weights_make_new_copies(folder, tmp_path):
    wav = voice(np.random.default_rng(0), 0.3, False)
    soundfile.write(tmp_path / "a.wav", wav, RATE)
    row = manifest_row("a", "real", 0.3, "$ROOT/a.wav")
    rows = [{key: str(value) for key, value in row.items()}]
    models = tmp_path / "models"
    models.mkdir()
    found = []
    for seed in (0, 1, 1):
        torch.manual_seed(seed)
        hifigan(models)
        vocode_rows(rows, tmp_path, tmp_path / "out", "hifigan", weights=models)
        copy = tmp_path / "out" / "hifigan" / "a.flac"
        found.append((copy.read_bytes(), copy.stat().st_mtime_ns))
    assert found[0][0] != found[1][0]
    assert found[1] == found[2]


def test_the_key_of_weights_is_their_content(folder, tmp_path):
    source = folder("hifigan")
    for path in source.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "README.md").write_text("not a part of the model")
    assert weights_key(tmp_path) == weights_key(source)
    (tmp_path / "hyperparams.yaml").write_text(HIFIGAN + "\n")
    assert weights_key(tmp_path) != weights_key(source)


def test_weights_in_the_cache_of_the_hub_are_found(folder, tmp_path, monkeypatch):
    """The layout that a download leaves, read by the hub's own client, offline."""
    repository = tmp_path / "models--speechbrain--tts-hifigan-libritts-16kHz"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123456789abcdef")
    snapshot = repository / "snapshots" / "0123456789abcdef"
    snapshot.parent.mkdir()
    snapshot.symlink_to(folder("hifigan"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert model_folder("hifigan") == snapshot
    wav = voice(np.random.default_rng(0), 0.3, False)
    np.testing.assert_array_equal(
        load_vocoder("hifigan")(wav, RATE),
        load_vocoder("hifigan", folder("hifigan"))(wav, RATE),
    )


@pytest.mark.parametrize("name", BUILDERS)
def test_a_wrong_folder_is_a_message(name, folder, tmp_path):
    folder(name)  # skips if a package is missing
    with pytest.raises(VocoderError, match=f"cannot be loaded for {name} ") as stop:
        load_vocoder(name, tmp_path)
    assert f"Give a folder with the files of {VOCODERS[name].hub_id}." in str(
        stop.value
    )


def test_weights_of_another_shape_are_a_message(folder, tmp_path):
    hifigan(tmp_path)
    config = HIFIGAN.replace("channel: 32", "channel: 64")
    (tmp_path / "hyperparams.yaml").write_text(config)
    with pytest.raises(
        VocoderError, match="cannot be loaded for hifigan .RuntimeError"
    ):
        load_vocoder("hifigan", tmp_path)


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("hifigan", "no/such", "no/such: no such folder, not downloaded before"),
        ("hifigan", "not an id", "not an id: no such folder"),
        ("world", "folder", "world has no weights"),
        ("melgan", None, "no vocoder 'melgan': choose from world, griffin_lim"),
    ],
    ids=["no folder", "no id", "no weights", "no vocoder"],
)
def test_nothing_to_load(name, weights, message):
    with pytest.raises(VocoderError, match=message):
        load_vocoder(name, weights)
