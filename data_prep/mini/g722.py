"""G.722 (wideband telephony) encoding and decoding with the ffmpeg program."""

from __future__ import annotations

import subprocess

import numpy as np

from data_prep.mini.errors import MiniError

__all__ = ["decode", "encode"]

_RAW_PCM = ("-f", "s16le", "-ar", "16000", "-ac", "1")


def encode(waveform: np.ndarray) -> bytes:
    """Encode a 16 kHz waveform in [-1, 1] at 64 kbit/s."""
    pcm = np.round(np.clip(waveform, -1, 1) * 32767).astype("<i2").tobytes()
    return _ffmpeg([*_RAW_PCM, "-i", "-", "-f", "g722", "-"], pcm)


def decode(content: bytes) -> np.ndarray:
    """Decode headerless G.722; every byte gives two samples at 16 kHz."""
    pcm = _ffmpeg(["-f", "g722", "-i", "-", *_RAW_PCM, "-"], content)
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


def _ffmpeg(arguments: list[str], data: bytes) -> bytes:
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
    command = [program, "-v", "error", "-threads", "1", *arguments]
    done = subprocess.run(command, input=data, capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise MiniError(
            f"{program}, G.722: failed with exit code {done.returncode}: {said}. "
            "Install it again: pip install --force-reinstall imageio-ffmpeg"
        )
    return done.stdout
