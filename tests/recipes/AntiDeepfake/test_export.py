"""The detector folder: what is in it, and what is not accepted."""

import json
import re
import shutil
import sys

import pytest
import torch
from helpers import manifest_row, new_detector
from safetensors.torch import load_file, save_file

from data_prep.manifest import write_manifest
from recipes.AntiDeepfake.bundle import make_bundle
from recipes.AntiDeepfake.calibration import Calibration, write_calibration
from recipes.AntiDeepfake.card import calibrated_card, model_card
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.interface import DeepfakeDetector
from recipes.AntiDeepfake.weights import load_weights


@pytest.fixture
def folder(tiny_ssl, tmp_path):
    return export_detector(
        tmp_path / "detector", new_detector(tiny_ssl), {"training data": "voices"}
    )


def test_card_tells_what_was_given(folder):
    assert "- training data: voices" in (folder / "README.md").read_text()


def test_an_older_folder_is_replaced(tiny_ssl, folder):
    export_detector(folder, new_detector(tiny_ssl, seed=1), {})
    found = load_file(folder / "model.safetensors")
    expected = new_detector(tiny_ssl, seed=1).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert [path.name for path in folder.parent.iterdir()] == ["detector"]


def state(folder):
    """Content and time of all files."""
    return {
        path.relative_to(folder): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def calibrated(folder):
    """Add to a detector folder what others write into it."""
    loaded = DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})
    calibration = Calibration(2.0, 1.0, canary=loaded.hparams.canary)
    write_calibration(folder / "calibration.json", calibration)
    card = folder / "README.md"
    card.write_text(calibrated_card(card.read_text(), calibration))
    (folder / "deep").mkdir()
    (folder / "deep" / "notes.txt").write_text("mine")


def test_the_same_detector_is_not_written_again(tiny_ssl, folder):
    calibrated(folder)
    before = state(folder)
    export_detector(folder, new_detector(tiny_ssl), {"training data": "voices"})
    assert state(folder) == before


def test_with_the_same_weights_what_others_wrote_stays(tiny_ssl, folder):
    calibrated(folder)
    before = state(folder)
    # Rounded otherwise, as on another machine, which the calibration does not know.
    text = (folder / "hyperparams.yaml").read_text()
    canary = json.loads(re.search(r"^canary: (.*)$", text, re.M)[1])
    moved = [canary[0] + 1e-6, canary[1]]
    (folder / "hyperparams.yaml").write_text(text.replace(str(canary), str(moved)))
    calibration = (folder / "calibration.json").read_text()
    calibration = calibration.replace(str(canary[0]), str(moved[0]))
    (folder / "calibration.json").write_text(calibration)
    export_detector(folder, new_detector(tiny_ssl), {"training data": "others"})
    after = state(folder)
    assert after.keys() == before.keys()
    assert (folder / "deep" / "notes.txt").read_text() == "mine"
    card = (folder / "README.md").read_text()
    assert "- training data: others\n" in card and "\n## Calibration\n" in card
    loaded = DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})
    assert loaded.calibration.scale == 2.0
    assert [path.name for path in folder.parent.iterdir()] == ["detector"]


def test_with_new_weights_what_others_wrote_is_set_aside(tiny_ssl, folder, caplog):
    calibrated(folder)
    before = state(folder)
    export_detector(folder, new_detector(tiny_ssl, seed=1), {})
    assert state(folder.with_name("detector.old")) == before
    assert sorted(path.name for path in folder.iterdir()) == [
        *("README.md", "custom_interface.py", "hyperparams.yaml", "model.safetensors")
    ]
    assert "calibration.json, deep may belong to the old ones" in caplog.text
    assert f"is now {folder}.old" in caplog.text
    DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})


