"""The table of models: shapes of the real ones, without allocating their weights."""

import json
import re
from pathlib import Path

import pytest
import torch

from lobes import pretrained
from lobes.fairseq_import import fairseq_name
from lobes.models import DETECTOR_LICENCE, MODELS, find_model

REAL = json.loads(
    (Path(__file__).parent / "checkpoints" / "real_models.json").read_text()
)
# name in the original's code: name in the table
NAMES = {
    "w2v_small": "W2V-Small",
    "w2v_large": "W2V-Large",
    "mms_300m": "MMS-300M",
    "mms_1b": "MMS-1B",
    "xlsr_1b": "XLS-R-1B",
    "xlsr_2b": "XLS-R-2B",
    "hubert_large_ll60k": "HuBERT-Large",
    "hubert_xlarge_ll60k": "HuBERT-XL",
}
PRETRAINING = r"(mask_emb|quantizer|project_q|final_proj|label_embs_concat)\b"


def on_meta(info):
    with torch.device("meta"):
        return pretrained.build_model(pretrained.make_config(info.config()))


@pytest.mark.parametrize("original", NAMES)
class TestRealModels:
    def test_every_shape(self, original):
        real, info = REAL[original], find_model(NAMES[original])
        model = on_meta(info)
        assert type(model).__name__ == real["hf_class"]
        norm = info.settings["feat_extract_norm"]
        got = {
            f"m_ssl.model.{fairseq_name(name, norm)}": list(tensor.shape)
            for name, tensor in model.state_dict().items()
        }
        wanted = expand(real["checkpoint_keys"], real["encoder_layers"])
        head = {k: wanted.pop(k) for k in ("proj_fc.weight", "proj_fc.bias")}
        assert head["proj_fc.weight"] == [2, info.output_size]
        dropped = [k for k in wanted if re.match(rf"m_ssl\.model\.{PRETRAINING}", k)]
        assert len(wanted) + len(head) == real["n_tensors"]
        assert got == {k: v for k, v in wanted.items() if k not in dropped}

    def test_every_setting(self, original):
        real, info = REAL[original], find_model(NAMES[original])
        config = pretrained.make_config(info.config()).to_dict()
        for key, value in real["hf_config"].items():
            got = config[key]
            assert (list(got) if isinstance(got, tuple) else got) == value, key
        assert info.feature_grad_mult == real["feature_grad_mult"]
        assert info.num_layers == real["encoder_layers"]


def expand(keys, layers):
    """Write `layers.{i}` out for every layer."""
    return {
        key.replace("{i}", str(layer)): shape
        for key, shape in keys.items()
        for layer in (range(layers) if "{i}" in key else range(1))
    }


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("XLS-R-300M", 315.4),
        ("HuBERT-Base", 94.4),
        ("WavLM-Base", 94.4),
        ("WavLM-Base+", 94.4),
        ("WavLM-Large", 315.5),
    ],
)
def test_sizes_of_the_other_models(name, millions):
    count = sum(p.numel() for p in on_meta(find_model(name)).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.1)


def test_models_of_the_same_shapes_have_the_same_settings():
    """Or an import without settings could not choose between them."""
    dropouts = re.compile(r".*dropout|layerdrop")
    by_shape = {}
    for info in MODELS.values():
        shape = {k: v for k, v in info.config().items() if not dropouts.fullmatch(k)}
        twin = by_shape.setdefault(json.dumps(shape, sort_keys=True), info)
        assert twin.config() == info.config()
        assert twin.feature_grad_mult == info.feature_grad_mult


def test_a_config_is_a_copy():
    config = find_model("W2V-Small").config()
    config["conv_dim"][0] = 1
    assert find_model("W2V-Small").config()["conv_dim"][0] == 512
    assert find_model("HuBERT-Base").config()["conv_dim"][0] == 512


class TestFind:
    @pytest.mark.parametrize("info", MODELS.values(), ids=MODELS)
    def test_by_any_of_its_names(self, info):
        assert find_model(info.name) is info
        assert find_model(info.name.lower()) is info
        assert find_model(info.hub_id) is info
        if info.fairseq_file:
            assert find_model(info.fairseq_file) is info
        for detector in info.detector_ids:
            assert find_model(detector) is info

    def test_the_seven_with_released_detectors(self):
        released = [m.name for m in MODELS.values() if m.detector_ids]
        assert len(released) == 7
        assert find_model("MMS-300M").detector_ids == (
            "nii-yamagishilab/mms-300m-anti-deepfake",
            "nii-yamagishilab/mms-300m-anti-deepfake-nda",
        )
        assert DETECTOR_LICENCE == "cc-by-nc-sa-4.0"

    def test_an_unknown_name_lists_the_known(self):
        with pytest.raises(ValueError, match=r"'w2v'.*W2V-Small.*HuBERT-XL.*WavLM"):
            find_model("w2v")
