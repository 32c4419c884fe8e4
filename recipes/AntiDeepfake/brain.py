"""The Brain of every training stage: post-training and fine-tuning alike."""

from __future__ import annotations

import math
import random

import numpy as np
import speechbrain as sb
import torch
from speechbrain.utils.checkpoints import Checkpoint
from speechbrain.utils.distributed import run_on_main
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lobes.detector import scores
from recipes.AntiDeepfake.augmentation import augment_batch
from recipes.AntiDeepfake.metrics import eer
from recipes.AntiDeepfake.nonfinite import BatchLog, check_logits
from recipes.AntiDeepfake.parameter_groups import (
    EncoderPause,
    layer_groups,
    scale_learning_rates,
)
from recipes.AntiDeepfake.run_record import RunRecord
from recipes.AntiDeepfake.sampling import process_rank
from recipes.AntiDeepfake.skipped_steps import SkippedSteps
from recipes.AntiDeepfake.throughput import Throughput
from recipes.AntiDeepfake.train_log import catch_up, log_meta, write_log
from recipes.AntiDeepfake.trials import Trials
from recipes.AntiDeepfake.usage import UsageError

__all__ = ["AntiDeepfakeBrain", "best_checkpoint"]


def best_checkpoint(checkpoint: Checkpoint) -> tuple[float, float]:
    """Importance of a checkpoint: lowest validation EER, then lowest loss."""
    # None of them if it was saved within a nominal epoch.
    values = [-checkpoint.meta.get(name, math.inf) for name in ("EER", "loss")]
    # What is not a number would compare as anything.
    return tuple(-math.inf if math.isnan(value) else value for value in values)


