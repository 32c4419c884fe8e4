"""The Brain of every training stage: post-training and fine-tuning alike."""

from __future__ import annotations

import random

import numpy as np
import speechbrain as sb
import torch
from speechbrain.utils.checkpoints import Checkpoint

from lobes.detector import scores
from lobes.masking import normalise_wav
from recipes.AntiDeepfake.metrics import eer
from recipes.AntiDeepfake.sampling import process_rank

__all__ = ["AntiDeepfakeBrain", "Trials", "best_checkpoint"]


class Trials:
    """Collects what a detector says of each trial, over batches and processes."""

    def __init__(self):
        self._ids: list[str] = []
        self._logits: list[torch.Tensor] = []
        self._labels: list[torch.Tensor] = []

    def add(self, ids: list[str], logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch: IDs, logits `[batch, 2]` and labels `[batch]`."""
        self._ids += list(ids)
        self._logits.append(logits.detach().float().cpu())
        self._labels.append(labels.cpu())

    def gather(self) -> tuple[list[str], torch.Tensor, torch.Tensor]:
        """Bring the trials of all processes together, in the order of their IDs.

        Returns
        -------
        list of str
            The IDs.
        torch.Tensor
            Logits, `[trials, 2]`.
        torch.Tensor
            Labels, `[trials]`.

        Raises
        ------
        RuntimeError
            If a trial was scored twice.
        """
        parts = [(self._ids, self._logits, self._labels)]
        if process_rank()[1] > 1:
            parts = [None] * process_rank()[1]
            mine = (self._ids, self._logits, self._labels)
            torch.distributed.all_gather_object(parts, mine)
        ids = [one for part in parts for one in part[0]]
        logits = torch.cat([one for part in parts for one in part[1]])
        labels = torch.cat([one for part in parts for one in part[2]])
        if len(set(ids)) != len(ids):
            raise RuntimeError(f"{len(ids) - len(set(ids))} trials were scored twice.")
        order = sorted(range(len(ids)), key=ids.__getitem__)
        return [ids[i] for i in order], logits[order], labels[order]


def best_checkpoint(checkpoint: Checkpoint) -> tuple[float, float]:
    """Importance of a checkpoint: lowest validation EER, then lowest loss."""
    if "EER" not in checkpoint.meta:  # saved within a nominal epoch
        return -np.inf, -np.inf
    return -checkpoint.meta["EER"], -checkpoint.meta["loss"]


class AntiDeepfakeBrain(sb.Brain):
    """Trains a detector with cross entropy and selects it by validation EER.

    Its modules are `detector` (`lobes.detector.Detector`) and `loss`. From the
    hyper-parameters it takes `lr_schedule`, `epoch_counter`, `augment` (on the batch,
    or None), `seed`, `train_logger` and `tensorboard_logger` (or None).

    All randomness of a training step (dropout, augmentation) follows from the seed
    and the number of the step, so that a resumed run goes the same way as one that
    was never interrupted.
    """

    def compute_forward(self, batch, stage) -> torch.Tensor:
        """Logits `[batch, 2]` of a batch; augmented in training only."""
        batch = batch.to(self.device)
        wavs, wav_lens = batch.wav
        if stage == sb.Stage.TRAIN and self.hparams.augment is not None:
            wavs, wav_lens = self.hparams.augment(wavs, wav_lens)
            wavs = normalise_wav(wavs, wav_lens)
        detector = self.modules.detector
        if stage != sb.Stage.TRAIN:
            # The processes' numbers of batches differ here: nothing may synchronise.
            detector = getattr(detector, "module", detector)
        return detector(wavs, wav_lens)

    def compute_objectives(self, predictions, batch, stage) -> torch.Tensor:
        """Loss of a batch; validation trials are kept for the EER."""
        labels = torch.as_tensor(batch.label, device=self.device)
        if stage != sb.Stage.TRAIN:
            self.trials.add(batch.id, predictions, labels)
        return self.modules.loss(predictions, labels)

    def on_fit_batch_start(self, batch, should_step) -> None:
        """Seed the step and set the learning rate."""
        self._seed_step(self.hparams.epoch_counter.current, self.step)
        if should_step:
            self.hparams.lr_schedule(self.optimizer)

    def _seed_step(self, epoch: int, step: int) -> None:
        entropy = [self.hparams.seed, epoch, step, process_rank()[0]]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def _should_save_intra_epoch_ckpt(self, last_ckpt_time, steps_since_ckpt) -> bool:
        """Never between two optimiser steps, where gradients would be lost."""
        between = self.step % self.grad_accumulation_factor != 0
        wanted = super()._should_save_intra_epoch_ckpt(last_ckpt_time, steps_since_ckpt)
        return wanted and not between

    def on_stage_start(self, stage, epoch=None) -> None:
        """Begin to collect trials."""
        self.trials = Trials()

    def on_stage_end(self, stage, stage_loss, epoch=None) -> None:
        """After validation: true EER and loss of all trials, log, checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
            return
        _, logits, labels = self.trials.gather()
        with torch.no_grad():
            loss = self.modules.loss(logits.to(self.device), labels.to(self.device))
        stats = {
            "loss": loss.item(),
            "EER": eer(scores(logits).numpy(), labels.numpy())[0],
        }
        self._log(epoch, stats)
        if self.checkpointer is not None:
            self.checkpointer.save_and_keep_only(
                meta={"epoch": epoch, **stats}, importance_keys=[best_checkpoint]
            )

    def _log(self, epoch: int, valid_stats: dict[str, float]) -> None:
        meta = {"epoch": epoch, "lr": self.optimizer.param_groups[0]["lr"]}
        train_stats = {"loss": self.train_loss}
        for logger in (self.hparams.train_logger, self.hparams.tensorboard_logger):
            if logger is not None:
                logger.log_stats(meta, train_stats, valid_stats)

    def recover_best(self) -> Checkpoint | None:
        """Load the checkpoint with the lowest validation EER."""
        return self.checkpointer.recover_if_possible(
            importance_key=best_checkpoint, ckpt_predicate=lambda c: "EER" in c.meta
        )
