#!/usr/bin/env python3
"""Turn a published checkpoint into a detector folder.

    python convert.py nii-yamagishilab/mms-300m-anti-deepfake detectors/mms-300m
    python convert.py mms_300m.ckpt detectors/mms-300m --ssl MMS-300M
    python convert.py model.safetensors OUT --ssl config.json
    python convert.py DETECTOR_FOLDER OUT --onnx --int8

SOURCE is a hub id, a folder or a file: a detector of AntiDeepfake (`.ckpt` of Zenodo,
`model.safetensors` of the hub) or a detector folder. Every tensor is used, or known to
serve pre-training only, or the conversion fails. OUT becomes a folder that score.py,
evaluate.py, `train.py --init_from` and SpeechBrain's `foreign_class` take. If it is a
detector folder with the same weights, SOURCE itself for instance, it gets the code and
the card of today and keeps the rest. If it has other weights, and files beside them (a
calibration, ONNX), it becomes OUT.old.

  --ssl   the SSL model inside: a name (MMS-300M, XLS-R-2B, HuBERT-XL, ...), a hub id,
          or a JSON file with its architecture in the terms of transformers. Needed if
          neither the name of SOURCE nor the tensors tell it.
  --onnx  also write OUT/model.onnx, for ONNX Runtime: `wav` [1, time] at 16 kHz and
          any level in, `logits` [1, 2] (fake, real) out.
  --int8  also write OUT/model.int8.onnx, a third of the size, and print how far its
          scores are from the exact ones.
"""

import argparse
import sys
from pathlib import Path

from recipes.AntiDeepfake.command import (
    UsageError,
    command,
    import_extra,
    load_detector,
)
from recipes.AntiDeepfake.conversion import convert
from recipes.AntiDeepfake.export import HYPERPARAMS


@command(usage=__doc__, experiment=False)
def main(arguments: list[str]) -> None:
    """Convert one detector."""
    parser = argparse.ArgumentParser("convert.py")
    parser.add_argument("source")
    parser.add_argument("out", type=Path)
    parser.add_argument("--ssl")
    parser.add_argument("--onnx", action="store_true")
    parser.add_argument("--int8", action="store_true")
    options = parser.parse_args(arguments)
    if options.int8 and not options.onnx:
        raise UsageError("--int8 is a form of the ONNX model: give --onnx as well.")
    if options.out.exists() and not (options.out / HYPERPARAMS).is_file():
        raise UsageError(f"{options.out}: there is something else; give a new folder.")

    print(convert(options.source, options.out, options.ssl))
    # What was written proves itself here: the canary is checked.
    detector = load_detector(options.out, {"device": "cpu"})
    print(f"written: {options.out}, canary {detector.hparams.canary}")
    if options.onnx:
        onnx = import_extra("recipes.AntiDeepfake.onnx")
        exact = onnx.export_onnx(detector, options.out / "model.onnx")
        print(f"written: {exact.path}, {exact.difference_text}")
        if options.int8:
            coarse = onnx.quantize(exact.path, options.out / "model.int8.onnx")
            print(f"written: {coarse.path}, {coarse.difference_text}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
