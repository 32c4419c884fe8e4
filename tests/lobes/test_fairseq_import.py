"""Checkpoints of the original: the same numbers, or an error that says why not.

The files and the reference numbers are described in checkpoints/README.md.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from lobes import fairseq_config, fairseq_import
from lobes.classifiers import LinearClassifier
from lobes.detector import Detector
from lobes.fairseq_import import (
    CheckpointError,
    fairseq_name,
    load_into,
    read_checkpoint,
)
from lobes.masking import normalise_wav
from lobes.models import find_model
from lobes.pooling import MeanPooling
from lobes.ssl import SSLEncoder

DATA = Path(__file__).parent / "checkpoints"
FAMILIES = ["w2v_small", "w2v_large", "hubert"]
DETECTORS = [f"{f}/{n}" for f in FAMILIES for n in ("model.ckpt", "model.safetensors")]
PRETRAINED = [
    *[f"{family}/pretrained_cfg.pt" for family in FAMILIES],
    "w2v_small/pretrained_args.pt",
    "w2v_small/pretrained_args_legacy.pt",
    "w2v_large/pretrained_omegaconf.pt",
    "hubert/pretrained_dictionary.pt",
]
HALF_PRECISION = PRETRAINED[3:]
FEATURES = {"atol": 5e-5, "rtol": 0}
LOGITS = {"atol": 2e-5, "rtol": 0}


@cache
def arrays(name):
    with np.load(DATA / name) as file:
        return {key: file[key] for key in file}


@cache
def waves():
    raw = arrays("waveforms.npz")
    return {n: normalise_wav(torch.tensor(w) / 32768) for n, w in raw.items()}


@cache
def arch(family):
    """The original's settings, in the terms of transformers."""
    described = json.loads((DATA / family / "arch.json").read_text())
    kind = {"Wav2Vec2Model": "wav2vec2", "HubertModel": "hubert"}
    settings = {"model_type": kind[described["hf_class"]], **described["hf_config"]}
    return settings, described["feature_grad_mult"]


def build(family, name, **options):
    """A detector in evaluation mode, with the weights of a file."""
    checkpoint = read_checkpoint(DATA / name)
    encoder = SSLEncoder(config=arch(family)[0], **options)
    load_into(encoder, checkpoint)
    pooling = MeanPooling(encoder.output_size)
    detector = Detector(encoder, pooling, LinearClassifier(pooling.output_size))
    if checkpoint.head:
        detector.classifier.load_state_dict(checkpoint.head)
    return detector.eval()


def padded_batch(names):
    rows = [waves()[name] for name in names]
    size = max(map(len, rows))
    batch = torch.stack([functional.pad(row, (0, size - len(row))) for row in rows])
    return batch, torch.tensor([len(row) / size for row in rows])


class TestSameNumbers:
    @pytest.mark.parametrize("name", DETECTORS)
    def test_features_and_logits_of_a_detector(self, name):
        family = name.split("/")[0]
        detector = build(family, name)
        assert detector.encoder.model.config.layer_norm_eps == 1e-5
        reference = arrays(f"{family}/reference.npz")
        assert len(waves()) == 10
        with torch.inference_mode():
            for wave, wav in waves().items():
                features, frame_lens = detector.encoder(wav[None])
                expected = torch.tensor(reference[f"{wave}.x"])
                assert frame_lens.tolist() == [len(expected)]
                torch.testing.assert_close(features[0], expected, **FEATURES)
                logits = detector(wav[None])[0]
                expected = torch.tensor(reference[f"{wave}.logits"])
                torch.testing.assert_close(logits, expected, **LOGITS)

    @pytest.mark.parametrize("name", PRETRAINED)
    def test_features_of_a_pretrained_model(self, name):
        """Its architecture is from the file alone."""
        family = name.split("/")[0]
        checkpoint = read_checkpoint(DATA / name)
        encoder = SSLEncoder(config=checkpoint.config).eval()
        load_into(encoder, checkpoint)
        prefix = "fp16w." if name in HALF_PRECISION else ""
        names = ["n720", "s1", "n23457"] if prefix else list(waves())
        reference = arrays(f"{family}/reference.npz")
        with torch.inference_mode():
            for wave in names:
                features = encoder(waves()[wave][None])[0][0]
                expected = torch.tensor(reference[f"{prefix}{wave}.x"])
                torch.testing.assert_close(features, expected, **FEATURES)

    @pytest.mark.parametrize("name", [*DETECTORS, *PRETRAINED])
    def test_biases_of_keys(self, name):
        """No output depends on them: softmax does not see a shift."""
        family = name.split("/")[0]
        original = load_file(DATA / family / "model.safetensors")
        encoder = read_checkpoint(DATA / name).encoder
        half = name in HALF_PRECISION
        for layer in range(arch(family)[0]["num_hidden_layers"]):
            theirs = f"encoder.layers.{layer}.self_attn.k_proj.bias"
            expected = original[f"m_ssl.model.{theirs}"]
            expected = expected.half().float() if half else expected
            ours = encoder[f"encoder.layers.{layer}.attention.k_proj.bias"]
            assert torch.equal(ours, expected)
            assert expected.abs().max() > 0

    @pytest.mark.parametrize("family", FAMILIES)
    def test_containers_hold_the_same(self, family):
        ckpt = read_checkpoint(DATA / family / "model.ckpt")
        for name in ("model.safetensors", "pretrained_cfg.pt"):
            other = read_checkpoint(DATA / family / name)
            assert ckpt.encoder.keys() == other.encoder.keys()
            for key, tensor in ckpt.encoder.items():
                assert tensor.dtype == torch.float32
                assert torch.equal(tensor, other.encoder[key]), key


