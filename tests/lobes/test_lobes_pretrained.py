"""Loading of published weights: complete, or an error that names the tensor."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from lobes import pretrained
from lobes.ssl import SSLEncoder


def assert_same_weights(encoder, reference):
    expected = reference.state_dict()
    got = encoder.model.state_dict()
    assert got.keys() == {k for k in expected if k in got}
    for name, tensor in got.items():
        assert torch.equal(tensor, expected[name]), name


def edit_weights(folder, edit):
    path = folder / "model.safetensors"
    state = load_file(path)
    edit(state)
    save_file(state, path, metadata={"format": "pt"})


class TestLayouts:
    def test_encoder_folder(self, tiny, tmp_path):
        encoder = SSLEncoder(tiny.save(tmp_path))
        assert encoder.num_layers == 3
        assert_same_weights(encoder, tiny.reference)
        assert all(p.requires_grad for p in trainable(encoder))
        assert encoder.training and encoder.model.training

    @pytest.mark.parametrize("name", ["wav2vec2-group", "wav2vec2-layer", "whisper"])
    def test_folder_as_published(self, tiny_named, tmp_path, name):
        tiny = tiny_named(name)
        folder = tiny.save_published(tmp_path)
        names = load_file(folder / "model.safetensors").keys()
        dropped = "model.decoder." if tiny.is_whisper else "quantizer."
        assert any(n.startswith(dropped) for n in names)
        assert_same_weights(SSLEncoder(str(folder)), tiny.reference)

    def test_cut_accepts_the_layers_beyond_it(self, tiny, tmp_path):
        encoder = SSLEncoder(tiny.save(tmp_path), num_layers=1)
        assert encoder.num_layers == 1
        assert len(encoder.family.layers(encoder.model)) == 1
        assert_same_weights(encoder, tiny.reference)

    def test_pickled_weights_with_the_old_names_of_weight_norm(
        self, tiny_named, tmp_path
    ):
        tiny = tiny_named("hubert-layer")
        state = load_file(tiny.save(tmp_path) / "model.safetensors")
        (tmp_path / "model.safetensors").unlink()
        weight = "encoder.pos_conv_embed.conv.parametrizations.weight.original"
        old = weight.replace("parametrizations.weight.original", "weight_")
        for new_suffix, old_suffix in (("0", "g"), ("1", "v")):
            state[old + old_suffix] = state.pop(weight + new_suffix)
        torch.save(state, tmp_path / "pytorch_model.bin")
        assert_same_weights(SSLEncoder(tmp_path), tiny.reference)

    def test_sharded_weights(self, tiny_named, tmp_path):
        tiny = tiny_named("wavlm-group")
        tiny.reference.save_pretrained(tmp_path, max_shard_size="20KB")
        assert (tmp_path / "model.safetensors.index.json").is_file()
        assert_same_weights(SSLEncoder(tmp_path), tiny.reference)

    def test_half_precision_file_is_upcast(self, tiny_named, tmp_path):
        tiny = tiny_named("wav2vec2-layer")
        folder = tiny.save(tmp_path)

        def halve(state):
            state.update({name: tensor.half() for name, tensor in state.items()})

        edit_weights(folder, halve)
        config = json.loads((folder / "config.json").read_text())
        config["dtype"] = config["torch_dtype"] = "float16"
        (folder / "config.json").write_text(json.dumps(config))
        encoder = SSLEncoder(folder)
        assert {p.dtype for p in encoder.parameters()} == {torch.float32}

    def test_architecture_only_needs_no_weights(self, tiny_named, tmp_path):
        tiny_named("whisper").save(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        encoder = SSLEncoder(tmp_path, num_layers=2, architecture_only=True)
        assert encoder.num_layers == 2

    def test_model_survives_the_file(self, tiny_named, tmp_path):
        """The weights are a copy: the file may be rewritten while they are used."""
        tiny = tiny_named("whisper")
        encoder = SSLEncoder(tiny.save(tmp_path))
        (tmp_path / "model.safetensors").write_bytes(b"")
        assert_same_weights(encoder, tiny.reference)


def trainable(encoder):
    """All parameters but Whisper's fixed sinusoids."""
    return [p for n, p in encoder.named_parameters() if "embed_positions" not in n]


