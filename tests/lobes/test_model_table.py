"""`docs/models.md` says what `lobes/models.py` says."""

import pytest
from helpers import ROOT

from lobes.model_table import count_parameters, models_page
from lobes.models import MODELS


def test_the_page_is_up_to_date():
    written = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert written == models_page(), "run python -m lobes.model_table > docs/models.md"


def test_a_row_for_each_model():
    rows = [line for line in models_page().splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows[2:]] == list(MODELS)


@pytest.mark.parametrize(
    ("name", "millions"),
    [("W2V-Small", 95), ("MMS-300M", 317), ("HuBERT-XL", 964), ("XLS-R-1B", 965)],
)
def test_sizes_are_those_of_the_paper_without_pre_training_heads(name, millions):
    assert 0.99 < count_parameters(MODELS[name]) / 1e6 / millions < 1
