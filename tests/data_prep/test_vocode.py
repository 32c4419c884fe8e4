"""Copies by the vocoders that need no weights, and the verb."""

import argparse
import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from helpers import RATE, ROOT, manifest_row, voice
from scipy.signal import stft

from data_prep import vocode
from data_prep.audio_info import AudioError
from data_prep.manifest import ManifestError, read_manifest, write_manifest
from data_prep.options import UsageError
from data_prep.vocode import vocode_rows
from data_prep.vocoders import VOCODERS, VocoderError, load_vocoder
from data_prep.vocoders.making import HIGHEST_PEAK, copy_waveform
from data_prep.vocoders.running import list_devices


@pytest.fixture
def pyworld():
    return pytest.importorskip("pyworld", exc_type=ImportError)


@pytest.fixture(params=["world", "griffin_lim", "mel_griffin_lim"])
def vocoder(request):
    if request.param == "world":
        pytest.importorskip("pyworld", exc_type=ImportError)
    return load_vocoder(request.param)


@pytest.fixture
def data(tmp_path):
    """A data folder with `corpus.csv`: four genuine voices and one fake."""
    rng = np.random.default_rng(7)
    rows = []
    for i, label in enumerate(["real", "real", "real", "fake", "real"]):
        wav = voice(rng, 0.5 + 0.1 * i, label == "fake")
        path = tmp_path / "corpus" / "audio" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, wav, RATE)
        seconds, place = len(wav) / RATE, f"$ROOT/corpus/audio/{i}.wav"
        rows.append(manifest_row(f"v-{i}", label, seconds, place, Speaker=f"s{i}"))
    write_manifest(tmp_path / "corpus.csv", rows)
    return tmp_path


def real_rows(data):
    rows = read_manifest(data / "corpus.csv")
    return [row for row in rows if row["Label"] == "real"]


def call(*arguments):
    parser = argparse.ArgumentParser(prog="vocode")
    vocode.add_arguments(parser)
    return vocode.run(parser.parse_args([*map(str, arguments)]))


def verb(data, *others, vocoder="griffin_lim"):
    places = ["--data-root", data, "--out", data / "out", "--workers", 1]
    return call(data / "corpus.csv", "--vocoder", vocoder, *places, *others)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.flac"))
    }


def log_spectral_distance(one, two):
    """Mean over frames of 32 ms of the root mean square difference, in dB."""
    levels = [
        10
        * np.log10(np.abs(stft(wav, RATE, nperseg=512, noverlap=384)[2]) ** 2 + 1e-10)
        for wav in (one, two)
    ]
    return np.sqrt(((levels[0] - levels[1]) ** 2).mean(axis=0)).mean()


def rms(wav):
    return np.sqrt(np.mean(np.square(wav, dtype=np.float64)))


def test_copies_resemble_their_source(vocoder):
    # Found on six voices: 7.2, 3.3 and 7.0 dB at most; 11 dB at least for another
    # voice. Two noises with the same spectrum are about 8 dB apart.
    bound = {"world": 8.5, "griffin_lim": 4.5, "mel_griffin_lim": 8.5}[vocoder.name]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        wav, other = voice(rng, 1.5, False), voice(rng, 1.5, False)
        copy = copy_waveform(vocoder, wav, RATE)
        assert log_spectral_distance(wav, copy) < bound
        other *= rms(wav) / rms(other)
        assert log_spectral_distance(wav, other) > 10
        # The phase is gone.
        assert abs(np.corrcoef(wav, copy)[0, 1]) < 0.9


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_copies_keep_rate_length_level_and_offset(vocoder, rate):
    wav = np.resize(voice(np.random.default_rng(0), 1.0, False), rate + 7) + 0.01
    copy = copy_waveform(vocoder, wav, rate)
    assert (copy.dtype, copy.shape) == (np.float32, wav.shape)
    assert copy.mean() == pytest.approx(wav.mean(), rel=1e-3)
    assert rms(copy) == pytest.approx(rms(wav), rel=1e-4)


TONE = np.sin(np.arange(RATE) / 10).astype(np.float32)


