"""The page about the models, `docs/models.md`, from the table in `lobes.models`.

python -m lobes.model_table > docs/models.md
"""

from __future__ import annotations

import torch

from lobes import pretrained
from lobes.models import DETECTOR_LICENCE, MODELS, ModelInfo

__all__ = ["count_parameters", "models_page"]

_COLUMNS = (
    *("name", "hub id", "licence", "dim", "layers", "parameters", "batch seconds"),
    *("fairseq checkpoint", "released detector"),
)
_PAGE = f"""# Pre-trained models

What `ssl_source` of an experiment can be; any other wav2vec 2.0, HuBERT, WavLM,
data2vec-audio or Whisper model in Hugging Face layout will do as well, by its hub id or
as a local folder.

- *dim*, *layers*: size of a frame and number of transformer layers.
- *parameters*: of the encoder, in millions, without those that only its pre-training
  needs; the paper counts these too.
- *batch seconds*: audio in a training batch on one GPU, `max_batch_length`.
- *fairseq checkpoint*: the pre-training file that `convert.py` and `--init_from` also
  read.
- *released detector*: post-trained by the authors of the paper, with RawBoost; the same
  name with `-nda` is without. Their licence is {DETECTOR_LICENCE}, and with it that of
  whatever is trained from them.

This page is made from `lobes/models.py`: `python -m lobes.model_table`.

{{table}}
"""


def count_parameters(model: ModelInfo) -> int:
    """Count the parameters of an encoder; nothing is downloaded or allocated.

    Arguments
    ---------
    model : ModelInfo
        A row of the table.

    Returns
    -------
    int

    Example
    -------
    >>> count_parameters(MODELS["HuBERT-Base"])
    94370944
    """
    with torch.device("meta"):
        built = pretrained.build_model(pretrained.make_config(model.config()))
    return sum(parameter.numel() for parameter in built.parameters())


def models_page() -> str:
    """Write the page.

    Returns
    -------
    str
        Markdown.
    """
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_cells, MODELS.values())]
    return _PAGE.format(table="\n".join(f"| {' | '.join(row)} |" for row in rows))


def _cells(model: ModelInfo) -> tuple[str, ...]:
    return (
        model.name,
        _link(model.hub_id),
        model.licence,
        str(model.output_size),
        str(model.num_layers),
        f"{count_parameters(model) / 1e6:.1f} M",
        f"{model.batch_seconds:g}",
        f"`{model.fairseq_file}`" if model.fairseq_file else "-",
        _link(model.detector_id) if model.detector_id else "-",
    )


def _link(hub_id: str) -> str:
    return f"[{hub_id}](https://huggingface.co/{hub_id})"


if __name__ == "__main__":
    print(models_page(), end="")
