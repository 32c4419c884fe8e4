"""The pre-trained models that the recipe knows, in one table.

Architectures and dropouts are those of pre-training, which post-training starts
from: fairseq's (https://github.com/facebookresearch/fairseq, ``examples/wav2vec``,
``examples/hubert``, ``examples/mms``) and, for WavLM, UniSpeech's
(https://github.com/microsoft/UniSpeech). The configurations on the Hugging Face hub
agree in all that changes the features, but often carry the dropouts of a fine-tuning
for speech recognition. Licences are those that the hub's model cards state.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Licence of the released detectors, and so of whatever is trained from them.
DETECTOR_LICENCE = "cc-by-nc-sa-4.0"

# Every model: 16 kHz in, a frame each 20 ms out.
_COMMON = {
    "hidden_act": "gelu",
    "feat_extract_activation": "gelu",
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
    "layer_norm_eps": 1e-5,
    "activation_dropout": 0.0,
}
# Group norm in the extractor, post-LN transformer.
_BASE = {
    **_COMMON,
    "feat_extract_norm": "group",
    "do_stable_layer_norm": False,
    "conv_bias": False,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_dropout": 0.1,
    "attention_dropout": 0.1,
    "feat_proj_dropout": 0.1,
    "layerdrop": 0.05,
}
# Layer norm in the extractor, pre-LN transformer.
_LARGE = {
    **_COMMON,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": False,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "layerdrop": 0.0,
}
_1B = {
    **_LARGE,
    "hidden_size": 1280,
    "num_hidden_layers": 48,
    "intermediate_size": 5120,
}
_2B = {**_1B, "hidden_size": 1920, "intermediate_size": 7680}
# What sets the large wav2vec 2.0 models apart from HuBERT.
_W2V = {"conv_bias": True}
_W2V_INPUT_DROPOUT = {**_W2V, "feat_proj_dropout": 0.1}


@dataclass(frozen=True, eq=False)
class ModelInfo:
    """A pre-trained model.

    Arguments
    ---------
    name : str
        What people call it, e.g. ``MMS-300M``.
    family : str
        ``wav2vec2``, ``hubert`` or ``wavlm``: the ``model_type`` of transformers.
    hub_id : str
        Where the Hugging Face hub has it.
    licence : str
        Of the weights, as an identifier of the hub.
    settings : mapping
        The architecture; see :meth:`config`.
    fairseq_file : str, optional
        Name of the pre-training checkpoint that ``lobes.fairseq_import`` reads.
    feature_grad_mult : float
        Factor on the gradient of the convolution stack, an argument of
        ``lobes.ssl.SSLEncoder``.
    detector_id : str, optional
        Hub id of the detector that AntiDeepfake released.
    batch_seconds : float
        Recommended length of a training batch, in seconds of audio, on one GPU.

    Example
    -------
    >>> info = find_model("HuBERT-XL")
    >>> info.hub_id, info.num_layers, info.output_size
    ('facebook/hubert-xlarge-ll60k', 48, 1280)
    """

    name: str
    family: str
    hub_id: str
    licence: str
    settings: Mapping[str, Any]
    fairseq_file: str | None = None
    feature_grad_mult: float = 1.0
    detector_id: str | None = None
    batch_seconds: float = 100.0

    @property
    def output_size(self) -> int:
        """Size of a frame."""
        return self.settings["hidden_size"]

    @property
    def num_layers(self) -> int:
        """Number of transformer layers."""
        return self.settings["num_hidden_layers"]

    @property
    def detector_ids(self) -> tuple[str, ...]:
        """Hub ids of the released detectors: with RawBoost, and without (``-nda``)."""
        if self.detector_id is None:
            return ()
        return self.detector_id, f"{self.detector_id}-nda"

    def config(self) -> dict[str, Any]:
        """Give the architecture as ``lobes.ssl.SSLEncoder(config=...)`` takes it.

        Returns
        -------
        dict
            In the terms of transformers, ``model_type`` first; a copy.
        """
        return {"model_type": self.family, **copy.deepcopy(dict(self.settings))}


_MODELS = (
    ModelInfo(
        name="W2V-Small",
        family="wav2vec2",
        hub_id="facebook/wav2vec2-base",
        licence="apache-2.0",
        settings=_BASE,
        fairseq_file="wav2vec_small.pt",
        feature_grad_mult=0.1,
        detector_id="nii-yamagishilab/wav2vec-small-anti-deepfake",
    ),
    ModelInfo(
        name="W2V-Large",
        family="wav2vec2",
        hub_id="facebook/wav2vec2-large-robust",
        licence="apache-2.0",
        settings={**_LARGE, **_W2V},
        fairseq_file="w2v_large_lv_fsh_swbd_cv.pt",
        detector_id="nii-yamagishilab/wav2vec-large-anti-deepfake",
    ),
    ModelInfo(
        name="MMS-300M",
        family="wav2vec2",
        hub_id="facebook/mms-300m",
        licence="cc-by-nc-4.0",
        settings={**_LARGE, **_W2V},
        fairseq_file="base_300m.pt",
        detector_id="nii-yamagishilab/mms-300m-anti-deepfake",
    ),
    ModelInfo(
        name="MMS-1B",
        family="wav2vec2",
        hub_id="facebook/mms-1b",
        licence="cc-by-nc-4.0",
        settings={**_1B, **_W2V_INPUT_DROPOUT},
        fairseq_file="base_1b.pt",
        detector_id="nii-yamagishilab/mms-1b-anti-deepfake",
    ),
    ModelInfo(
        name="XLS-R-300M",
        family="wav2vec2",
        hub_id="facebook/wav2vec2-xls-r-300m",
        licence="apache-2.0",
        settings={**_LARGE, **_W2V},
        fairseq_file="xlsr2_300m.pt",
    ),
    ModelInfo(
        name="XLS-R-1B",
        family="wav2vec2",
        hub_id="facebook/wav2vec2-xls-r-1b",
        licence="apache-2.0",
        settings={**_1B, **_W2V_INPUT_DROPOUT},
        fairseq_file="xlsr2_960m_1000k.pt",
        detector_id="nii-yamagishilab/xls-r-1b-anti-deepfake",
    ),
    ModelInfo(
        name="XLS-R-2B",
        family="wav2vec2",
        hub_id="facebook/wav2vec2-xls-r-2b",
        licence="apache-2.0",
        settings={**_2B, **_W2V_INPUT_DROPOUT},
        fairseq_file="xlsr2_2B_1000k.pt",
        detector_id="nii-yamagishilab/xls-r-2b-anti-deepfake",
        batch_seconds=50.0,
    ),
    ModelInfo(
        name="HuBERT-Base",
        family="hubert",
        hub_id="facebook/hubert-base-ls960",
        licence="apache-2.0",
        settings=_BASE,
        fairseq_file="hubert_base_ls960.pt",
        feature_grad_mult=0.1,
    ),
    ModelInfo(
        name="HuBERT-Large",
        family="hubert",
        hub_id="facebook/hubert-large-ll60k",
        licence="apache-2.0",
        settings=_LARGE,
        fairseq_file="hubert_large_ll60k.pt",
    ),
    ModelInfo(
        name="HuBERT-XL",
        family="hubert",
        hub_id="facebook/hubert-xlarge-ll60k",
        licence="apache-2.0",
        settings=_1B,
        fairseq_file="hubert_xtralarge_ll60k.pt",
        detector_id="nii-yamagishilab/hubert-xlarge-anti-deepfake",
    ),
    ModelInfo(
        name="WavLM-Base",
        family="wavlm",
        hub_id="microsoft/wavlm-base",
        licence="cc-by-sa-3.0",
        settings=_BASE,
        feature_grad_mult=0.1,
    ),
    ModelInfo(
        name="WavLM-Base+",
        family="wavlm",
        hub_id="microsoft/wavlm-base-plus",
        licence="cc-by-sa-3.0",
        settings=_BASE,
        feature_grad_mult=0.1,
    ),
    ModelInfo(
        name="WavLM-Large",
        family="wavlm",
        hub_id="microsoft/wavlm-large",
        licence="cc-by-sa-3.0",
        settings=_LARGE,
    ),
)

#: All known models by name, smallest of each series first.
MODELS: dict[str, ModelInfo] = {model.name: model for model in _MODELS}


def find_model(name: str) -> ModelInfo:
    """Look a model up.

    Arguments
    ---------
    name : str
        Its name, hub id, fairseq file name, or the hub id of a detector released
        for it; case does not matter.

    Returns
    -------
    ModelInfo
        The row of the table.

    Raises
    ------
    ValueError
        If there is none; lists the names.

    Example
    -------
    >>> find_model("mms-300m").hub_id
    'facebook/mms-300m'
    >>> find_model("nii-yamagishilab/xls-r-2b-anti-deepfake-nda").batch_seconds
    50.0
    """
    for model in MODELS.values():
        known = (model.name, model.hub_id, model.fairseq_file, *model.detector_ids)
        if name.lower() in {key.lower() for key in known if key}:
            return model
    raise ValueError(
        f"'{name}' is no known model; known are {', '.join(MODELS)} (or their hub "
        "ids). For another one give its architecture as a JSON file."
    )
