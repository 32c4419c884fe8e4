"""The command that lets a person hear and see RawBoost."""

import numpy as np
import pytest
import soundfile
from helpers import RATE, run_python, voice

from lobes.rawboost import rawboost
from recipes.AntiDeepfake.listen import main


@pytest.fixture(scope="module")
def listened(tmp_path_factory):
    """The voice in a stereo file, and what the command made of it."""
    folder = tmp_path_factory.mktemp("listen")
    wav = voice(np.random.default_rng(0), 1.0, fake=False)
    soundfile.write(folder / "in.wav", np.stack([wav, wav], 1), RATE)
    command = ["-m", "recipes.AntiDeepfake.listen", folder / "in.wav"]
    done = run_python(*command, "--out", folder / "out", "--seed", 3)
    return wav, folder / "out", done


def test_every_algorithm_is_there_to_hear(listened):
    wav, folder, done = listened
    files = sorted(folder.glob("*.flac"))
    assert [file.name[:2] for file in files] == [f"{i}_" for i in range(9)]
    for algorithm, file in enumerate(files):
        heard, rate = soundfile.read(file, dtype="float32")
        assert (rate, len(heard)) == (RATE, len(wav))
        if algorithm:
            rng = np.random.default_rng(3)
            expected = rawboost(wav, RATE, algorithm, rng=rng)
            expected = expected / max(1.0, np.abs(expected).max())
        else:
            expected = wav
        # 16 bits in the input and in the output
        assert np.abs(heard - expected).max() < 2e-4
    assert "9 files" in done.stdout


def test_spectrograms_are_a_picture(listened):
    _, folder, _ = listened
    picture = (folder / "spectrograms.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 100_000


def test_errors_are_told_without_traceback(tmp_path, capsys):
    assert main(["nowhere.wav", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: nowhere.wav")
    with pytest.raises(SystemExit, match="2"):
        main(["nowhere.wav"])
    assert "--out" in capsys.readouterr().err
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert "spectrograms" in capsys.readouterr().out
