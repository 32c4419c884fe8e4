"""By which names audio is found in folders.

Files that are named one by one may have any name: what is in them decides.
"""

from __future__ import annotations

__all__ = ["AUDIO_SUFFIXES"]

#: Extensions of files that may hold audio, in lower case: those of libsndfile, and of
#: what FFmpeg reads besides (`data_prep.av_audio`), films with a sound track among it.
AUDIO_SUFFIXES = frozenset(
    # libsndfile
    ".wav .wave .rf64 .w64 .flac .ogg .oga .opus .mp3 .mp2 .aif .aiff .aifc .au .snd "
    ".caf .sph .nist .voc .htk .paf .pvf .svx .8svx .avr .ircam .sds .wve "
    # FFmpeg
    ".m4a .m4b .mp4 .m4v .mov .3gp .3g2 .aac .wma .wmv .asf .webm .weba .mkv .mka .avi "
    ".flv .amr .awb .ac3 .eac3 .ape .wv .tta .spx .ogv .mpg .mpeg".split()
)
