"""SSLEncoder: equal to transformers, blind to padding, honest about gradients."""

import json

import pytest
import torch
from transformers import WhisperFeatureExtractor

from lobes.ssl import SSLEncoder
from lobes.whisper import LogMel

LENGTHS = [9001, 16000, 401, 720, 6399]


def build(tiny, **kwargs):
    """Build an encoder with the reference's weights."""
    encoder = SSLEncoder(config=tiny.settings, **kwargs)
    full = tiny.reference.state_dict()
    encoder.model.load_state_dict({k: full[k] for k in encoder.model.state_dict()})
    return encoder.eval()


def alone(encoder, waves):
    with torch.no_grad():
        return [encoder(wave[None])[0] for wave in waves]


class TestAgainstTransformers:
    def test_equal_to_plain_transformers(self, tiny, waves):
        wave = waves([480000 if tiny.is_whisper else 16000])[0]
        expected = tiny.hidden_states(wave)
        with torch.no_grad():
            states, frame_lens = build(tiny, output_layer="all")(wave[None])
            last, _ = build(tiny)(wave[None])
        assert frame_lens.tolist() == [expected.shape[1]]
        torch.testing.assert_close(states[:, 0], expected, atol=2e-5, rtol=0)
        torch.testing.assert_close(last[0], expected[-1], atol=2e-5, rtol=0)

    def test_frame_counts_are_those_of_the_model(self, tiny):
        lengths = torch.tensor([400, 401, 479, 480, 719, 720, 16000, 160001])
        counts = build(tiny).family.frame_lengths(lengths)
        if tiny.is_whisper:
            expected = (lengths + 319) // 320
        else:
            expected = tiny.reference._get_feat_extract_output_lengths(lengths)
        assert counts.tolist() == expected.tolist()

    def test_state_dict_has_the_names_of_transformers(self, tiny):
        names = build(tiny).state_dict().keys()
        assert names == {f"model.{k}" for k in tiny.reference.state_dict()}

    def test_attributes(self, tiny):
        encoder = build(tiny)
        assert (encoder.output_size, encoder.num_layers) == (32, 3)
        assert encoder.frame_shift == 0.02
        assert (encoder.sample_rate, encoder.min_samples) == (16000, 400)


class TestPadding:
    @pytest.mark.parametrize("training", [False, True])
    @pytest.mark.parametrize("extra", [0, 5000])
    def test_padding_changes_nothing(self, tiny, waves, pad, training, extra):
        if training and tiny.name == "hubert-batch-norm":
            pytest.skip("a batch norm depends on the batch by design")
        encoder = build(tiny, output_layer="all").train(training)
        rows = waves(LENGTHS)
        with torch.no_grad():
            features, frame_lens = encoder(*pad(rows, extra))
        assert frame_lens.dtype == torch.int64
        for row, expected in enumerate(alone(encoder, rows)):
            frames = int(frame_lens[row])
            assert frames == expected.shape[2]
            torch.testing.assert_close(
                features[:, row, :frames], expected[:, 0], atol=1e-5, rtol=0
            )
            assert not features[:, row, frames:].any()

    def test_nothing_leaks_in_double_precision(self, tiny, waves, pad):
        """Float32 noise could hide a small leak; here nothing can."""
        encoder = build(tiny).double()
        rows = [row.double() for row in waves(LENGTHS)]
        with torch.no_grad():
            features, frame_lens = encoder(*pad(rows, extra=333))
        for row, expected in enumerate(alone(encoder, rows)):
            got = features[row, : frame_lens[row]]
            torch.testing.assert_close(got, expected[0], atol=1e-11, rtol=0)

    def test_order_of_the_batch_changes_nothing(self, tiny, waves, pad):
        encoder = build(tiny)
        wav, wav_lens = pad(waves(LENGTHS))
        order = torch.tensor([3, 0, 4, 2, 1])
        with torch.no_grad():
            features, frame_lens = encoder(wav, wav_lens)
            shuffled, shuffled_lens = encoder(wav[order], wav_lens[order])
        assert shuffled_lens.tolist() == frame_lens[order].tolist()
        torch.testing.assert_close(shuffled, features[order], atol=1e-5, rtol=0)

    def test_plain_transformers_would_fail_this(self, tiny_named, waves, pad):
        """Shows that the test above can see a leak."""
        tiny = tiny_named("wav2vec2-group")
        rows = waves(LENGTHS)
        wav, wav_lens = pad(rows)
        mask = torch.arange(wav.shape[1]) < (wav_lens * wav.shape[1]).round()[:, None]
        with torch.no_grad():
            padded = tiny.reference(wav * mask, attention_mask=mask.long())[0]
        expected = alone(build(tiny), rows)[0][0]
        assert (padded[0, : len(expected)] - expected).abs().max() > 1e-2

    def test_group_norm_at_the_size_of_a_real_model(self, waves, pad):
        encoder = SSLEncoder(
            config={"model_type": "wav2vec2", "feat_extract_norm": "group"},
            num_layers=1,
        ).eval()
        rows = waves([8000, 2400])
        with torch.no_grad():
            features, frame_lens = encoder(*pad(rows))
        for row, expected in enumerate(alone(encoder, rows)):
            got = features[row, : frame_lens[row]]
            torch.testing.assert_close(got, expected[0], atol=1e-5, rtol=0)

    def test_layerdrop_keeps_the_number_of_states(self, tiny, waves):
        key = "encoder_layerdrop" if tiny.is_whisper else "layerdrop"
        encoder = build(tiny, output_layer="all", config_overrides={key: 1.0}).train()
        with torch.no_grad():
            states, _ = encoder(waves([4000])[0][None])
        assert len(states) == 4
        kept = 1 if tiny.name.startswith("wavlm") else 0  # WavLM keeps its first layer
        assert states[kept].any()
        assert torch.equal(states[2], states[kept])