class TestPaddedBatch:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_with_mask(self, family):
        """Every row as alone; so does fairseq, where its group norm is not used."""
        detector = build(family, f"{family}/model.ckpt")
        padded = arrays(f"{family}/padded.npz")
        reference = arrays(f"{family}/reference.npz")
        batch, wav_lens = padded_batch(padded["names"])
        with torch.inference_mode():
            features, frame_lens = detector.encoder(batch, wav_lens)
            logits = detector(batch, wav_lens)
        for row, (wave, count) in enumerate(
            zip(padded["names"], frame_lens, strict=True)
        ):
            wanted = [(reference[f"{wave}.x"], reference[f"{wave}.logits"])]
            if family == "w2v_large":
                fairseq = padded["mask.x"][row, :count]
                wanted.append((fairseq, padded["mask.logits_valid"][row]))
            for expected, expected_logits in wanted:
                expected = torch.tensor(expected)
                torch.testing.assert_close(features[row, :count], expected, **FEATURES)
                expected = torch.tensor(expected_logits)
                torch.testing.assert_close(logits[row], expected, **LOGITS)

    def test_with_mask_as_fairseq_where_padding_enters_the_group_norm(self):
        """transformers' own masking has the same leak, hence the same numbers."""
        model = build("w2v_small", "w2v_small/model.ckpt").encoder.model
        padded = arrays("w2v_small/padded.npz")
        batch, _ = padded_batch(padded["names"])
        steps = torch.arange(batch.shape[1])
        mask = (steps < torch.tensor(padded["lengths"])[:, None]).long()
        with torch.inference_mode():
            features = model(batch, attention_mask=mask).last_hidden_state
        for row, wave in enumerate(padded["names"]):
            count = len(arrays("w2v_small/reference.npz")[f"{wave}.x"])
            expected = torch.tensor(padded["mask.x"][row, :count])
            torch.testing.assert_close(features[row, :count], expected, **FEATURES)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_without_mask_as_the_original_trains(self, family):
        detector = build(family, f"{family}/model.ckpt", padding_mask=False)
        padded = arrays(f"{family}/padded.npz")
        batch, wav_lens = padded_batch(padded["names"])
        with torch.inference_mode():
            features, frame_lens = detector.encoder(batch, wav_lens)
            logits = detector(batch, wav_lens)
        assert frame_lens.tolist() == [features.shape[1]] * len(batch)
        expected = torch.tensor(padded["nomask.x"])
        torch.testing.assert_close(features, expected, **FEATURES)
        expected = torch.tensor(padded["nomask.logits"])
        torch.testing.assert_close(logits, expected, **LOGITS)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_gradients(self, family):
        mult = arch(family)[1]
        detector = build(
            family, f"{family}/model.ckpt", padding_mask=False, feature_grad_mult=mult
        )
        grads = arrays(f"{family}/grads.npz")
        batch, wav_lens = padded_batch(grads["names"])
        logits = detector(batch, wav_lens)  # evaluation mode: no dropout
        loss = functional.cross_entropy(logits, torch.tensor(grads["labels"]))
        loss.backward()
        assert loss.item() == pytest.approx(float(grads["loss"]), abs=1e-5)
        got = fairseq_gradients(detector, arch(family)[0]["feat_extract_norm"])
        assert got.keys() == {k[5:] for k in grads if k.startswith("norm.")}
        for key, gradient in got.items():
            norm = float(grads[f"norm.{key}"])
            # without an influence, only rounding is left
            assert gradient.norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-6)
            if f"full.{key}" in grads:
                full = torch.tensor(grads[f"full.{key}"])
                difference = (gradient - full).abs().max().item()
                assert difference <= 1e-3 * full.abs().max().item() + 1e-6, key