class Doubling:
    """Twice as loud, with one sample far out, at 24 kHz; may be too long."""

    name = "doubling"
    sample_rate = 24000

    def __init__(self, stretch=1.0):
        self.stretch = stretch

    def __call__(self, wav, sample_rate, seed=0):
        assert (sample_rate, wav.dtype) == (24000, np.float32)
        wav = np.resize(2 * wav, round(self.stretch * len(wav)))
        wav[len(wav) // 2] = 40 * np.abs(wav).max()
        return wav


def test_level_gives_way_to_clipping():
    wav = voice(np.random.default_rng(1), 1.0, False)
    copy = copy_waveform(Doubling(), wav, RATE)
    assert np.abs(copy).max() == pytest.approx(HIGHEST_PEAK)
    assert rms(copy) < rms(wav)
    assert len(copy) == len(wav)


@pytest.mark.parametrize(
    ("wav", "vocoder", "message"),
    [
        (TONE[:1599], Doubling(), "0.100 s long; a copy needs 0.1 s"),
        (np.full(RATE, 0.1), Doubling(), "digital silence"),
        (TONE, Doubling(1.25), "made 1.31 s of 1.00 s"),
        (TONE, lambda wav, *_: 0 * wav, "made silence"),
        (TONE, lambda wav, *_: wav * np.nan, "not finite"),
    ],
    ids=["short", "silent", "stretched", "silent copy", "no numbers"],
)
def test_copies_of_no_use(wav, vocoder, message):
    if not isinstance(vocoder, Doubling):
        vocoder.name, vocoder.sample_rate = "broken", None
    with pytest.raises(AudioError, match=message):
        copy_waveform(vocoder, wav, RATE)


def test_verb_makes_paired_copies_and_a_manifest(data, capsys):
    assert verb(data) == 0
    printed = capsys.readouterr()
    assert "4 sources, 1 fake rows left out" in printed.out
    assert "4 of 4 copies, 0.00 hours" in printed.out
    assert printed.err == "", "no progress bar without a terminal"
    copies = read_manifest(data / "out" / "griffin_lim.csv")
    assert [copy["Recording"] for copy in copies] == ["v-0", "v-1", "v-2", "v-4"]
    for copy, source in zip(copies, real_rows(data), strict=True):
        assert copy["Path"] == source["Path"].replace(
            "$ROOT/corpus/", "$ROOT/out/griffin_lim/corpus/"
        ).replace(".wav", ".flac")
        assert copy["Speaker"] == source["Speaker"]
        files = [data / row["Path"][6:] for row in (source, copy)]
        (wav, rate), (copied, copied_rate) = map(soundfile.read, files)
        assert (len(copied), copied_rate) == (len(wav), rate)
        assert copy["Duration"] == f"{len(wav) / rate:.2f}"
        assert rms(copied) == pytest.approx(rms(wav), rel=1e-3)
        assert soundfile.info(files[1]).subtype == "PCM_16"


def test_several_vocoders_as_wav(data, pyworld):
    options = ["--format", "wav", "--relative-to", "corpus", "--labels", "all"]
    assert verb(data, *options, "--vocoder", "world") == 0
    for name in ("griffin_lim", "world"):
        copies = read_manifest(data / "out" / f"{name}.csv")
        assert copies[3]["Path"] == f"$ROOT/out/{name}/audio/3.wav"
        assert {(copy["Attack"], copy["AudioEncoding"]) for copy in copies} == {
            (name, "PCM_S")
        }
        assert len(list((data / "out" / name / "audio").glob("*.wav"))) == 5


def test_pieces_and_channels(data):
    """Two pieces of a stereo file; channels of equal power are averaged."""
    rng = np.random.default_rng(3)
    wav = np.stack([voice(rng, 1.5, False), voice(rng, 1.5, True)], axis=1)
    soundfile.write(data / "two.wav", wav, RATE, subtype="FLOAT")
    pieces = [("0.25", "0.75"), ("0.75", "1.5")]
    rows = [
        {key: str(value) for key, value in row.items()}
        for row in (
            manifest_row(start, "real", 1.0, "$ROOT/two.wav", Start=start, Stop=stop)
            for start, stop in pieces
        )
    ]
    copies = vocode_rows(rows, data, data / "out", "griffin_lim")
    assert [row["Path"].rpartition("/")[2] for row in copies] == [
        "two_0.25-0.75.flac",
        "two_0.75-1.5.flac",
    ]
    assert [row["Duration"] for row in copies] == ["0.50", "0.75"]
    for row, (start, stop) in zip(copies, pieces, strict=True):
        copy, _ = soundfile.read(data / row["Path"][6:])
        piece = wav.mean(axis=1)[int(float(start) * RATE) : int(float(stop) * RATE)]
        assert rms(copy) == pytest.approx(rms(piece), rel=1e-3)
        assert log_spectral_distance(piece, copy) < 4.5


@pytest.mark.slow
def test_workers_and_order_do_not_matter(data):
    rows = real_rows(data)
    for name, workers, order in (("one", 1, rows), ("two", 2, rows[::-1])):
        vocode_rows(order, data, data / name, "mel_griffin_lim", workers=workers)
    one, two = (contents(data / name) for name in ("one", "two"))
    assert len(one) == 4 and one == two
    vocode_rows(rows, data, data / "other", "mel_griffin_lim", seed=1)
    other = contents(data / "other")
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one)


