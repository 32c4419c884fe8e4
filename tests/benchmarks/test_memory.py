import pytest

from benchmarks.memory import _SMALL, PAPER, activations, measured, parameters
from lobes.models import find_model


@pytest.mark.parametrize("kind", _SMALL)
@pytest.mark.parametrize("checkpointing", [False, True], ids=["whole", "checkpointed"])
def test_formula_gives_what_is_kept(kind, checkpointing):
    expected = activations(_SMALL[kind], 4.0)
    formula = expected.kept if checkpointing else expected.whole
    found = measured(_SMALL[kind], 4.0, checkpointing)
    assert formula == pytest.approx(found, rel=0.05)


def test_parameters_are_those_of_the_paper():
    millions = [round(parameters(find_model(name).config()) / 1e6) for name in PAPER]
    assert millions == [94, 315, 315, 962, 962, 962, 2159]


def test_memory_grows_with_the_audio():
    short, long = (activations(_SMALL["layer"], seconds) for seconds in (10, 100))
    assert long.whole == pytest.approx(10 * short.whole)
    assert activations(_SMALL["layer"], 10, width=2).whole < short.whole
