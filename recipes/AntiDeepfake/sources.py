"""Where trained weights come from: detector folders, checkpoints, the hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import file_exists, hf_hub_download
from huggingface_hub.utils import HFValidationError
from speechbrain.utils.logger import get_logger

from lobes.checkpoint_file import CheckpointError, open_checkpoint
from lobes.classifiers import LinearClassifier
from lobes.detector import Detector
from lobes.fairseq_import import ImportedCheckpoint, load_into, read_checkpoint
from lobes.pooling import MeanPooling
from recipes.AntiDeepfake.card import CARD
from recipes.AntiDeepfake.export import HYPERPARAMS
from recipes.AntiDeepfake.weights import WEIGHTS, load_weights

__all__ = ["find_source", "init_weights", "load_checkpoint"]

logger = get_logger(__name__)

# A folder is searched for one file of such a kind.
_SUFFIXES = (".safetensors", ".ckpt", ".pt")


def find_source(source: str | Path) -> Path:
    """Find weights, on the hub if there is no such file or folder.

    Arguments
    ---------
    source : str or Path
        A checkpoint file, a detector folder, a folder with one checkpoint, or a hub
        id of either kind (`nii-yamagishilab/mms-300m-anti-deepfake`).

    Returns
    -------
    Path
        A detector folder, or a checkpoint file.

    Raises
    ------
    CheckpointError
        If there is nothing of the kind; says what was looked for.
    """
    path = Path(source)
    if path.is_file() or (path / HYPERPARAMS).is_file():
        return path
    if not path.is_dir():
        return _from_hub(str(source))
    found = [file for file in sorted(path.iterdir()) if file.suffix in _SUFFIXES]
    if len(found) == 1:
        return found[0]
    raise CheckpointError(
        f"{source}: a folder without {HYPERPARAMS} and with {len(found)} files of "
        f"weights ({', '.join(_SUFFIXES)}). Give a detector folder, or one file."
    )


def init_weights(detector: Detector, source: str | Path) -> None:
    """Start a detector from weights that were trained before (`--init_from`).

    Arguments
    ---------
    detector : lobes.detector.Detector
        Of the same architecture.
    source : str or Path
        See `find_source`. A detector gives all weights; a pre-training checkpoint of
        fairseq gives those of the encoder, and the rest stays as it is.

    Raises
    ------
    CheckpointError or WeightsError
        If there are no weights or they do not fit; nothing is loaded then.
    """
    path = find_source(source)
    if path.is_dir() or _is_ours(path):
        load_weights(detector, path)
    else:
        load_checkpoint(detector, read_checkpoint(path))


def load_checkpoint(detector: Detector, checkpoint: ImportedCheckpoint) -> None:
    """Give a detector the weights of a checkpoint of AntiDeepfake or fairseq.

    Arguments
    ---------
    detector : lobes.detector.Detector
        Of the same architecture.
    checkpoint : ImportedCheckpoint
        From `lobes.fairseq_import.read_checkpoint`. If it has no head, pooling and
        classifier stay as they are.

    Raises
    ------
    CheckpointError
        If the weights do not fit; nothing is loaded then.
    """
    logger.info(str(checkpoint))
    ours, theirs = detector.encoder.feature_grad_mult, checkpoint.feature_grad_mult
    if theirs not in (None, ours):
        logger.warning(
            f"{checkpoint.path}: it was trained with feature_grad_mult {theirs}, the "
            f"encoder has {ours}. To train as the original does, give it to "
            "SSLEncoder in the YAML."
        )
    if checkpoint.head is None:
        logger.info("It has no classifier: that one starts from random numbers.")
        load_into(detector.encoder, checkpoint)
        return
    _check_head(detector, checkpoint)
    load_into(detector.encoder, checkpoint)
    detector.classifier.load_state_dict(checkpoint.head)


def _check_head(detector: Detector, checkpoint: ImportedCheckpoint) -> None:
    """Raise unless pooling and classifier are those of the original."""
    pooling, classifier = detector.pooling, detector.classifier
    alike = isinstance(pooling, MeanPooling) and isinstance(
        classifier, LinearClassifier
    )
    if not alike or classifier.num_classes != len(checkpoint.head["linear.bias"]):
        raise CheckpointError(
            f"{checkpoint.path}: its head is one linear layer on the mean over frames, "
            f"but the detector has {type(pooling).__name__} and {classifier}. Nothing "
            "was loaded: use MeanPooling and LinearClassifier."
        )


def _is_ours(path: Path) -> bool:
    """Whether a file has the tensor names of a detector folder."""
    with open_checkpoint(path) as file:
        return any(name.startswith("encoder.model.") for name in file.tensors)


def _from_hub(source: str) -> Path:
    """Download a detector folder or a file of weights."""
    try:
        weights = Path(hf_hub_download(source, WEIGHTS))
        if file_exists(source, HYPERPARAMS):
            hf_hub_download(source, HYPERPARAMS)
            if file_exists(source, CARD):  # of which later cards repeat the facts
                hf_hub_download(source, CARD)
            return weights.parent
        return weights
    except (OSError, HFValidationError) as error:
        raise CheckpointError(
            f"{source}: no such file or folder, and nothing on the hub that can be "
            f"reached ({str(error).strip().splitlines()[0]}). Check the name; without "
            f"network, download {WEIGHTS} elsewhere and give the file."
        ) from None