def fairseq_gradients(detector, norm):
    """Gradients under the names of the original."""
    named = {
        f"m_ssl.model.{fairseq_name(name, norm)}": p.grad
        for name, p in detector.encoder.model.named_parameters()
        if p.grad is not None
    }
    head = detector.classifier.linear
    return {**named, "proj_fc.weight": head.weight.grad, "proj_fc.bias": head.bias.grad}


class TestArchitecture:
    @pytest.mark.parametrize("name", PRETRAINED)
    def test_from_the_settings_in_the_file(self, name):
        checkpoint = read_checkpoint(DATA / name)
        settings, mult = arch(name.split("/")[0])
        shared = {key: settings[key] for key in checkpoint.config if key in settings}
        assert checkpoint.config == shared
        assert len(shared) >= 20
        assert checkpoint.family == settings["model_type"]
        assert checkpoint.feature_grad_mult == mult
        assert checkpoint.config_source == "the settings in the file"

    @pytest.mark.parametrize("name", DETECTORS)
    def test_unknown_without_settings(self, name):
        checkpoint = read_checkpoint(DATA / name)
        assert checkpoint.family == arch(name.split("/")[0])[0]["model_type"]
        assert checkpoint.config is None and checkpoint.feature_grad_mult is None
        assert "attention heads cannot be seen" in checkpoint.config_source

    @pytest.mark.parametrize(
        "name", ["W2V-Small", "W2V-Large", "XLS-R-2B", "HuBERT-Base", "HuBERT-XL"]
    )
    def test_of_a_known_model_from_shapes_alone(self, name):
        info = find_model(name)
        _, shapes = fairseq_import._model_tensors(info.config())
        found = fairseq_config.architecture_from_shapes(shapes, info.family)
        architecture = fairseq_config.find_architecture(found, settings=None)
        assert architecture.config == info.config()
        assert architecture.feature_grad_mult == info.feature_grad_mult
        assert name in architecture.source

    @pytest.mark.parametrize("family", FAMILIES)
    def test_without_the_parts_for_pretraining(self, family, tmp_path):
        """Nothing tells the family then, and nothing needs to."""
        state = load_file(DATA / family / "model.safetensors")
        grads = arrays(f"{family}/grads.npz")
        for name in grads["params_without_grad"]:
            state.pop(str(name))
        state.pop("m_ssl.model.label_embs_concat", None)
        save_file(state, tmp_path / "bare.safetensors")
        checkpoint = read_checkpoint(tmp_path / "bare.safetensors")
        assert checkpoint.family is None and not checkpoint.coverage.dropped
        assert "wav2vec2 or hubert" in str(checkpoint)
        load_into(SSLEncoder(config=arch(family)[0]), checkpoint)


class TestCoverage:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_every_tensor_is_accounted_for(self, family):
        state = load_file(DATA / family / "model.safetensors")
        coverage = read_checkpoint(DATA / family / "model.ckpt").coverage
        assert len(coverage.used) + len(coverage.dropped) == len(state)
        total = sum(tensor.numel() for tensor in state.values())
        assert coverage.used_parameters + coverage.dropped_parameters == total
        unused = arrays(f"{family}/grads.npz")["params_without_grad"]
        prefix = len("m_ssl.model.")
        assert {str(n)[prefix:] for n in unused} <= set(coverage.dropped)

    def test_summary(self):
        checkpoint = read_checkpoint(DATA / "w2v_small" / "model.ckpt")
        text = str(checkpoint)
        assert "model.ckpt: detector, wav2vec2\n" in text
        assert "52 tensors used (55,650 parameters), 8 dropped" in text
        assert "mask_emb, quantizer.vars" in text
        assert "Give the architecture" in text


def write(path, state):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


