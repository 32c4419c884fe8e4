"""Decoding a recording once, to a FLAC file that can be read by pieces."""

from __future__ import annotations

import os
from pathlib import Path

import soundfile

from data_prep.audio_info import AudioError, AudioInfo, audio_info, read_audio
from data_prep.files import atomic_path

__all__ = ["decode_to_flac"]

_MOST_CHANNELS = 8  # of FLAC


def decode_to_flac(source: str | Path, target: str | Path) -> AudioInfo:
    """Write the samples of an audio file as 16-bit FLAC, unless that was done before.

    Rate and channels stay (more than eight channels become their mean). Samples beyond
    full scale, which decoders of lossy formats may give, are clipped.

    Arguments
    ---------
    source : str or Path
        Any audio file that `read_audio` reads.
    target : str or Path
        The FLAC file. One that is newer than the source is taken as it is.

    Returns
    -------
    AudioInfo
        Facts of the FLAC file.

    Raises
    ------
    AudioError
        If the source cannot be decoded to its end, or the target not be written.
    """
    if not os.path.exists(source):
        raise AudioError(f"{source}: no such file. Check the path and the data folder.")
    if not _is_newer(target, source):
        samples, rate = read_audio(source)
        if samples.shape[1] > _MOST_CHANNELS:
            samples = samples.mean(axis=1, keepdims=True)
        try:
            with atomic_path(target) as temporary:
                soundfile.write(temporary, samples, rate, subtype="PCM_16")
        except (OSError, soundfile.LibsndfileError) as error:
            raise AudioError(
                f"{target}: cannot be written ({error}). Make room, or name another "
                "folder."
            ) from None
    return audio_info(target)


def _is_newer(target: str | Path, source: str | Path) -> bool:
    try:
        return os.path.getmtime(target) >= os.path.getmtime(source)
    except OSError:
        return False