def test_failures_are_listed_and_the_rest_is_made(data, capsys):
    (data / "corpus" / "audio" / "1.wav").write_bytes(b"RIFF")
    soundfile.write(data / "corpus" / "audio" / "2.wav", np.zeros(8000), RATE)
    assert verb(data) == 1
    printed = capsys.readouterr()
    assert "2 of 4 copies" in printed.out
    one, two = printed.err.splitlines()
    assert one.startswith("failed: griffin_lim, ID v-1: ") and "1.wav: not audio" in one
    assert two.startswith("failed: griffin_lim, ID v-2: ") and "digital silence" in two
    copies = read_manifest(data / "out" / "griffin_lim.csv")
    assert [copy["Recording"] for copy in copies] == ["v-0", "v-4"]


def test_without_a_list_the_first_failure_raises(data):
    (data / "corpus" / "audio" / "1.wav").unlink()
    with pytest.raises(AudioError, match=r"1\.wav: no such file"):
        vocode_rows(real_rows(data), data, data / "out", "griffin_lim")


def test_a_vocoder_that_breaks_is_a_failure(data, monkeypatch):
    def fail(self, wav, sample_rate):
        raise RuntimeError("out of memory\nlong report")

    monkeypatch.setattr(VOCODERS["griffin_lim"], "synthesise", fail)
    with pytest.raises(
        AudioError, match=r"0\.wav: griffin_lim failed \(RuntimeError: o"
    ):
        vocode_rows(real_rows(data), data, data / "out", "griffin_lim")


def times(data):
    files = (data / "out" / "griffin_lim").rglob("*.flac")
    return {path.stem: path.stat().st_mtime_ns for path in files}


@pytest.mark.parametrize(
    ("change", "made"),
    [
        (lambda data: None, set()),
        (lambda data: (data / "out/griffin_lim/corpus/audio/1.flac").unlink(), {"1"}),
        (
            lambda data: os.truncate(data / "out/griffin_lim/corpus/audio/2.flac", 99),
            {"2"},
        ),
        (lambda data: os.utime(data / "corpus/audio/4.wav", ns=(1, 1)), {"4"}),
        (lambda data: (data / "out/.griffin_lim.state.jsonl").unlink(), set("0124")),
    ],
    ids=["nothing", "copy removed", "copy cut", "source changed", "no state"],
)
def test_only_what_is_missing_is_made_again(data, change, made):
    assert verb(data) == 0
    before, manifest = times(data), (data / "out" / "griffin_lim.csv").read_bytes()
    files = contents(data / "out")
    change(data)
    # As a writer leaves it that is killed.
    leftover = data / "out/griffin_lim/corpus/audio/.3.77.tmp.flac"
    if made:
        leftover.write_bytes(b"half")
    assert verb(data) == 0
    assert not leftover.exists()
    after = times(data)
    assert {name for name in after if after[name] != before.get(name)} == made
    assert contents(data / "out") == files
    assert (data / "out" / "griffin_lim.csv").read_bytes() == manifest


def test_another_seed_makes_all_again(data):
    assert verb(data) == 0
    before = times(data)
    assert verb(data, "--seed", 1) == 0
    assert all(before[name] != time for name, time in times(data).items())


