"""The model card of a detector folder: what it is, what it is made from, its licence.

The card is a `README.md` with the front matter of the Hugging Face hub. Its lineage is
a list of facts, `- name: value`. A detector that was started from another one repeats
the facts of that one, indented, so the whole descent can be read in the last card.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.manifest import LABELS, UNKNOWN
from lobes.models import DETECTOR_LICENCE, MODELS, ModelInfo
from recipes.AntiDeepfake.calibration import Calibration
from recipes.AntiDeepfake.training_data import (
    COPY_OF,
    RELEASED,
    STARTED_FROM,
    TRAINING_DATA,
    corpora_of,
    public_name,
)

__all__ = ["CARD", "calibrated_card", "model_card", "released_card", "with_sections"]

CARD = "README.md"

LICENCE = "licence"  # looked up before it is written

#: What the released detectors were post-trained on (56,371 hours of genuine speech and
#: 18,282 of speech with artifacts), by their model cards.
RELEASED_CORPORA = (
    "AISHELL-3, ASVspoof 2019 LA, ASVspoof 2021 LA and DF, ASVspoof 5, CFAD, "
    "CN-Celeb2, CVoiceFake, CodecFake (Wu et al.), Codecfake (Xie et al.), DECRO, "
    "DFADD, Diffuse or Confuse, DiffSSD, DSD, FLEURS, FLEURS-R, HABLA, LibriTTS, "
    "LibriTTS-R, LibriTTS-Vocoded, LJSpeech, MLAAD v5, MLS, SpoofCeleb, VoiceMOS, "
    "VoxCeleb2, VoxCeleb2-Vocoded, WaveFake"
)

_TEMPLATE = """---
library_name: speechbrain
pipeline_tag: audio-classification
{licence}tags:
- deepfake-detection
- anti-spoofing
---

# Deepfake speech detector

Tells genuine speech from synthesised, converted, vocoded or coded speech. A score is
`logit[real] - logit[fake]`: the higher, the more genuine. Choose a threshold on data
like yours: 0, equal probability, says little about speech from elsewhere.

## Lineage

{facts}

## Use

With SpeechBrain, transformers, safetensors and soundfile installed:

```python
from speechbrain.inference.interfaces import foreign_class

detector = foreign_class(
    source="<this folder, or its id on a hub>",
    pymodule_file="custom_interface.py",
    classname="DeepfakeDetector",
)
print(detector.score_file("speech.wav"))
```