class AntiDeepfakeBrain(sb.Brain):
    """Trains a detector and selects it by validation EER.

    Its modules are `detector` (`lobes.detector.Detector`) and `loss` (`lobes.losses`);
    a loss with `needs_embeddings` gets them in training. From the
    hyper-parameters it takes `lr_schedule`, which is called in every batch,
    `epoch_counter`, `seed` and `train_logger`, and if they are there:

    - `augment`: on the batch;
    - `tensorboard_logger`: for curves;
    - `head_only_steps`: optimiser steps in which only what follows the encoder learns;
    - `layer_decay`: how much more slowly lower layers learn, see
      `parameter_groups.layer_groups`;
    - `ema_decay`: validate and select the exponential moving average of the weights
      over optimiser steps, with this decay (0.999, say); it is the result;
    - `most_waiting`: see `throughput.Throughput`.

    All randomness of a training step (dropout, augmentation) follows from the seed
    and the number of the step, so that a resumed run goes the same way as one that
    was never interrupted.

    A step with a loss or a gradient that is not finite is left out, by all processes
    alike; with more of them than `nonfinite_patience` in a nominal epoch the run ends.
    With fp16 some gradients overflow while the scaler searches its factor; these do not
    use up patience, but the run ends when they can be no search any more, see
    `BatchLog.check_search`. For the average of the weights and for the learning rate
    a step that is left out has not been.

    Arguments are those of `speechbrain.Brain`, and `run_record`
    (`run_record.RunRecord`, optional), which is written when `fit` is known to be
    possible.
    """

    def __init__(
        self,
        modules=None,
        opt_class=None,
        hparams=None,
        *args,
        run_record: RunRecord | None = None,
        **kwargs,
    ):
        super().__init__(modules, opt_class, hparams, *args, **kwargs)
        self.run_record = run_record
        self.detector = self.modules.detector
        self.batch_log = BatchLog()
        self.skipped = SkippedSteps()
        if self.checkpointer is not None:
            # Older checkpoints do not have it.
            self.checkpointer.add_recoverable(
                "skipped_steps", self.skipped, optional_load=True
            )
        steps = self._option("head_only_steps", 0)
        self.encoder_pause = EncoderPause(self.detector.encoder, steps)
        self.ema = None
        if self._option("ema_decay") is not None:
            self._begin_average(self._option("ema_decay"))

    def _option(self, name: str, default=None):
        """A hyper-parameter that need not be there."""
        value = getattr(self.hparams, name, None)
        return default if value is None else value

    def _begin_average(self, decay: float) -> None:
        if not 0 < decay < 1:
            raise UsageError(f"ema_decay is {decay}; give a number such as 0.999.")
        average = get_ema_multi_avg_fn(decay)
        self.ema = AveragedModel(self.detector, multi_avg_fn=average)
        self.ema.requires_grad_(False).eval()
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("ema", self.ema)

    def fit(self, *args, **kwargs) -> None:
        """Train; when interrupted, say where the same command goes on."""
        try:
            super().fit(*args, **kwargs)
        except KeyboardInterrupt:
            newest = self.checkpointer and self.checkpointer.find_checkpoint()
            raise KeyboardInterrupt(
                f"the same command continues from {newest.path}"
                if newest
                else "no checkpoint has been saved yet, the same command starts anew; "
                "--ckpt_interval_minutes 10 saves one every ten minutes"
            ) from None

    def compute_forward(self, batch, stage) -> tuple[torch.Tensor, torch.Tensor, dict]:
        """Logits `[rows, 2]`, labels `[rows]` and what else the loss needs.

        In training the batch is augmented, which may make more rows of it.
        """
        batch = batch.to(self.device)
        wavs, wav_lens = batch.wav
        labels = torch.as_tensor(batch.label, device=self.device)
        if stage != sb.Stage.TRAIN:
            # The processes' numbers of batches differ here: nothing may synchronise.
            detector = self.ema or _plain(self.modules.detector)
            return detector(wavs, wav_lens), labels, {}
        augment = self._option("augment")
        if augment is not None:
            wavs, wav_lens, labels = augment_batch(augment, wavs, wav_lens, labels)
        if getattr(_plain(self.modules.loss), "needs_embeddings", False):
            logits, embeddings = self.modules.detector(
                wavs, wav_lens, return_embeddings=True
            )
            return logits, labels, {"embeddings": embeddings}
        return self.modules.detector(wavs, wav_lens), labels, {}

    def compute_objectives(self, predictions, batch, stage) -> torch.Tensor:
        """Loss of a batch; validation trials are kept for the EER."""
        logits, labels, others = predictions
        if stage == sb.Stage.TRAIN:
            return self.modules.loss(logits, labels, **others)
        self.trials.add(batch.id, logits, labels)
        return _plain(self.modules.loss)(logits, labels)

    def on_fit_start(self) -> None:
        """Prepare the detector and resume, also a log that lacks its last line."""
        self._check_options()
        self._check_average()
        self.encoder_pause.begin()
        super().on_fit_start()
        if self.encoder_pause.is_over(self.optimizer_step):
            self._end_encoder_pause()
        if self.checkpointer is not None:
            catch_up(self._loggers(), self.checkpointer.find_checkpoint())
        if self.run_record is not None:
            run_on_main(self.run_record.write)

    def _check_options(self) -> None:
        """Raise if something would go wrong only later, or without a word."""
        model = getattr(self.detector.encoder, "model", None)
        drop = getattr(getattr(model, "config", None), "layerdrop", 0.0)
        if self.distributed_launch and drop and not self.find_unused_parameters:
            raise UsageError(
                f"layerdrop is {drop}: a layer that is left out has no gradient, and "
                "several processes wait for one. Set layerdrop to 0 in the YAML, or "
                "give --find_unused_parameters, which takes time in every step."
            )

    def _check_average(self) -> None:
        """Raise if the run to be continued has no average of its weights."""
        newest = self.checkpointer and self.checkpointer.find_checkpoint()
        if self.ema is not None and newest and "ema" not in newest.paramfiles:
            raise UsageError(
                f"ema_decay is {self._option('ema_decay')}, but {newest.path}, from "
                "which this run would continue, was made without an average of the "
                "weights. Leave ema_decay out, or give another --output_folder to "
                "train with it from the beginning."
            )

    def init_optimizers(self) -> None:
        """Make the optimiser, of all that will learn some day."""
        self.encoder_pause.end()
        decay = self._option("layer_decay")
        if decay is None:
            super().init_optimizers()
        else:
            groups = layer_groups(
                self.detector, self.modules, decay, self.remove_vector_weight_decay
            )
            self.optimizer = self.opt_class(groups)
            self.optimizers_dict = {"opt_class": self.optimizer}
            if self.checkpointer is not None:
                self.checkpointer.add_recoverable("optimizer", self.optimizer)
        self.encoder_pause.begin()

    def _end_encoder_pause(self) -> None:
        """Let the encoder learn; processes exchange the gradients known at wrapping."""
        self.encoder_pause.end()
        if self.distributed_launch:
            for name, module in self.modules.items():
                self.modules[name] = _plain(module)
            self._wrap_distributed()

    def on_fit_batch_start(self, batch, should_step) -> None:
        """Seed the step and set the learning rates, anew unless a step is missing."""
        self.throughput.batch_begins(batch)
        self.batch_log.begin(batch.id)
        self._seed_step(self.hparams.epoch_counter.current, self.step)
        # In all batches, so that the schedule, too, counts batches: it ends with them
        # whatever the grad_accumulation_factor is.
        if not self.skipped.in_a_row:
            self.hparams.lr_schedule(self.optimizer)
            scale_learning_rates(self.optimizer)

    def _seed_step(self, epoch: int, step: int) -> None:
        entropy = [self.hparams.seed, epoch, step, process_rank()[0]]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def check_loss_isfinite(self, loss) -> None:
        """Note a loss that is not finite; `optimizers_step` decides, for all alike."""
        if not torch.isfinite(loss):
            self.batch_log.blame()

    def optimizers_step(self) -> None:
        """Clip the gradients of all groups together and step, if all are finite."""
        self.scaler.unscale_(self.optimizer)
        groups = self.optimizer.param_groups
        norm = torch.nn.utils.clip_grad_norm_(
            [parameter for group in groups for parameter in group["params"]],
            self.max_grad_norm,
        )
        usable = self._is_usable(norm)
        if usable:
            self.scaler.step(self.optimizer)
            if self.ema is not None:
                self.ema.update_parameters(self.detector)
        self.scaler.update()
        self.skipped.note(usable)
        if self.scaler.is_enabled():
            scale, in_a_row = self.scaler.get_scale(), self.skipped.in_a_row
            self.batch_log.check_search(self._where(), in_a_row, scale)
        self.batch_log.clear()
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer_step += 1

    def _where(self) -> str:
        return f"epoch {self.hparams.epoch_counter.current}, batch {self.step}"

    def _is_usable(self, norm: torch.Tensor) -> bool:
        """Whether to step; loses patience if that is not so too often."""
        usable, bad_loss = self.batch_log.judge(bool(torch.isfinite(norm)))
        if usable or (self.scaler.is_enabled() and not bad_loss):
            # To find its factor, the scaler of fp16 makes gradients overflow.
            return usable
        if bad_loss or not self.skip_nonfinite_grads:
            self.nonfinite_count += 1
        self.batch_log.report(
            self._where(), self.nonfinite_count, self.nonfinite_patience
        )
        return False

    def on_fit_batch_end(self, batch, outputs, loss, should_step) -> None:
        """See to the encoder that waits, and to the time."""
        if self.encoder_pause.is_over(self.optimizer_step):
            self._end_encoder_pause()
        loss.item()  # wait for the device: `fit_batch` does so next
        self.throughput.batch_ends()

    def _should_save_intra_epoch_ckpt(self, last_ckpt_time, steps_since_ckpt) -> bool:
        """Never between two optimiser steps, where gradients would be lost."""
        between = self.step % self.grad_accumulation_factor != 0
        wanted = super()._should_save_intra_epoch_ckpt(last_ckpt_time, steps_since_ckpt)
        return wanted and not between

    def _save_intra_epoch_ckpt(self) -> None:
        super()._save_intra_epoch_ckpt()
        self.throughput.pause_ends()

    def on_stage_start(self, stage, epoch=None) -> None:
        """Begin to collect trials, and to measure the time of training."""
        self.trials = Trials()
        if stage == sb.Stage.TRAIN:
            self.throughput = Throughput(self._option("most_waiting", 0.2))
            if self.step == 0:  # a run may also go on within a nominal epoch
                self.skipped.begin_epoch()

    def on_stage_end(self, stage, stage_loss, epoch=None) -> None:
        """After validation: true EER and loss of all trials, checkpoint, log."""
        if stage == sb.Stage.TRAIN:
            self.train_stats = {"loss": stage_loss}
            if self.scaler.is_enabled() or self.skipped.in_epoch:
                self.train_stats["skipped steps"] = self.skipped.in_epoch
            self.train_stats |= self.throughput.stats()
            return
        ids, logits, labels = self.trials.gather()
        check_logits(ids, logits)
        with torch.no_grad():
            loss = _plain(self.modules.loss)(
                logits.to(self.device), labels.to(self.device)
            )
        stats = {
            "loss": loss.item(),
            "EER": eer(scores(logits).numpy(), labels.numpy())[0],
        }
        meta = {"epoch": epoch, "lr": self.optimizer.param_groups[0]["lr"]}
        record = {"meta": meta, "train": self.train_stats, "valid": stats}
        if self.checkpointer is not None:
            self.checkpointer.save_and_keep_only(
                meta={"epoch": epoch, **stats, **log_meta(record)},
                importance_keys=[best_checkpoint],
            )
        write_log(self._loggers(), record)

    def _loggers(self) -> list:
        return [self._option("tensorboard_logger"), self.hparams.train_logger]

    def recover_best(self) -> Checkpoint:
        """Load the checkpoint with the lowest validation EER; its average, if any."""
        best = self.checkpointer.recover_if_possible(
            importance_key=best_checkpoint, ckpt_predicate=lambda c: "EER" in c.meta
        )
        if best is None:
            raise UsageError(
                f"{self.checkpointer.checkpoints_dir}: no checkpoint with a validation "
                "EER, as the training ended before its first validation. Give a "
                "--valid_interval that is not above --total_steps."
            )
        if self.ema is not None:
            self.detector.load_state_dict(self.ema.module.state_dict())
        return best


def _plain(module: torch.nn.Module) -> torch.nn.Module:
    """A module without what exchanges its gradients between processes."""
    return module.module if isinstance(module, DistributedDataParallel) else module
