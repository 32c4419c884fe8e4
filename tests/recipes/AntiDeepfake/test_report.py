"""The report as a whole: its files, its figures, what it says of bad input."""

from __future__ import annotations

import csv
import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas
import pytest
import soundfile

from recipes.AntiDeepfake.calibration import Calibration, write_calibration
from recipes.AntiDeepfake.embeddings import write_embeddings
from recipes.AntiDeepfake.metrics import (
    act_dcf,
    auc,
    cllr,
    cluster_bootstrap,
    compare,
    eer,
    min_cllr,
    min_dcf,
    threshold_metrics,
)
from recipes.AntiDeepfake.report import main

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("report.html", "report.md", "metrics.csv", "comparison.csv", "transfer.csv")
COLUMNS = ("ID", "Label", "Score", "Attack", "Language", "Duration")
COLUMNS += ("Corpus", "Recording", "Path", "Start", "Stop")


def trials(seed: int, count: int = 120, shift: float = 1.5) -> pandas.DataFrame:
    """Trials of both classes, half each, two of each recording."""
    rng = np.random.default_rng(seed)
    real = np.arange(count) % 4 < 2
    number = np.arange(count)
    columns = {
        "ID": [f"t{i}" for i in number],
        "Label": np.where(real, "real", "fake"),
        "Score": rng.normal(size=count).round(6) + shift * real,
        "Attack": np.where(real, "-", np.where(number % 8 < 4, "vocoder", "codec")),
        "Language": np.where(number % 3, "EN", "CS"),
        "Duration": rng.uniform(1, 6, count).round(2).astype(str),
        "Corpus": "home",
        "Recording": [f"r{i // 2}" for i in number],
        "Path": [f"$ROOT/{i}.wav" for i in number],
        "Start": "-",
        "Stop": "-",
    }
    return pandas.DataFrame(columns)


def write(folder: Path, system: str, test_set: str, table: pandas.DataFrame) -> Path:
    """A score file as evaluate.py lays them out."""
    path = folder / system / test_set / "scores.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    return path


def run(*arguments) -> int:
    return main([str(argument) for argument in arguments])