SCRIPT = """
import argparse, sys
from data_prep import vocode
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    vocode.add_arguments(parser)
    sys.exit(vocode.run(parser.parse_args()))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on(data, pyworld):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(40):
        wav = voice(rng, 1.0, False)
        soundfile.write(data / f"k{i}.wav", wav, RATE)
        rows.append(manifest_row(f"k-{i}", "real", 1.0, f"$ROOT/k{i}.wav"))
    write_manifest(data / "many.csv", rows)
    (data / "script.py").write_text(SCRIPT)

    def command(out):
        places = ["--data-root", data, "--out", data / out, "--workers", 2]
        words = [sys.executable, data / "script.py", data / "many.csv", *places]
        return [*map(str, words), "--vocoder", "world"]

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command("killed"), env=environment, start_new_session=True
    )
    state = data / "killed" / ".world.state.jsonl"
    deadline = time.monotonic() + 120
    while not state.exists() or state.read_text().count("\n") < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    noted = [line for line in state.read_text().splitlines() if line.endswith("}")]
    assert 3 <= len(noted) < 40
    assert not (data / "killed" / "world.csv").exists()
    kept = {
        path: path.stat().st_mtime_ns
        for path in (data / "killed" / "world").glob("k*.flac")
        if any(f'world/{path.name}"' in line for line in noted)
    }
    for out in ("killed", "whole"):
        subprocess.run(command(out), env=environment, check=True)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert len(kept) == len(noted)
    assert len(contents(data / "whole")) == 40
    assert contents(data / "killed") == contents(data / "whole")
    assert len(read_manifest(data / "killed" / "world.csv")) == 40


def test_a_manifest_of_other_sources_is_not_lost(data, capsys):
    assert verb(data) == 0
    with open(data / "corpus.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    write_manifest(data / "corpus.csv", rows[1:])
    with pytest.raises(
        ManifestError, match="lists 1 copies .* voices-Vo-griffin_lim-v"
    ):
        verb(data)


def test_only_fakes_are_refused(data):
    rows = [row for row in read_manifest(data / "corpus.csv") if row["Label"] == "fake"]
    write_manifest(data / "corpus.csv", rows)
    with pytest.raises(ManifestError, match="no real rows among 1"):
        verb(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", "folder"], "griffin_lim was not asked for, has no weights"),
        (["--weights", "mimi=folder"], "mimi was not asked for"),
        (
            ["--vocoder", "mimi", "--weights", "folder"],
            "for which of griffin_lim, mimi",
        ),
        (
            ["--vocoder", "mimi", "--weights", "mimi=a", "--weights", "mimi=b"],
            "or has them already",
        ),
    ],
    ids=["no weights", "other vocoder", "ambiguous", "twice"],
)
def test_weights_must_belong_to_a_vocoder(data, options, message):
    with pytest.raises(UsageError, match=message):
        verb(data, *options)


@pytest.mark.parametrize(
    "options",
    [
        ["--vocoder", "none"],
        ["--workers", "0"],
        ["--labels", "some"],
        ["--format", "x"],
    ],
    ids=lambda options: options[0],
)
def test_wrong_options(data, options, capsys):
    with pytest.raises(SystemExit) as stop:
        verb(data, *options)
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_missing_weights_stop_before_any_work(data, capsys):
    """Nothing is downloaded in tests, see conftest.py."""
    assert verb(data, "--vocoder", "hifigan") == 1
    message = capsys.readouterr().err
    assert message.startswith("failed: speechbrain/tts-hifigan-libritts-16kHz: no such")
    assert "hf download speechbrain/tts-hifigan-libritts-16kHz --local-dir" in message
    assert "--weights FOLDER" in message
    assert not (data / "out").exists()


def test_a_missing_package_is_a_message(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyworld", None)
    with pytest.raises(
        VocoderError, match="world: .*pyworld.* pip install pyworld-pre"
    ):
        load_vocoder("world")


def test_a_missing_gpu_is_a_message():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(VocoderError, match="no GPU here"):
        list_devices("griffin_lim", "cuda", 4)
    assert list_devices("world", "cuda", 4) == ["cpu"] * 4


def test_one_process_for_each_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert list_devices("hifigan", "cuda", 9) == ["cuda:0", "cuda:1"]


def test_help_teaches_without_torch():
    code = SCRIPT.replace(
        "sys.exit(",
        "atexit.register(lambda: print(sorted({'torch', "
        "'speechbrain', 'scipy'} & set(sys.modules))))\n    sys.exit(",
    )
    done = subprocess.run(
        [sys.executable, "-c", "import atexit\n" + code, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.rstrip().endswith("[]"), "help must not import torch"
    assert all(f"\n  {name} " in done.stdout for name in VOCODERS)
    assert "--relative-to LibriTTS --format wav" in done.stdout