@pytest.mark.parametrize("canary", ["[0.0, 9.0]", "[0.0", "none"])
def test_other_arithmetic_is_another_detector(tiny_ssl, folder, canary):
    calibrated(folder)
    text = (folder / "hyperparams.yaml").read_text()
    text = re.sub(r"^canary: .*$", f"canary: {canary}", text, flags=re.M)
    (folder / "hyperparams.yaml").write_text(text)
    export_detector(folder, new_detector(tiny_ssl), {"training data": "voices"})
    assert not (folder / "calibration.json").exists()
    assert (folder.with_name("detector.old") / "calibration.json").is_file()


def test_damaged_weights_are_replaced(tiny_ssl, folder):
    (folder / "model.safetensors").write_bytes(b"<html>")
    export_detector(folder, new_detector(tiny_ssl), {})
    DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})


def test_a_folder_of_something_else_is_set_aside(tiny_ssl, tmp_path):
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector" / "thesis.tex").touch()
    export_detector(tmp_path / "detector", new_detector(tiny_ssl), {})
    assert (tmp_path / "detector.old" / "thesis.tex").is_file()


def test_an_export_that_was_killed_is_made_good_by_the_next(tiny_ssl, folder):
    """The old folder had its name taken, and the new one had not got it yet."""
    calibrated(folder)
    before = state(folder)
    folder.rename(folder.with_name(".detector.replaced"))
    folder.with_name(".detector.unfinished").mkdir()
    export_detector(folder, new_detector(tiny_ssl), {"training data": "voices"})
    assert state(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["detector"]


def altered(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("classifier.layers.0.bias"), "missing classifier.layers.0.b"),
        (lambda w: w.update(extra=torch.zeros(1)), "unexpected extra"),
        (
            lambda w: w.update({"classifier.layers.0.bias": torch.zeros(6)}),
            r"classifier.layers.0.bias is \[6\], wanted \[5\]",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(folder, change, message):
    altered(folder, change)
    with pytest.raises(ValueError, match=message):
        DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})


def test_nothing_is_loaded_when_something_does_not_fit(tiny_ssl, folder):
    altered(folder, lambda w: w.pop("classifier.layers.0.bias"))
    detector = new_detector(tiny_ssl, seed=3)
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    with pytest.raises(ValueError, match="Nothing was loaded"):
        load_weights(detector, folder)
    assert all(torch.equal(before[n], v) for n, v in detector.state_dict().items())


def test_canary_finds_changed_weights(folder):
    altered(folder, lambda w: w["classifier.layers.0.weight"].mul_(1.5))
    with pytest.raises(RuntimeError, match=r"canary .* a difference of \d"):
        DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})


def test_missing_weights_are_explained(tiny_ssl, tmp_path):
    with pytest.raises(ValueError, match="Give a detector folder"):
        load_weights(new_detector(tiny_ssl), tmp_path)


def test_a_folder_can_be_moved(folder, tmp_path):
    moved = shutil.move(folder, tmp_path / "elsewhere")
    DeepfakeDetector.from_hparams(moved, run_opts={"device": "cpu"})


class Forgetful(torch.nn.Module):
    """A pooling that does not keep its argument."""

    def __init__(self, secret):
        super().__init__()


def test_a_lobe_that_cannot_be_declared_is_named(tiny_ssl, tmp_path):
    detector = new_detector(tiny_ssl)
    detector.classifier = Forgetful(1)
    detector.forward = lambda wav, wav_lens=None: torch.zeros(len(wav), 2)
    with pytest.raises(
        TypeError, match="Forgetful does not keep its argument 'secret'"
    ):
        export_detector(tmp_path / "detector", detector, {})
    assert not (tmp_path / "detector").exists()