class Tables(HTMLParser):
    """Rows of text of every table of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.open = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.open = True

    def handle_endtag(self, tag):
        self.open = self.open and tag not in ("td", "th")

    def handle_data(self, data):
        if self.open:
            self.tables[-1][-1][-1] += data

    def rows(self, heading: str) -> list[dict[str, str]]:
        """The first table with such a heading."""
        table = next(table for table in self.tables if heading in table[0])
        return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


def page_of(folder: Path) -> str:
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture
def two(tmp_path) -> Path:
    """Two systems on the same trials, and the first one on another set."""
    write(tmp_path, "ours", "itw", trials(0))
    write(tmp_path, "ours", "wild", trials(1, shift=0.8))
    write(tmp_path, "theirs", "itw", trials(2, shift=0.3))
    return tmp_path


def test_headline_has_the_figures_of_the_metrics(two):
    assert run(two / "ours", two / "theirs", "--out", two / "out") == 0
    rows = Tables(page_of(two / "out")).rows("EER % [95 %]")
    assert [(row["test set"], row["system"]) for row in rows] == [
        ("itw", "ours"),
        ("itw", "theirs"),
        ("wild", "ours"),
    ]
    table = trials(0)
    scores, labels = table["Score"].to_numpy(), (table["Label"] == "real").to_numpy(int)
    rate, _ = eer(scores, labels)
    low, high = cluster_bootstrap(scores, labels, table["Recording"].to_numpy())
    decided = threshold_metrics(scores, labels, 0.0)
    assert rows[0] == {
        "test set": "itw",
        "system": "ours",
        "real": "60",
        "fake": "60",
        "EER % [95 %]": f"{100 * rate:.2f} [{100 * low:.2f}, {100 * high:.2f}]",
        "resampled": "recordings",
        "AUC": f"{auc(scores, labels):.3f}",
        "min DCF": f"{min_dcf(scores, labels)[0]:.3f}",
        "act DCF": f"{act_dcf(scores, labels):.3f}",
        "min Cllr": f"{min_cllr(scores, labels):.3f}",
        "Cllr": f"{cllr(scores, labels):.3f}",
        "FPR %": f"{100 * decided['fpr']:.2f}",
        "FNR %": f"{100 * decided['fnr']:.2f}",
    }
    written = pandas.read_csv(two / "out" / "metrics.csv")
    first = written[(written.system == "ours") & (written.set == "itw")].iloc[0]
    assert first["slice"] == "all" and first["eer"] == rate
    assert first["cllr"] == pytest.approx(cllr(scores, labels))


def test_slices_are_on_the_page_with_their_counts(two):
    assert run(two / "ours", "--out", two / "out") == 0
    rows = Tables(page_of(two / "out")).rows("slice")
    counts = {row["slice"]: (row["real"], row["fake"]) for row in rows}
    assert counts["attack codec"] == ("60", "30")
    assert counts["language CS"] == ("20", "20")
    assert "few trials" in rows[0]["note"]


def test_thresholds_of_one_set_on_the_other(two):
    assert run(two / "ours", "--out", two / "out") == 0
    rows = pandas.read_csv(two / "out" / "transfer.csv")
    row = rows[(rows.chosen_on == "itw") & (rows.applied_to == "wild")].iloc[0]
    here, there = trials(0), trials(1, shift=0.8)
    labels = (here["Label"] == "real").to_numpy(int)
    threshold = eer(here["Score"].to_numpy(), labels)[1]
    found = threshold_metrics(there["Score"].to_numpy(), labels, threshold)
    assert row["rule"] == "EER" and row["threshold"] == pytest.approx(threshold)
    for name in ("fpr", "fnr", "balanced_accuracy"):
        assert row[name] == pytest.approx(found[name])
    cell = Tables(page_of(two / "out")).rows("chosen on")[0]["on wild"]
    assert cell == (
        f"{100 * found['fpr']:.1f} / {100 * found['fnr']:.1f} "
        f"· {100 * found['balanced_accuracy']:.1f}"
    )


def test_systems_are_compared_by_id_not_by_order(two):
    shuffled = trials(2, shift=0.3).sample(frac=1, random_state=0)
    write(two, "theirs", "itw", shuffled)
    assert run(two / "ours", two / "theirs", "--out", two / "out") == 0
    (row,) = csv.DictReader((two / "out" / "comparison.csv").open())
    ours, theirs = trials(0), trials(2, shift=0.3)
    found = compare(
        ours["Score"].to_numpy(),
        theirs["Score"].to_numpy(),
        (ours["Label"] == "real").to_numpy(int),
        ours["Recording"].to_numpy(),
    )
    assert float(row["difference"]) == pytest.approx(found.difference)
    assert float(row["p_holm"]) == pytest.approx(found.p_value) and not row["note"]
    (shown,) = Tables(page_of(two / "out")).rows("p (Holm)")
    assert shown["finding"] == "ours is better"


def test_one_recording_of_a_class_is_noted_not_compared(tmp_path):
    for seed, system in enumerate(("one", "two")):
        table = trials(seed)
        table.loc[table["Label"] == "real", "Recording"] = "r"
        write(tmp_path, system, "home", table)
    out = tmp_path / "out"
    assert run(tmp_path / "one", tmp_path / "two", "--out", out) == 0
    (row,) = csv.DictReader((out / "comparison.csv").open())
    assert row["note"].startswith("one recording only of a class")
    assert "one recording only of a class" in page_of(out)


def test_other_trials_are_not_compared_and_the_exit_code_says_so(two, capsys):
    write(two, "theirs", "itw", trials(2)[1:])
    assert run(two / "ours", two / "theirs", "--out", two / "out") == 1
    message = capsys.readouterr().err
    assert "itw: not compared: 1 trials are scored by ours only" in message
    assert "'t0'" in message
    (shown,) = Tables(page_of(two / "out")).rows("p (Holm)")
    assert shown["p"] == "–" and "not compared" in shown["finding"]


@pytest.mark.slow
def test_same_files_give_the_same_bytes(two, tmp_path_factory):
    other = tmp_path_factory.mktemp("again")
    rng = np.random.default_rng(0)
    ids = [f"t{i}" for i in range(120)]
    write_embeddings(two / "e.npz", ids, rng.normal(size=(120, 8)))
    command = [sys.executable, "-m", "recipes.AntiDeepfake.report", two / "ours"]
    command += [two / "theirs", "--embeddings", two / "e.npz", "--out"]
    # In processes of their own: no state may leak into the pictures.
    for folder in (two / "out", other):
        subprocess.run([*map(str, command), str(folder)], cwd=ROOT, check=True)
    for name in NAMES:
        assert (two / "out" / name).read_bytes() == (other / name).read_bytes(), name


def test_what_files_say_is_text_and_never_markup(tmp_path):
    table = trials(0, shift=-3)
    nasty = '<script>alert("x")</script>|`_*'
    table.loc[0, "ID"] = nasty
    table.loc[0, "Score"] = -99.0
    table["Attack"] = table["Attack"].replace("codec", "<img src=x onerror=alert(1)>")
    path = write(tmp_path, "s", "set", table)
    title = "</title><script>1</script>"
    assert run(f"<b>={path}", "--out", tmp_path, "--title", title) == 0
    page = page_of(tmp_path)
    assert page.count("<script>") == 1  # its own
    assert "<img" not in page and "<b>" not in page
    found = Tables(page)
    assert nasty in [row[0] for table in found.tables for row in table]
    assert {row["system"] for row in found.rows("EER % [95 %]")} == {"<b>"}
    markdown = (tmp_path / "report.md").read_text("utf-8")
    assert "<script>" not in markdown and "\\|\\`" in markdown


def test_names_in_pictures_are_shown_as_they_are(two):
    names = ("$lr$ 0.12345", "_base #010101")
    ours, theirs = (two / name / "itw" for name in ("ours", "theirs"))
    systems = (f"{names[0]}={ours}", f"{names[1]}={theirs}")
    assert run(*systems, "--out", two / "out") == 0
    pictures = re.findall(r"<svg .*?</svg>", page_of(two / "out"), re.DOTALL)
    shown = re.findall(r">([^<]+)</text>", pictures[0])
    for name in names:
        assert any(re.fullmatch(rf" ?{re.escape(name)}, [\d.]+", one) for one in shown)


def test_page_needs_nothing_from_elsewhere(two):
    assert run(two / "ours", "--out", two / "out") == 0
    page = page_of(two / "out")
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
    assert addresses and all(a.startswith(("#", "data:")) for a in addresses)
    assert not re.search(r"url\((?!#)|@import", page)
    assert "default-src 'none'" in page


def test_pictures_can_be_read_without_seeing_them(two):
    assert run(two / "ours", "--out", two / "out") == 0
    page = page_of(two / "out")
    labels = re.findall(r'<svg [^>]*role="img" aria-label="([^"]+)"', page)
    assert len(labels) == page.count("<svg") >= 8
    assert any(label.startswith("DET curves, ours. EER: itw") for label in labels)
    # Every colour is one of the page.
    assert not re.search("#(0[1-4]){3}|#(1[0-7]){3}", page)


def test_worst_errors_and_their_audio(two):
    table = trials(0)
    wrong = table[(table["Label"] == "fake")].sort_values("Score").iloc[-1]
    number = wrong["ID"].removeprefix("t")
    tone = np.sin(np.arange(12 * 8000) / 5).astype(np.float32)
    soundfile.write(two / f"{number}.wav", 0.1 * tone, 8000)
    folder = ("--data-folder", two, "--audio", 2)
    assert run(two / "ours" / "itw", *folder, "--out", two / "out") == 0
    first, second = Tables(page_of(two / "out")).rows("ID")
    assert first["ID"] == wrong["ID"] and first["score"] == f"{wrong['Score']:.3f}"
    assert first["audio"].strip() == "first 10 s"
    assert second["audio"] == "no audio: no such file here"
    page = page_of(two / "out")
    assert page.count("<audio") == page.count("data:audio/flac;base64,") == 1


def test_without_audio_the_page_says_why(two):
    assert run(two / "ours", "--out", two / "out", "--audio", 1) == 0
    page = page_of(two / "out")
    assert "no audio: no data folder given (--data-folder)" in page
    assert "<audio" not in page


def test_flipped_scores_are_asked_about(tmp_path):
    path = write(tmp_path, "s", "set", trials(0, shift=-2))
    assert run(path, "--out", tmp_path) == 0
    assert "flipped?" in page_of(tmp_path)


def test_threshold_of_another_set_decides(two):
    assert run(two / "ours", "--threshold-set", "wild", "--out", two / "out") == 0
    table = trials(1, shift=0.8)
    labels = (table["Label"] == "real").to_numpy(int)
    threshold = eer(table["Score"].to_numpy(), labels)[1]
    written = pandas.read_csv(two / "out" / "metrics.csv")
    assert set(written["threshold"]) == {threshold}


def test_pieces_are_joined_to_recordings(tmp_path):
    table = trials(0).assign(Start="0.0", Stop="1.0")
    path = write(tmp_path, "s", "set", table)
    assert run(path, "--out", tmp_path) == 0
    written = pandas.read_csv(tmp_path / "metrics.csv")
    joined = written[(written.unit == "recordings") & (written.slice == "all")]
    assert joined[["real", "fake"]].to_numpy().tolist() == [[30, 30]]
    assert "Recordings" in page_of(tmp_path)


def test_recordings_that_are_partly_fake_are_not_joined(tmp_path):
    table = trials(0).assign(Start="0.0", Stop="1.0", Recording="r")
    path = write(tmp_path, "s", "set", table)
    assert run(path, "--out", tmp_path) == 0
    assert set(pandas.read_csv(tmp_path / "metrics.csv")["unit"]) == {"trials"}
    page = html.unescape(page_of(tmp_path))
    assert "set: no figures by recording: recording 'r' of home has real and" in page


def test_constant_scores_are_chance_and_no_obstacle(tmp_path):
    path = write(tmp_path, "s", "set", trials(0).assign(Score=1.0))
    assert run(path, "--out", tmp_path) == 0
    (row,) = Tables(page_of(tmp_path)).rows("EER % [95 %]")
    assert row["EER % [95 %]"] == "50.00 [50.00, 50.00]" and row["AUC"] == "0.500"


def test_corpora_of_a_set_have_their_own_rows(tmp_path):
    table = trials(0)
    table["Corpus"] = np.where(np.arange(120) < 60, "one", "two")
    path = write(tmp_path, "s", "set", table)
    assert run(path, "--out", tmp_path) == 0
    rows = Tables(page_of(tmp_path)).rows("EER % [95 %]")
    assert [row["test set"] for row in rows] == [
        "set: one",
        "set: two",
        "set: all pooled",
    ]
    half = table[:60]
    labels = (half["Label"] == "real").to_numpy(int)
    assert rows[0]["Cllr"] == f"{cllr(half['Score'].to_numpy(), labels):.3f}"


def test_set_of_fakes_only_takes_part_at_the_thresholds_of_others(two):
    fakes = trials(3)
    write(two, "ours", "fakes", fakes[fakes["Label"] == "fake"])
    assert run(two / "ours", "--out", two / "out") == 0
    page = Tables(page_of(two / "out"))
    row = next(row for row in page.rows("EER % [95 %]") if row["test set"] == "fakes")
    assert row["EER % [95 %]"] == "–" and row["FPR %"] != "–"
    assert "/ – " in page.rows("chosen on")[0]["on fakes"] + " "
    assert "one class only" in page_of(two / "out")


def test_calibration_of_a_detector_is_applied(two):
    folder = two / "detector"
    write_calibration(folder / "calibration.json", Calibration(scale=2.0, offset=-1.0))
    heard = {"training_data": {"home": {"train": {"real": 10, "fake": 20}}}}
    (folder / "hyperparams.yaml").write_text(f"lineage: {json.dumps(heard)}\n")
    path = two / "ours" / "itw" / "scores.csv"
    assert run(path, "--detector", folder, "--out", two / "out") == 0
    (row,) = Tables(page_of(two / "out")).rows("EER % [95 %]")
    table = trials(0)
    labels = (table["Label"] == "real").to_numpy(int)
    assert row["Cllr"] == f"{cllr(2 * table['Score'] - 1, labels):.3f}"
    assert "The scores were calibrated." in page_of(two / "out")
    assert "training data: same audio: home" in page_of(two / "out")
    written = pandas.read_csv(two / "out" / "metrics.csv")
    assert set(written["threshold"]) == {0.5}


def test_published_figures_are_beside_those_of_a_released_detector(tmp_path):
    path = write(tmp_path, "mms", "test_In-the-Wild", trials(0))
    detector = "nii-yamagishilab/mms-300m-anti-deepfake"
    assert run(path, "--detector", detector, "--out", tmp_path) == 0
    (row,) = Tables(page_of(tmp_path)).rows("published EER %")
    assert "2.00 (post-trained, no RawBoost)" in row["published EER %"]


def test_files_of_another_toolkit_with_a_key(tmp_path):
    table = trials(0)
    lines = [f"{i}\t{s}" for i, s in zip(table["ID"], table["Score"], strict=True)]
    scores, key = tmp_path / "asvspoof5.tsv", tmp_path / "key.tsv"
    scores.write_text("\n".join(["filename\tcm-score", *lines]) + "\n")
    words = table["Label"].map({"real": "bonafide", "fake": "spoof"})
    lines = [f"{i}\t{word}" for i, word in zip(table["ID"], words, strict=True)]
    key.write_text("\n".join(["filename\tcm-label", *lines]) + "\n")
    command = (f"theirs={scores}", "--key", f"asvspoof5={key}", "--out", tmp_path)
    assert run(*command) == 0
    (row,) = Tables(page_of(tmp_path)).rows("EER % [95 %]")
    rate, _ = eer(table["Score"], (table["Label"] == "real").astype(int))
    assert row["EER % [95 %]"].startswith(f"{100 * rate:.2f} [")
    assert "no audio: the score file has no paths of audio" in page_of(tmp_path)


class TestMistakes:
    """Each leaves a message and no report."""

    @pytest.fixture(autouse=True)
    def no_report(self, tmp_path):
        yield
        assert not (tmp_path / "out").exists()

    def fails(self, capsys, code, message, *arguments):
        assert run(*arguments) == code
        assert re.search(message, capsys.readouterr().err)

    def test_missing_file(self, tmp_path, capsys):
        scores = tmp_path / "none.csv"
        self.fails(capsys, 2, "no such file", scores, "--out", tmp_path / "out")

    def test_folder_without_scores(self, tmp_path, capsys):
        self.fails(capsys, 2, "no scores.csv", tmp_path, "--out", tmp_path / "out")

    def test_empty_file(self, tmp_path, capsys):
        (tmp_path / "scores.csv").write_text("")
        self.fails(capsys, 1, "an empty file", tmp_path, "--out", tmp_path / "out")

    def test_no_labels(self, tmp_path, capsys):
        path = write(tmp_path, "s", "set", trials(0)[["ID", "Score"]])
        message = r"trials without a label.*--key set=FILE"
        self.fails(capsys, 1, message, path, "--out", tmp_path / "out")

    def test_one_class_only(self, tmp_path, capsys):
        table = trials(0)
        path = write(tmp_path, "s", "set", table[table["Label"] == "fake"])
        message = "of one class, and so there is no error rate"
        self.fails(capsys, 1, message, path, "--out", tmp_path / "out")

    def test_labels_that_contradict(self, tmp_path, capsys):
        table = trials(0)
        write(tmp_path, "a", "set", table)
        table.loc[4, "Label"] = "fake"
        write(tmp_path, "b", "set", table)
        message = "1 trials of test set 'set' have different labels, the first is 't4'"
        both = (tmp_path / "a", tmp_path / "b")
        self.fails(capsys, 1, message, *both, "--out", tmp_path / "out")

    def test_two_files_of_one_name(self, tmp_path, capsys):
        path = write(tmp_path, "s", "set", trials(0))
        message = "both system 's' on test set 'set'. Name them"
        self.fails(capsys, 2, message, path, path, "--out", tmp_path / "out")

    def test_unknown_threshold_set(self, tmp_path, capsys):
        path = write(tmp_path, "s", "set", trials(0))
        arguments = (path, "--threshold-set", "other", "--out", tmp_path / "out")
        self.fails(capsys, 2, "--threshold-set other: system 's'", *arguments)

    def test_key_of_no_set(self, tmp_path, capsys):
        path = write(tmp_path, "s", "set", trials(0))
        arguments = (path, "--key", "other=k.csv", "--out", tmp_path / "out")
        self.fails(capsys, 2, "no test set is called 'other'", *arguments)

    def test_detector_that_is_not_there(self, tmp_path, capsys):
        path = write(tmp_path, "s", "set", trials(0))
        arguments = (path, "--detector", "none/such", "--out", tmp_path / "out")
        self.fails(capsys, 2, "neither a detector folder nor", *arguments)

    def test_embeddings_of_other_utterances(self, tmp_path, capsys):
        path = write(tmp_path, "s", "set", trials(0))
        npz = tmp_path / "e.npz"
        write_embeddings(npz, ["x", "y"], np.eye(2))
        arguments = (path, "--embeddings", npz, "--out", tmp_path / "out")
        self.fails(capsys, 1, "0 utterances are in all files", *arguments)


def test_help_teaches_and_nothing_is_a_usage_error(capsys):
    assert main(["--help"]) == 0
    assert "Examples:" in capsys.readouterr().out
    assert main([]) == 2


def test_no_pytorch_is_loaded(two):
    code = (
        "import sys; from recipes.AntiDeepfake.report import main; "
        f"main([{str(two / 'ours')!r}, '--out', {str(two / 'out')!r}]); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