class TestStrictness:
    def test_missing_tensor(self, tiny, tmp_path):
        name = next(
            n
            for n in tiny.reference.state_dict()
            if n.endswith("fc1.weight") or n.endswith("intermediate_dense.weight")
        )
        edit_weights(tiny.save(tmp_path), lambda state: state.pop(name))
        with pytest.raises(ValueError, match=f"missing: {name}"):
            SSLEncoder(tmp_path)

    def test_left_over_tensor(self, tiny, tmp_path):
        name = "encoder.layers.0.surprise"
        edit_weights(
            tiny.save(tmp_path), lambda state: state.update({name: torch.zeros(2)})
        )
        with pytest.raises(ValueError, match=f"left over: {name}"):
            SSLEncoder(tmp_path)

    def test_layer_that_the_config_does_not_know(self, tiny, tmp_path):
        def add_layer(state):
            layer = {k: v for k, v in state.items() if "layers.2." in k}
            layer = {k: v for k, v in layer.items() if "pos_conv" not in k}
            copies = {k.replace("layers.2", "layers.3"): v for k, v in layer.items()}
            state.update({k: v.clone() for k, v in copies.items()})

        edit_weights(tiny.save(tmp_path), add_layer)
        for num_layers in (None, 2):
            with pytest.raises(ValueError, match=r"left over: .*layers\.3\..* more"):
                SSLEncoder(tmp_path, num_layers=num_layers)

    def test_wrong_shape(self, tiny, tmp_path):
        name = next(n for n in tiny.reference.state_dict() if n.endswith("q_proj.bias"))
        edit_weights(
            tiny.save(tmp_path), lambda state: state.update({name: torch.zeros(31)})
        )
        with pytest.raises(ValueError, match=rf"wrong shape: {name} \(\[31\] in the"):
            SSLEncoder(tmp_path)

    def test_decoder_is_known_for_whisper_only(self, tiny_named, tmp_path):
        folder = tiny_named("hubert-group").save(tmp_path)
        edit_weights(
            folder, lambda s: s.update({"head_of_someone.weight": torch.zeros(1)})
        )
        with pytest.raises(ValueError, match="left over: head_of_someone.weight"):
            SSLEncoder(folder)


class TestSource:
    def test_folder_without_config(self, tmp_path):
        (tmp_path / "weights.bin").touch()
        with pytest.raises(FileNotFoundError, match="without config.json.*weights.bin"):
            SSLEncoder(tmp_path)

    def test_folder_without_weights(self, tiny_named, tmp_path):
        tiny_named("whisper").save(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        with pytest.raises(FileNotFoundError, match="no weights.*model.safetensors"):
            SSLEncoder(tmp_path)

    def test_missing_folder_never_asks_the_hub(self, monkeypatch, tmp_path):
        monkeypatch.setattr(pretrained, "cached_file", lambda *a, **k: pytest.fail())
        with pytest.raises(FileNotFoundError, match="no folder here.*--ssl_source"):
            SSLEncoder(tmp_path / "absent")

    def test_unreachable_hub(self, monkeypatch):
        def offline(*args, **kwargs):
            raise OSError("We couldn't connect to the hub\nand more")

        monkeypatch.setattr(pretrained, "cached_file", offline)
        with pytest.raises(OSError) as error:
            SSLEncoder("someone/some-model")
        message = str(error.value)
        assert "neither a local folder with config.json nor" in message
        assert "We couldn't connect to the hub)" in message
        assert "`hf download someone/some-model --local-dir FOLDER`" in message
        assert "--ssl_source FOLDER" in message


def test_an_alias_in_a_published_config_does_not_undo_a_cut():
    # As in the config.json of openai/whisper-tiny.en.
    settings = {"model_type": "whisper", "encoder_layers": 3, "num_hidden_layers": 3}
    sizes = {"d_model": 8, "encoder_attention_heads": 2, "encoder_ffn_dim": 8}
    encoder = SSLEncoder(config={**settings, **sizes}, num_layers=2)
    assert encoder.num_layers == len(encoder.model.layers) == 2
    assert encoder.config_dict()["encoder_layers"] == 2