class TestLogMel:
    def test_equal_to_transformers_before_the_end(self, waves):
        """Short inputs too: the end is followed by silence, as in 30 s of Whisper."""
        wave = 0.05 * waves([12345])[0]
        extractor = WhisperFeatureExtractor()
        expected = extractor(wave.numpy(), sampling_rate=16000, return_tensors="pt")
        got = LogMel(80, 480000)(wave[None], torch.tensor([12345]))
        assert got.shape == (1, 80, 78 + 2)
        torch.testing.assert_close(
            got, expected.input_features[..., :80], atol=1e-5, rtol=0
        )

    def test_floor_comes_from_the_valid_frames(self):
        wav = torch.zeros(1, 16000)
        wav[0, :800] = torch.randn(800)
        wav[0, -3] = 100.0  # loudest in the first frame after the end
        mel = LogMel(80, 480000)(wav, torch.tensor([16000]))
        assert mel[..., 100].max() > mel[..., :100].max()
        range_in_log10 = 4 * (mel[..., :100].max() - mel.min())
        assert range_in_log10.item() == pytest.approx(8, abs=1e-4)


class TestWhisperWindows:
    @pytest.fixture(scope="class")
    def encoder(self, tiny_named):
        """One second instead of 30: 50 positions."""
        tiny = tiny_named("whisper")
        tiny.settings["max_source_positions"] = 50
        torch.manual_seed(1)
        return SSLEncoder(config=tiny.settings).eval()

    @pytest.mark.parametrize("tail", [7000, 400])
    def test_long_input_is_encoded_in_windows(self, encoder, waves, tail):
        wave = waves([32000 + tail])[0]
        with torch.no_grad():
            features, frame_lens = encoder(wave[None])
            pieces = [encoder(piece[None])[0] for piece in wave.split(16000)]
        assert frame_lens.tolist() == [100 + -(-tail // 320)]
        torch.testing.assert_close(features, torch.cat(pieces, 1), atol=1e-5, rtol=0)

    @pytest.mark.parametrize("tail", [1, 399])
    def test_very_short_tail_is_left_out(self, encoder, waves, tail):
        wave = waves([16000 + tail])[0]
        with torch.no_grad():
            features, frame_lens = encoder(wave[None])
            expected, _ = encoder(wave[None, :16000])
        assert frame_lens.tolist() == [50]
        torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)

    def test_long_batch_is_independent_of_padding(self, encoder, waves, pad):
        rows = waves([40001, 16000, 700, 16300, 15999, 31900])
        with torch.no_grad():
            features, frame_lens = encoder(*pad(rows))
        assert frame_lens.tolist() == [126, 50, 3, 50, 50, 100]
        for row, expected in enumerate(alone(encoder, rows)):
            got = features[row, : frame_lens[row]]
            torch.testing.assert_close(got, expected[0], atol=1e-5, rtol=0)
            assert not features[row, frame_lens[row] :].any()

    def test_gradient_reaches_the_waveform_and_is_finite(self, encoder):
        wav = torch.zeros(1, 20000)  # digital silence: the hardest place for a log
        wav[0, :5000] = torch.randn(5000, generator=torch.Generator().manual_seed(0))
        wav.requires_grad_()
        encoder(wav)[0].square().mean().backward()
        assert wav.grad.isfinite().all()
        assert wav.grad[0, :5000].any()


class TestLayers:
    def test_cut_equals_hidden_state_of_the_full_model(self, tiny, waves):
        wave = waves([16000])[0][None]
        cut = build(tiny, num_layers=2)
        full = build(tiny, output_layer=2)
        with torch.no_grad():
            got, expected = cut(wave)[0], full(wave)[0]
            norm = full.family.final_norm(full.model)
            if norm is not None:
                expected = norm(expected)
        assert cut.num_layers == 2
        torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)

    @pytest.mark.parametrize("layer", [0, 1, 3])
    def test_one_layer_is_that_slice_of_all(self, tiny, waves, layer):
        wave = waves([8000])[0][None]
        with torch.no_grad():
            one, _ = build(tiny, output_layer=layer)(wave)
            everything, _ = build(tiny, output_layer="all")(wave)
        assert everything.shape[0] == 4
        assert torch.equal(one, everything[layer])

    def test_unused_layers_take_no_gradient(self, tiny, waves):
        encoder = build(tiny, output_layer=1)
        encoder(waves([2000])[0][None])[0].sum().backward()
        wanting = [n for n, p in encoder.named_parameters() if p.requires_grad]
        grads = [n for n, p in encoder.named_parameters() if p.grad is not None]
        assert grads == wanting
        unused = encoder.family.layers(encoder.model)[1:]
        assert not any(p.requires_grad for m in unused for p in m.parameters())

    @pytest.mark.parametrize("layer", [-1, 4, "last", 1.0])
    def test_impossible_layer_is_an_error(self, tiny_named, layer):
        with pytest.raises(ValueError, match="output_layer"):
            SSLEncoder(config=tiny_named("whisper").settings, output_layer=layer)

    def test_reset_final_norm(self, tiny):
        if tiny.name in ("wav2vec2-layer", "hubert-layer", "wavlm-layer", "whisper"):
            encoder = SSLEncoder(config=tiny.settings, reset_final_norm=True)
            norm = encoder.family.final_norm(encoder.model)
            norm.weight.data.fill_(3.0)
            encoder._reset_final_norm()
            assert torch.equal(norm.weight, torch.ones(32))
            assert torch.equal(norm.bias, torch.zeros(32))
        else:
            with pytest.raises(ValueError, match="no LayerNorm after its last"):
                SSLEncoder(config=tiny.settings, reset_final_norm=True)