@pytest.fixture(params=["changed.ckpt", "changed.safetensors"])
def changed(request, tmp_path):
    """Write a changed detector; gives the error of reading it."""

    def read(edit, family="w2v_large"):
        state = load_file(DATA / family / "model.safetensors")
        edit(state)
        path = write(tmp_path / request.param, state)
        with pytest.raises(CheckpointError) as error:
            read_checkpoint(path)
        assert str(path) in str(error.value)
        return str(error.value)

    return read


class TestRefusedTensors:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_each_tensor_renamed_or_missing(self, family, tmp_path):
        state = load_file(DATA / family / "model.safetensors")
        used = read_checkpoint(DATA / family / "model.ckpt").coverage.used
        encoder = SSLEncoder(config=arch(family)[0])
        for name in used:
            key = name if name in state else f"m_ssl.model.{name}"
            tensor = state.pop(key)
            # A last convolution without norm and bias is missed by the encoder alone.
            named = r".*conv_layers\.6\." if "conv_layers.6.0" in name else name
            with pytest.raises(CheckpointError, match=rf"missing: {named}"):
                load_into(
                    encoder,
                    read_checkpoint(write(tmp_path / "some.safetensors", state)),
                )
            state[f"{key}_"] = tensor
            with pytest.raises(CheckpointError, match=rf"(?i)left over: {name}_"):
                read_checkpoint(write(tmp_path / "some.safetensors", state))
            state[key] = state.pop(f"{key}_")

    def test_renamed_says_both(self, changed):
        name = "m_ssl.model.encoder.layers.1.fc1.weight"
        message = changed(lambda s: s.update({name + "s": s.pop(name)}))
        assert "missing: encoder.layers.1.fc1.weight;" in message
        assert "left over: encoder.layers.1.fc1.weights." in message

    def test_unknown_part(self, changed):
        message = changed(lambda s: s.update({"m_ssl.model.extra": torch.ones(1)}))
        assert "left over: extra" in message

    @pytest.mark.parametrize(
        "name",
        [
            "encoder.layers.0.fc1.weight",
            "encoder.layers.2.self_attn.k_proj.bias",
            "encoder.layer_norm.weight",
            "encoder.pos_conv.0.weight_v",
            "feature_extractor.conv_layers.3.0.bias",
            "post_extract_proj.weight",
        ],
    )
    def test_wrong_shape(self, changed, name):
        def lengthen(state):
            tensor = state[f"m_ssl.model.{name}"]
            state[f"m_ssl.model.{name}"] = torch.cat([tensor, tensor[:1]])

        message = changed(lengthen)
        assert f"wrong shape: {name} (" in message and "missing" not in message

    def test_wrong_shape_of_the_head(self, changed):
        message = changed(lambda s: s.update({"proj_fc.bias": torch.ones(3)}))
        assert "wrong shape: proj_fc.bias ([3] in the file, [2] expected)" in message

    def test_no_head(self, changed):
        message = changed(lambda s: s.pop("proj_fc.weight"))
        assert "missing: proj_fc.weight" in message

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_not_finite(self, changed, value):
        def spoil(state):
            state["m_ssl.model.encoder.layers.0.fc2.bias"][3] = value

        assert "not finite (NaN or infinity): encoder.layers.0.fc2.bias" in changed(
            spoil
        )

    def test_whole_numbers(self, changed):
        message = changed(
            lambda s: s.update({"proj_fc.bias": torch.ones(2, dtype=torch.int64)})
        )
        assert "not floating point: proj_fc.bias" in message

    def test_parts_of_both_families(self, changed):
        message = changed(
            lambda s: s.update({"m_ssl.model.label_embs_concat": torch.ones(4, 16)})
        )
        assert "family is not clear" in message and "quantizer" in message


