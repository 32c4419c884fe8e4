"""Published figures beside one's own."""

import pytest

from lobes.models import MODELS
from recipes.AntiDeepfake.card import model_card, released_card
from recipes.AntiDeepfake.published import published_rates, ssl_model_name

ZERO_SHOT = ["ADD2023", "DEEP-VOICE", "FoR-original", "FoR-norm", "In-the-Wild"]
LENGTHS = ["4s", "10s", "13s", "30s", "50s"]


@pytest.mark.parametrize("corpus", [*ZERO_SHOT, "Deepfake-Eval-2024"])
def test_seven_models_with_and_without_rawboost(corpus):
    found = published_rates(f"test_{corpus}")
    assert len(found) == len({(row.model, row.stage) for row in found}) == 14
    assert {row.model for row in found} <= set(MODELS)
    assert all(0 < row.eer < 0.5 for row in found)


@pytest.mark.parametrize("length", LENGTHS)
def test_five_models_fine_tuned_at_each_length(length):
    found = published_rates(f"test_Deepfake-Eval-2024_{length}")
    assert len(found) == 10
    best = min(found, key=lambda row: row.eer)
    assert best.stage == "post-trained, fine-tuned"


def test_a_known_figure():
    (row,) = [
        row
        for row in published_rates("test_Deepfake-Eval-2024_50s", "XLS-R-1B")
        if row.stage == "post-trained, fine-tuned"
    ]
    assert row.eer == pytest.approx(0.0829)


def test_other_sets_have_none():
    assert published_rates("target_test") == []


def test_the_model_of_a_released_detector():
    hub_id = "nii-yamagishilab/xls-r-2b-anti-deepfake-nda"
    assert ssl_model_name(hub_id) == "XLS-R-2B"


@pytest.mark.parametrize("source", ["facebook/mms-300m", "/models/mms-300m"])
def test_the_model_in_a_card(tmp_path, source):
    (tmp_path / "README.md").write_text(model_card({"SSL model": source}))
    assert ssl_model_name(tmp_path) == "MMS-300M"


def test_the_model_behind_a_fine_tuned_detector(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    card = released_card("x", MODELS["HuBERT-XL"])
    (first / "README.md").write_text(model_card(card))
    facts = {"SSL model": "/local/copy", "started from": first}
    (second / "README.md").write_text(model_card(facts))
    assert ssl_model_name(second) == "HuBERT-XL"


def test_an_unknown_model(tmp_path):
    (tmp_path / "README.md").write_text(model_card({"SSL model": "data/mini/ssl"}))
    assert ssl_model_name(tmp_path) is None