class TestGradients:
    def gradients(self, encoder, waves, pad):
        features, _ = encoder.train()(*pad(waves([4000, 2500])))
        # uneven weights: a LayerNorm makes plain sums constant
        (features * torch.linspace(-1, 1, features.shape[-1]).sin()).sum().backward()
        return {n: p.grad for n, p in encoder.named_parameters()}

    def test_freeze_keeps_everything_still(self, tiny, waves, pad):
        drop = "dropout" if tiny.is_whisper else "hidden_dropout"
        encoder = build(tiny, freeze=True, config_overrides={drop: 0.5}).train()
        assert encoder.training and not encoder.model.training
        features, _ = encoder(*pad(waves([4000, 2500])))
        again, _ = encoder(*pad(waves([4000, 2500])))
        assert not features.requires_grad
        assert torch.equal(features, again)
        assert not any(p.requires_grad for p in encoder.parameters())

    def test_frozen_extractor_gets_no_gradient(self, tiny, waves, pad):
        expected = self.gradients(build(tiny), waves, pad)
        for kwargs in ({"freeze_feature_extractor": True}, {"feature_grad_mult": 0}):
            encoder = build(tiny, **kwargs, gradient_checkpointing=True)
            got = self.gradients(encoder, waves, pad)
            assert any(m.training for m in encoder.model.modules())
            for module in encoder.family.extractor(encoder.model):
                assert not module.training
            wav = torch.randn(1, 800, requires_grad=True)
            loss = encoder(wav)[0].sum()
            # no graph is kept through the convolutions
            assert torch.autograd.grad(loss, wav, allow_unused=True) == (None,)
            for name, grad in got.items():
                if is_extractor(name):
                    assert grad is None
                elif expected[name] is not None:
                    torch.testing.assert_close(grad, expected[name])

    def test_feature_grad_mult_scales_the_extractor_alone(self, tiny, waves, pad):
        expected = self.gradients(build(tiny), waves, pad)
        got = self.gradients(build(tiny, feature_grad_mult=0.1), waves, pad)
        assert any(is_extractor(name) for name in got)
        for name, grad in expected.items():
            if grad is not None:
                scale = 0.1 if is_extractor(name) else 1.0
                torch.testing.assert_close(got[name], scale * grad)

    def test_feature_grad_mult_keeps_the_values(self, tiny, waves):
        wave = waves([4000])[0][None]
        expected = build(tiny)(wave)[0]
        assert torch.equal(build(tiny, feature_grad_mult=0.1)(wave)[0], expected)

    def test_checkpointing_gives_the_same_gradients(self, tiny, waves, pad):
        expected = self.gradients(build(tiny), waves, pad)
        encoder = build(tiny, gradient_checkpointing=True)
        calls = count_recomputations(encoder.model)
        got = self.gradients(encoder, waves, pad)
        assert calls["forward"] == 2  # once more in the backward pass
        for name, grad in expected.items():
            if grad is not None:
                torch.testing.assert_close(got[name], grad)

    def test_two_forwards_before_one_backward(self, tiny_named, waves, pad):
        """Checkpoints remember their own lengths, not those of the last batch."""
        tiny = tiny_named("wav2vec2-group")
        first, second = pad(waves([4000, 2500])), pad(waves([3000, 600], seed=1))
        grads = []
        for checkpointing in (False, True):
            encoder = build(tiny, gradient_checkpointing=checkpointing).train()
            loss = (encoder(*first)[0][..., :5]).square().sum()
            loss = loss + (encoder(*second)[0][..., 5:]).square().sum()
            loss.backward()
            grads.append([p.grad for p in encoder.parameters() if p.grad is not None])
        assert grads[0]
        for plain, checkpointed in zip(*grads, strict=True):
            torch.testing.assert_close(checkpointed, plain, atol=1e-4, rtol=1e-4)

    def test_negative_grad_mult_is_an_error(self, tiny_named):
        with pytest.raises(ValueError, match="feature_grad_mult"):
            SSLEncoder(config=tiny_named("whisper").settings, feature_grad_mult=-1)


