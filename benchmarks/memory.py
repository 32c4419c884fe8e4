"""What training takes of a GPU's memory, counted without a GPU.

Run from the root of the repository (a few seconds; nothing is downloaded):

    python -m benchmarks.memory

prints, in GB (10^9 bytes), for the seven models of the paper: weights, gradients and
the two moments of AdamW, all float32; the copy of the weights that autocast makes for
fp16 or bf16; and what a batch of 100 s of audio keeps for the backward pass, without
and with gradient checkpointing (ckpt). `--seconds 50` takes another length, `--models
XLS-R-2B` other models of `lobes.models`.

    python -m benchmarks.memory --check

compares the formula with what PyTorch keeps for small models on the CPU.

Parameters are counted on models on the "meta" device, which have shapes but no
memory. The activations follow from the architecture. Let d be the size of a frame and
f that of the feed-forward layer, F the number of frames (50 in a second), b the bytes
of a number that matrix products save (4; 2 under fp16 or bf16), and no dropout, as in
the recipe. Kept are:

- for each convolution with C channels and F_i frames: its output, the output of the
  activation and, where there is a norm, the input of the activation: (2 or 3) C F_i b;
- for the input of the transformer: the projection's norm and product (8 or 4 + b) C F
  and, around the position convolution, b * 2 d F;
- for each transformer layer: the inputs of two norms, 2 * 4 d F (in float32 under
  autocast as well), the inputs of four matrix products, queries, keys and values,
  6 b d F, and the input and output of the activation, 2 b f F;
- with gradient checkpointing: the input of each convolution and each layer alone, and
  what the one layer that is being computed again needs.

Attention is taken to be one that does not keep its weights (PyTorch's
`scaled_dot_product_attention`, flash or memory-efficient). The formula for two bytes
has not been measured on a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lobes import pretrained
from lobes.models import find_model
from lobes.ssl import SSLEncoder

#: The seven models of the paper.
PAPER = (
    "W2V-Small",
    "W2V-Large",
    "MMS-300M",
    "MMS-1B",
    "HuBERT-XL",
    "XLS-R-1B",
    "XLS-R-2B",
)

_NO_DROPOUT = dict.fromkeys(
    ("hidden_dropout", "attention_dropout", "activation_dropout")
    + ("feat_proj_dropout", "layerdrop"),
    0.0,
)
_RATE = 16000
# Small models of both kinds: the base model's norms and those of all others.
_SMALL = {
    kind: {
        "model_type": "wav2vec2",
        "feat_extract_norm": kind,
        "do_stable_layer_norm": kind == "layer",
        "conv_bias": kind == "layer",
        "conv_dim": [64] * 7,
        "hidden_size": 96,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "intermediate_size": 384,
    }
    for kind in ("group", "layer")
}


@dataclass(frozen=True)
class Activations:
    """Bytes kept for the backward pass.

    Arguments
    ---------
    whole : int
        Without gradient checkpointing.
    checkpointed : int
        With it, while the costliest layer is computed again.
    kept : int
        With it, at the end of the forward pass.
    """

    whole: int
    checkpointed: int
    kept: int


def parameters(settings: dict) -> int:
    """Count the parameters of an encoder that takes no memory.

    Arguments
    ---------
    settings : dict
        As `lobes.models.ModelInfo.config` gives them.

    Returns
    -------
    int
    """
    with torch.device("meta"):
        model = pretrained.build_model(pretrained.make_config(settings))
    return sum(parameter.numel() for parameter in model.parameters())


def activations(settings: dict, seconds: float, width: int = 4) -> Activations:
    """Compute what a batch keeps, by the formula above.

    Arguments
    ---------
    settings : dict
        As `lobes.models.ModelInfo.config` gives them.
    seconds : float
        Audio in the batch, padding included.
    width : int
        Bytes of a number in a matrix product: 4, or 2 under fp16 and bf16.

    Returns
    -------
    Activations
    """
    config = pretrained.make_config(settings)
    samples = seconds * _RATE
    whole, kept, again = 0.0, 0.0, []
    for number, (channels, stride) in enumerate(
        zip(config.conv_dim, config.conv_stride, strict=True)
    ):
        samples /= stride
        normed = config.feat_extract_norm == "layer" or number == 0
        whole += (2 + normed) * channels * samples * width
        kept += channels * samples * width
        again.append((1 + normed) * channels * samples * width)
    size, inner = config.hidden_size, config.intermediate_size
    # The last convolution's output is counted above, as the norm's input.
    front = (width * config.conv_dim[-1] + 2 * width * size) * samples
    layer = (2 * 4 * size + 6 * width * size + 2 * width * inner) * samples
    again.append(layer)
    layers = config.num_hidden_layers
    kept += front + layers * 4 * size * samples
    whole += front + layers * layer
    return Activations(round(whole), round(kept + max(again)), round(kept))


def measured(settings: dict, seconds: float, checkpointing: bool = False) -> int:
    """Count what PyTorch keeps after the forward pass of an encoder, on this CPU.

    Arguments
    ---------
    settings : dict
        The architecture.
    seconds : float
        Audio in a batch of one.
    checkpointing : bool
        Whether to use gradient checkpointing.

    Returns
    -------
    int
        Bytes of all storages that are kept, weights and the waveform left out.
    """
    encoder = SSLEncoder(
        config=settings,
        config_overrides=_NO_DROPOUT,
        gradient_checkpointing=checkpointing,
    ).train()
    wav = torch.randn(1, int(seconds * _RATE))
    weights = {p.untyped_storage().data_ptr() for p in encoder.parameters()}
    weights.add(wav.untyped_storage().data_ptr())
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        encoder(wav)
    return sum(kept.values())


def print_table(models: Sequence[str], seconds: float) -> None:
    """Print the table of docs/scale.md."""
    names = ["model", "parameters", "weights", "gradients", "AdamW", "fp16 copy"]
    names += ["batch fp32", "fp16", "fp32 ckpt", "fp16 ckpt"]
    print("| " + " | ".join(names) + " |")
    print("|---" + "|---:" * (len(names) - 1) + "|")
    for name in models:
        settings = find_model(name).config()
        count = parameters(settings)
        full, half = (activations(settings, seconds, width) for width in (4, 2))
        sizes = [4 * count, 4 * count, 8 * count, 2 * count]
        sizes += [full.whole, half.whole, full.checkpointed, half.checkpointed]
        cells = [f"{size / 1e9:.1f}" for size in sizes]
        print(f"| {name} | {count / 1e6:.0f} M | {' | '.join(cells)} |")


def print_check(seconds: float = 10.0) -> None:
    """Compare formula and measurement for small models."""
    for kind, settings in _SMALL.items():
        expected = activations(settings, seconds)
        for checkpointing in (False, True):
            formula = expected.kept if checkpointing else expected.whole
            found = measured(settings, seconds, checkpointing)
            print(
                f"{kind} norm, checkpointing {'on' if checkpointing else 'off'}: "
                f"formula {formula / 1e6:.2f} MB, kept {found / 1e6:.2f} MB, "
                f"ratio {formula / found:.3f}"
            )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=PAPER)
    parser.add_argument("--seconds", type=float, default=100.0)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.check:
        print_check()
    else:
        print_table(arguments.models, arguments.seconds)


if __name__ == "__main__":
    main()