or, in the repository that made it, with `DeepfakeDetector.from_hparams(source=...)` of
`recipes.AntiDeepfake.interface`. `train.py ... --init_from <this folder>` trains on.
"""


def model_card(
    facts: Mapping[str, object], counted: Mapping[str, Mapping] | None = None
) -> str:
    """Write the model card of a detector.

    Arguments
    ---------
    facts : dict
        Name and value, line by line. `licence` (an identifier of the hub) also goes
        to the front matter; of the manifests in `training data` the corpora are
        listed; the lineage of the detector folder in `started from` is repeated, and
        its licence holds on. The facts of the one in `copy of` are taken as they are.
        Files are named without the folders of this machine, see `public_name`.
    counted : dict, optional
        What `training_data.corpora_of` gave for `training data`, if that is known: to
        count them again takes minutes for millions of rows.

    Returns
    -------
    str
        Markdown.

    Example
    -------
    >>> "- stage: demo" in model_card({"stage": "demo"})
    True
    """
    lines = []
    for name, value in facts.items():
        if name == COPY_OF:
            lines += _lineage(str(value)) or [f"- {name}: {public_name(value)}"]
            continue
        lines.append(f"- {name}: {public_name(value)}")
        if name == STARTED_FROM and value:
            lines += [f"  {line}" for line in _lineage(str(value))]
        if name == TRAINING_DATA:
            known = corpora_of(value) if counted is None else counted
            lines += [f"  - {corpus}" for corpus in _corpora(value, known)]
    # The one that was inherited, if no other is given.
    licences = re.findall(rf"^ *- {LICENCE}: (\S+)", "\n".join(lines), re.MULTILINE)
    licence = f"license: {licences[0]}\n" if licences else ""
    return _TEMPLATE.format(licence=licence, facts="\n".join(lines))


def released_card(source: str, model: ModelInfo | None) -> dict[str, object]:
    """Facts of a detector that AntiDeepfake released.

    Arguments
    ---------
    source : str
        What it was converted from.
    model : ModelInfo, optional
        The SSL model that it was trained from, if known.

    Returns
    -------
    dict
        For `model_card`.
    """
    trained_from = "unknown SSL model"
    if model is not None:
        trained_from = f"{model.name} ({model.hub_id}, {model.licence})"
    return {
        "stage": "post-training (AntiDeepfake, https://arxiv.org/abs/2506.21090)",
        "SSL model": trained_from,
        RELEASED: RELEASED_CORPORA,
        "converted from": source,
        LICENCE: DETECTOR_LICENCE,
    }


def calibrated_card(card: str, calibration: Calibration) -> str:
    """Write into a model card what the scores mean; what it said before is replaced.

    Arguments
    ---------
    card : str
        What `model_card` wrote.
    calibration : Calibration
        The calibration in the folder.

    Returns
    -------
    str
        Markdown.

    Example
    -------
    >>> card = calibrated_card(model_card({}), Calibration(0.5, -1.0))
    >>> "llr = 0.5 * score - 1\\n" in card
    True
    """
    # No list: the facts of a card are its lists, and are handed down.
    data = calibration.fitted_on
    file = public_name(data.get("file", "unknown"))
    lines = [
        "## Calibration",
        "",
        f"Fitted on {data.get('real', 0)} real and {data.get('fake', 0)} fake trials "
        f"(`{file}`), for a prior of {calibration.prior:g}; "
        "details in `calibration.json`. It holds for audio like these:",
        "",
        f"    llr = {calibration.formula()}",
        "",
    ]
    if calibration.operating_points:
        lines += ["| operating point | threshold on the score | FPR | FNR |"]
        lines += ["|---|---|---|---|"]
        lines += [
            f"| `{name}` | {point.threshold:.4g} | {point.fpr:.4g} | {point.fnr:.4g} |"
            for name, point in calibration.operating_points.items()
        ]
        lines.append("")
    without = re.sub(r"(?ms)^## Calibration\n.*?(?=^## |\Z)", "", card)
    return without.rstrip("\n") + "\n\n" + "\n".join(lines)


def with_sections(card: str, older: str) -> str:
    """Add to a model card the sections that an older one has and it has not.

    Arguments
    ---------
    card, older : str
        Markdown.

    Returns
    -------
    str
        Markdown.

    Example
    -------
    >>> with_sections("## Use\\n\\nnew\\n", "## Use\\n\\nold\\n\\n## Notes\\n")
    '## Use\\n\\nnew\\n\\n## Notes\\n'
    """
    titles = re.findall(r"(?m)^## .*$", card)
    sections = re.findall(r"(?ms)^## .*?(?=^## |\Z)", older)
    others = [text for text in sections if text.splitlines()[0] not in titles]
    return "\n\n".join([card.rstrip("\n"), "".join(others)]) if others else card


def _lineage(source: str) -> list[str]:
    """The facts of what training was started from; none if nothing is known of it."""
    card = Path(source) / CARD
    if card.is_file():
        text = card.read_text("utf-8").partition("## Lineage\n")[2]
        lines = text.partition("\n## ")[0].splitlines()
        # Cards of before named files by their place on that machine.
        facts = (line.partition(": ") for line in lines if line.lstrip()[:2] == "- ")
        return [f"{name}: {public_name(value)}" for name, _, value in facts if value]
    for model in MODELS.values():
        if source.rstrip("/") in model.detector_ids:
            facts = released_card(source, model)
            return [f"- {name}: {value}" for name, value in facts.items()]
    return []


def _corpora(
    manifests: str | Path | Sequence[str | Path], counted: Mapping[str, Mapping]
) -> list[str]:
    """What is in manifests, a line for each corpus; nothing if they are not there."""
    paths = [manifests] if isinstance(manifests, (str, Path)) else list(manifests)
    if not all(Path(path).is_file() for path in paths):
        return []
    lines = []
    for name, splits in counted.items():
        real, fake = (sum(s[label] for s in splits.values()) for label in LABELS)
        name = "unnamed corpus" if name == UNKNOWN else name
        lines.append(f"{name}: {real} real, {fake} fake")
    return lines