def is_extractor(name):
    return name.startswith(("model.feature_extractor.", "model.conv1.", "model.conv2."))


def count_recomputations(model):
    """Count how often the first convolution runs, or the first layer of Whisper."""
    calls = {"forward": 0}

    def count(module, inputs, output):
        calls["forward"] += 1

    if hasattr(model, "feature_extractor"):
        model.feature_extractor.conv_layers[0].conv.register_forward_hook(count)
    else:
        model.layers[0].fc1.register_forward_hook(count)
    return calls


class TestInputs:
    def test_short_row_is_an_error(self, tiny, waves, pad):
        encoder = build(tiny)
        with pytest.raises(ValueError, match="row 1 .* 399 samples; at least 400"):
            encoder(*pad(waves([4000, 399])))
        with pytest.raises(ValueError, match="row 0 .* 12 samples; at least 400"):
            encoder(torch.randn(1, 12))

    def test_minimum_length_works(self, tiny):
        features, frame_lens = build(tiny)(torch.randn(1, 400))
        assert features.shape[1] == frame_lens.item() == (2 if tiny.is_whisper else 1)
        assert features.isfinite().all()

    def test_silence_is_finite(self, tiny, pad):
        encoder = build(tiny)
        features, _ = encoder(*pad([torch.zeros(4000), torch.zeros(900)]))
        features.sum().backward()
        assert features.isfinite().all()
        assert all(
            p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None
        )

    @pytest.mark.parametrize(
        "wav", [torch.zeros(4000), torch.zeros(1, 4000).short(), torch.zeros(1, 1, 9)]
    )
    def test_wrong_shape_or_type_is_an_error(self, tiny_named, wav):
        with pytest.raises(ValueError, match="expected floats"):
            build(tiny_named("wav2vec2-layer"))(wav)

    def test_bfloat16_autocast(self, tiny, waves, pad):
        encoder = build(tiny)
        rows = waves([16001, 9000, 401])
        wav, wav_lens = pad(rows)
        with torch.no_grad():
            expected, expected_lens = encoder(wav, wav_lens)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                features, frame_lens = encoder(wav, wav_lens)
        assert frame_lens.tolist() == expected_lens.tolist()
        error = (features.float() - expected).square().mean().sqrt()
        assert error < 0.1 * expected.std()
        for row, frames in enumerate(frame_lens.tolist()):
            assert not features[row, frames:].any()