class TestRefusedModels:
    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("other", FAMILIES)
    def test_encoder_of_another_kind(self, family, other):
        checkpoint = read_checkpoint(DATA / family / "model.ckpt")
        encoder = SSLEncoder(config=arch(other)[0])
        before = {k: v.clone() for k, v in encoder.state_dict().items()}
        if family == other:
            load_into(encoder, checkpoint)
            return
        apart = "hubert" in (family, other)
        with pytest.raises(
            CheckpointError,
            match="but the encoder is" if apart else "left over|missing",
        ):
            load_into(encoder, checkpoint)
        after = encoder.state_dict()
        assert all(torch.equal(before[k], after[k]) for k in before)

    @pytest.mark.parametrize(
        ("setting", "value"), [("num_attention_heads", 6), ("layer_norm_eps", 1e-12)]
    )
    def test_encoder_that_would_compute_something_else(self, setting, value):
        checkpoint = read_checkpoint(DATA / "w2v_large" / "pretrained_cfg.pt")
        encoder = SSLEncoder(config={**checkpoint.config, setting: value})
        with pytest.raises(CheckpointError, match=f"{setting} is .* by the checkpoint"):
            load_into(encoder, checkpoint)

    def test_other_dropouts_are_welcome(self):
        checkpoint = read_checkpoint(DATA / "w2v_small" / "pretrained_cfg.pt")
        config = {**checkpoint.config, "hidden_dropout": 0.0, "layerdrop": 0.0}
        load_into(SSLEncoder(config=config), checkpoint)

    def test_encoder_with_fewer_layers(self):
        checkpoint = read_checkpoint(DATA / "w2v_large" / "model.ckpt")
        encoder = SSLEncoder(config=arch("w2v_large")[0], num_layers=2)
        with pytest.raises(CheckpointError, match=r"left over: encoder\.layers\.2"):
            load_into(encoder, checkpoint)

    @pytest.mark.parametrize(
        ("setting", "value", "told"),
        [
            ("_name", "hubert", r"family is not clear: .*quantizer.*say wav2vec2"),
            ("_name", "data2vec_audio", r"family is not clear"),
            ("encoder_layers", 4, r"missing: encoder\.layers\.3"),
            ("encoder_layers", "3", r"setting encoder_layers is '3'; expected int"),
            ("activation_fn", "swish", r"activation_fn is 'swish'"),
            ("conv_feature_layers", "[]", r"conv_feature_layers cannot be read"),
            ("extractor_mode", "default", r"conv_layers\.0\.2\.weight"),
        ],
    )
    def test_settings_of_another_model(self, tmp_path, setting, value, told):
        content = torch.load(
            DATA / "w2v_large" / "pretrained_cfg.pt", weights_only=True
        )
        content["cfg"]["model"][setting] = value
        with pytest.raises(CheckpointError, match=told):
            read_checkpoint(write(tmp_path / "other.pt", content))

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("wav2vec2.feature_projection.projection.weight", "layout of transformers"),
            ("w2v_encoder.w2v_model.mask_emb", "fine-tuned it for speech recognition"),
            ("encoder.layers.0.self_attn.grep_linear.weight", "it is a WavLM"),
            ("fc.weight", "no wav2vec 2.0 or HuBERT model"),
        ],
    )
    def test_weights_of_something_else(self, tmp_path, name, told):
        for file in ("other.pt", "other.safetensors"):
            path = write(tmp_path / file, {name: torch.ones(2, 2)})
            with pytest.raises(CheckpointError, match=told):
                read_checkpoint(path)


class TestRefusedFiles:
    @pytest.mark.parametrize("name", [*DETECTORS[:2], *PRETRAINED[:1], PRETRAINED[4]])
    @pytest.mark.parametrize("part", [0.002, 0.1, 0.5, 0.99, 0.99999])
    def test_truncated(self, tmp_path, name, part):
        whole = (DATA / name).read_bytes()
        path = tmp_path / "truncated"
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(CheckpointError, match="damaged or truncated"):
            read_checkpoint(path)

    def test_flipped_bit(self, tmp_path):
        content = bytearray((DATA / "hubert" / "model.ckpt").read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / "flipped").write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged or truncated: .*CRC"):
            read_checkpoint(tmp_path / "flipped")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"<!DOCTYPE html><html><head></head></html>",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            b"RIFF\x00\x00\x00\x00WAVEfmt ",
        ],
    )
    def test_no_checkpoint_at_all(self, tmp_path, content):
        (tmp_path / "some.pt").write_bytes(content)
        with pytest.raises(CheckpointError, match="no checkpoint at all"):
            read_checkpoint(tmp_path / "some.pt")

    @pytest.mark.parametrize("content", [[1, 2], {}, torch.ones(2), {"epoch": 3}])
    def test_no_weights(self, tmp_path, content):
        torch.save(content, tmp_path / "some.pt")
        with pytest.raises(
            CheckpointError, match=r"holds (no weights|what is no tens)"
        ):
            read_checkpoint(tmp_path / "some.pt")

    @pytest.mark.parametrize("name", ["nothing.ckpt", ""])
    def test_no_file(self, tmp_path, name):
        with pytest.raises(CheckpointError, match="no such file"):
            read_checkpoint(tmp_path / name)