def test_configuration_is_plain_data(folder):
    text = (folder / "hyperparams.yaml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("encoder:"))
    assert (
        json.loads(line.partition("SSLEncoder ")[2])["config"]["model_type"] == "hubert"
    )


def test_card_lists_the_corpora_of_manifests(tmp_path):
    labels = ["real", "fake", "fake"]
    rows = [manifest_row(f"x{i}", x, 1.0, "$ROOT/x") for i, x in enumerate(labels)]
    write_manifest(tmp_path / "train.csv", rows)
    card = model_card({"training data": tmp_path / "train.csv"})
    assert "  - voices: 1 real, 2 fake" in card


def test_card_of_what_was_started_from_a_released_detector_has_its_licence():
    hub_id = "nii-yamagishilab/mms-300m-anti-deepfake-nda"
    card = model_card({"stage": "fine-tuning", "started from": hub_id})
    assert "license: cc-by-nc-sa-4.0" in card
    assert "  - SSL model: MMS-300M (facebook/mms-300m, cc-by-nc-4.0)" in card


def test_a_card_does_not_tell_where_files_are(tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    # As cards of before did.
    lines = [
        "## Lineage",
        "",
        "- training data: /home/me/train.csv",
        "  - DECRO: 1 real",
    ]
    (old / "README.md").write_text("\n".join([*lines, "", "## Use", "", "- no: fact"]))
    facts = {"SSL model": "/models/mms-300m", "started from": old}
    card = model_card(facts | {"training data": ["/data/a.csv", "lists/b.csv"]})
    found = card.partition("## Lineage\n\n")[2].partition("\n\n##")[0]
    assert found.splitlines() == [
        "- SSL model: mms-300m",
        "- started from: old",
        "  - training data: train.csv",
        "    - DECRO: 1 real",
        "- training data: a.csv, lists/b.csv",
    ]


def test_card_repeats_lineage_and_licence(tiny_ssl, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    facts = {"stage": "post-training", "licence": "cc-by-nc-sa-4.0"}
    export_detector(first, new_detector(tiny_ssl), facts)
    export_detector(second, new_detector(tiny_ssl), {"started from": first})
    lines = (second / "README.md").read_text().splitlines()
    assert "license: cc-by-nc-sa-4.0" in lines[: lines.index("---", 1)]
    assert "  - stage: post-training" in lines


def test_bundle_holds_what_is_needed_and_no_more(folder):
    text = (folder / "custom_interface.py").read_text()
    assert "    'lobes.pooling': r'''" in text
    for name in (
        "lobes.rawboost",
        "lobes.fairseq_import",
        "recipes.AntiDeepfake.brain",
    ):
        assert f"'{name}'" not in text


def test_bundle_is_named_after_its_code(monkeypatch):
    bundle, again = make_bundle([]), make_bundle(["recipes.AntiDeepfake.interface"])
    assert bundle.package == again.package
    assert bundle.package != make_bundle(["lobes.losses"]).package
    assert bundle.name(dict) == "builtins.dict"


def test_names_in_a_folder_mean_this_repository_here(folder):
    loaded = DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})
    assert type(loaded.mods.detector).__module__ == "lobes.detector"
    assert sys.modules["lobes.detector"].__spec__.name == "lobes.detector"


def test_folders_of_before_still_load(folder):
    """They named the classes as this repository does, and had no interface file."""
    text = (folder / "hyperparams.yaml").read_text()
    package = text.partition("!new:")[2].partition(".")[0]
    text = text.replace(f"{package}.", "").replace(
        "AntiDeepfake.weights.DetectorPretrainer",
        "AntiDeepfake.export.DetectorPretrainer",
    )
    (folder / "hyperparams.yaml").write_text(text)
    (folder / "custom_interface.py").unlink()
    DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})


def test_canary_is_taken_in_full_precision():
    from recipes.AntiDeepfake.canary import canary_logits

    backends = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [backend.allow_tf32 for backend in backends]
    seen = []

    def logits(wav):
        seen.extend(backend.allow_tf32 for backend in backends)
        return torch.zeros(1, 2)

    for backend in backends:
        backend.allow_tf32 = True
    try:
        canary_logits(logits)
        assert seen == [False, False]
        assert all(backend.allow_tf32 for backend in backends)
    finally:
        for backend, allowed in zip(backends, before, strict=True):
            backend.allow_tf32 = allowed