class TestConfig:
    def test_config_dict_rebuilds_the_same_encoder(self, tiny, waves):
        cut = build(tiny, num_layers=2)
        plain = json.loads(json.dumps(cut.config_dict()))
        assert plain == cut.config_dict()
        again = SSLEncoder(config=plain)
        assert again.config_dict() == plain
        again.load_state_dict(cut.state_dict())
        wave = waves([4000])[0][None]
        with torch.no_grad():
            assert torch.equal(again.eval()(wave)[0], cut(wave)[0])

    def test_declaration_rebuilds_what_the_detector_needs(self, tiny, waves):
        encoder = build(tiny, num_layers=2, output_layer=1, freeze=True)
        again = SSLEncoder(**encoder.declaration())
        again.load_state_dict(encoder.state_dict())
        wave = waves([4000])[0][None]
        with torch.no_grad():
            assert torch.equal(again.eval()(wave)[0], encoder(wave)[0])

    def test_config_dict_is_about_the_encoder(self, tiny):
        names = set(build(tiny).config_dict())
        assert "model_type" in names
        assert not names & {"transformers_version", "vocab_size", "mask_time_prob"}
        assert len(names) < 30

    def test_config_from_json_file(self, tiny_named, tmp_path):
        path = tmp_path / "arch.json"
        path.write_text(json.dumps(tiny_named("wavlm-layer").settings))
        assert SSLEncoder(config=str(path)).num_layers == 3

    def test_overrides(self, tiny_named):
        settings = tiny_named("hubert-group").settings
        encoder = SSLEncoder(config=settings, config_overrides={"layerdrop": 0.3})
        assert encoder.config_dict()["layerdrop"] == 0.3
        with pytest.raises(ValueError, match="layer_drop.*layerdrop"):
            SSLEncoder(config=settings, config_overrides={"layer_drop": 0.3})

    def test_specaugment_is_off(self, tiny):
        config = SSLEncoder(
            config={**tiny.settings, "mask_time_prob": 0.5, "apply_spec_augment": True}
        ).model.config
        assert config.mask_time_prob == config.mask_feature_prob == 0.0
        assert not config.apply_spec_augment

    @pytest.mark.parametrize("kwargs", [{}, {"source": "a", "config": {}}])
    def test_exactly_one_of_source_and_config(self, kwargs):
        with pytest.raises(ValueError, match="exactly one of source"):
            SSLEncoder(**kwargs)

    def test_unknown_model_type_is_an_error(self):
        with pytest.raises(ValueError, match="'bert'; supported are wav2vec2"):
            SSLEncoder(config={"model_type": "bert"})

    @pytest.mark.parametrize("layers", [0, 4, True])
    def test_impossible_cut_is_an_error(self, tiny_named, layers):
        with pytest.raises(ValueError, match="the model has 1 to 3 layers"):
            SSLEncoder(config=tiny_named("whisper").settings, num_layers=layers)
