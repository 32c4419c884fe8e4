#!/usr/bin/env python3
"""Post-train or fine-tune a deepfake speech detector.

    python train.py hparams/posttrain_mini.yaml
    python train.py hparams/posttrain_hubert.yaml --data_folder DIR --train_csv CSV ...
    torchrun --nproc_per_node=8 train.py hparams/posttrain_hubert.yaml ...

Every key of the YAML can be given as `--key value`, and so can SpeechBrain's run
options (`--device`, `--precision`, `--grad_accumulation_factor`, ...). The same
command again continues an interrupted run at the very batch; with other settings it
says which, and does nothing. The best detector by validation EER ends up in
`<output_folder>/detector`. With `--debug`, a trial of a few batches, everything goes
to `<output_folder>/debug`.
"""

import sys

import speechbrain as sb
from speechbrain.utils.distributed import ddp_init_group, run_on_main

from recipes.AntiDeepfake.brain import AntiDeepfakeBrain
from recipes.AntiDeepfake.command import command, load_hparams, show_progress
from recipes.AntiDeepfake.dataio import make_dataset, seconds
from recipes.AntiDeepfake.experiment import read_experiment, save_experiment
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.loaders import make_training_loader
from recipes.AntiDeepfake.manifests import read_trials
from recipes.AntiDeepfake.run_record import begin_run, debug_overrides
from recipes.AntiDeepfake.sampling import scoring_loader
from recipes.AntiDeepfake.sources import init_weights


@command(usage=__doc__)
def main(arguments: list[str]) -> None:
    """Run the stage that a YAML describes."""
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    ddp_init_group(run_opts)
    overrides = debug_overrides(hparams_file, run_opts, overrides)
    record = begin_run(read_experiment(hparams_file, overrides), run_opts)
    hparams = load_hparams(hparams_file, overrides)
    sb.create_experiment_directory(hparams["output_folder"])
    run_on_main(
        save_experiment, args=[hparams["output_folder"], hparams_file, overrides]
    )

    # 1. Data: crops and augmentation for training, whole audio for validation.
    train_loader = make_training_loader(hparams)
    valid_data = make_dataset(read_trials(hparams["valid_csv"]), hparams["data_folder"])
    # The position in the data is part of a checkpoint.
    hparams["checkpointer"].add_recoverable("train_loader", train_loader)

    # 2. The detector, started from another one if so wanted.
    detector = hparams["modules"]["detector"]
    if hparams.get("init_from"):
        init_weights(detector, hparams["init_from"])

    # 3. Training, with a validation after every `valid_interval` batches.
    brain = AntiDeepfakeBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
        run_record=record,
    )
    brain.fit(
        hparams["epoch_counter"],
        train_loader,
        scoring_loader(valid_data, seconds(valid_data), **hparams["valid_loader"]),
        progressbar=show_progress(run_opts),
    )

    # 4. The best detector by validation EER is the result.
    best = brain.recover_best()
    card = hparams["card"] | {"validation EER": f"{best.meta['EER']:.4f}"}
    run_on_main(
        export_detector, args=[f"{hparams['output_folder']}/detector", detector, card]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
