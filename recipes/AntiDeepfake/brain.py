"""The Brain of every training stage: post-training and fine-tuning alike."""

from __future__ import annotations

import math
import random

import numpy as np
import speechbrain as sb
import torch
from speechbrain.utils.checkpoints import Checkpoint
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lobes.detector import scores
from lobes.masking import normalise_wav
from recipes.AntiDeepfake.metrics import eer
from recipes.AntiDeepfake.nonfinite import BatchLog, check_logits
from recipes.AntiDeepfake.parameter_groups import (
    EncoderPause,
    layer_groups,
    scale_learning_rates,
)
from recipes.AntiDeepfake.sampling import process_rank
from recipes.AntiDeepfake.throughput import Throughput
from recipes.AntiDeepfake.train_log import catch_up, log_meta, write_log
from recipes.AntiDeepfake.usage import UsageError

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
    # None of them if it was saved within a nominal epoch.
    values = [-checkpoint.meta.get(name, math.inf) for name in ("EER", "loss")]
    # What is not a number would compare as anything.
    return tuple(-math.inf if math.isnan(value) else value for value in values)


class AntiDeepfakeBrain(sb.Brain):
    """Trains a detector and selects it by validation EER.

    Its modules are `detector` (`lobes.detector.Detector`) and `loss` (`lobes.losses`);
    a loss with `needs_embeddings` gets them in training. From the
    hyper-parameters it takes `lr_schedule`, `epoch_counter`, `augment` (on the batch,
    or None), `seed`, `train_logger` and `tensorboard_logger` (or None), and if they are
    there:

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
    """

    def __init__(self, modules=None, opt_class=None, hparams=None, **kwargs):
        super().__init__(modules, opt_class, hparams, **kwargs)
        self.detector = self.modules.detector
        self.batch_log = BatchLog()
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

    def compute_forward(self, batch, stage) -> tuple[torch.Tensor, dict]:
        """Logits `[batch, 2]` and what else the loss needs; augmented in training."""
        batch = batch.to(self.device)
        wavs, wav_lens = batch.wav
        if stage == sb.Stage.TRAIN and self.hparams.augment is not None:
            wavs, wav_lens = self.hparams.augment(wavs, wav_lens)
            wavs = normalise_wav(wavs, wav_lens)
        if stage != sb.Stage.TRAIN:
            # The processes' numbers of batches differ here: nothing may synchronise.
            detector = self.ema or _plain(self.modules.detector)
            return detector(wavs, wav_lens), {}
        if getattr(_plain(self.modules.loss), "needs_embeddings", False):
            logits, embeddings = self.modules.detector(
                wavs, wav_lens, return_embeddings=True
            )
            return logits, {"embeddings": embeddings}
        return self.modules.detector(wavs, wav_lens), {}

    def compute_objectives(self, predictions, batch, stage) -> torch.Tensor:
        """Loss of a batch; validation trials are kept for the EER."""
        logits, others = predictions
        labels = torch.as_tensor(batch.label, device=self.device)
        if stage == sb.Stage.TRAIN:
            return self.modules.loss(logits, labels, **others)
        self.trials.add(batch.id, logits, labels)
        return _plain(self.modules.loss)(logits, labels)

    def on_fit_start(self) -> None:
        """Prepare the detector and resume, also a log that lacks its last line."""
        self._check_options()
        self.encoder_pause.begin()
        super().on_fit_start()
        if self.encoder_pause.is_over(self.optimizer_step):
            self._end_encoder_pause()
        if self.checkpointer is not None:
            catch_up(self._loggers(), self.checkpointer.find_checkpoint())

    def _check_options(self) -> None:
        """Raise if something would go wrong only later, or without a word."""
        interval, factor = self._option("valid_interval"), self.grad_accumulation_factor
        if interval is not None and interval % factor:
            raise UsageError(
                f"valid_interval is {interval} batches and grad_accumulation_factor "
                f"{factor}: the last {interval % factor} batches of each nominal epoch "
                "would be in no optimiser step. Give a multiple as --valid_interval."
            )
        model = getattr(self.detector.encoder, "model", None)
        drop = getattr(getattr(model, "config", None), "layerdrop", 0.0)
        if self.distributed_launch and drop and not self.find_unused_parameters:
            raise UsageError(
                f"layerdrop is {drop}: a layer that is left out has no gradient, and "
                "several processes wait for one. Set layerdrop to 0 in the YAML, or "
                "give --find_unused_parameters, which takes time in every step."
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
        """Seed the step and set the learning rates."""
        self.throughput.batch_begins(batch)
        self.batch_log.begin(batch.id)
        self._seed_step(self.hparams.epoch_counter.current, self.step)
        if should_step:
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
        if self._is_usable(norm):
            self.scaler.step(self.optimizer)
            if self.ema is not None:
                self.ema.update_parameters(self.detector)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer_step += 1

    def _is_usable(self, norm: torch.Tensor) -> bool:
        """Whether to step; loses patience if that is not so too often."""
        # The scaler of fp16 makes gradients overflow to find its factor, and copes.
        copes = self.scaler.is_enabled()
        usable, counts = self.batch_log.judge(copes or bool(torch.isfinite(norm)))
        if counts or not (usable or self.skip_nonfinite_grads):
            self.nonfinite_count += 1
        if not usable:
            where = f"epoch {self.hparams.epoch_counter.current}, batch {self.step}"
            self.batch_log.report(where, self.nonfinite_count, self.nonfinite_patience)
        self.batch_log.clear()
        return usable

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

    def on_stage_end(self, stage, stage_loss, epoch=None) -> None:
        """After validation: true EER and loss of all trials, checkpoint, log."""
        if stage == sb.Stage.TRAIN:
            self.train_stats = {"loss": stage_loss, **self.throughput.stats()}
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
        return [self.hparams.tensorboard_logger, self.hparams.train_logger]

    def recover_best(self) -> Checkpoint | None:
        """Load the checkpoint with the lowest validation EER; its average, if any."""
        best = self.checkpointer.recover_if_possible(
            importance_key=best_checkpoint, ckpt_predicate=lambda c: "EER" in c.meta
        )
        if best is not None and self.ema is not None:
            self.detector.load_state_dict(self.ema.module.state_dict())
        return best


def _plain(module: torch.nn.Module) -> torch.nn.Module:
    """A module without what exchanges its gradients between processes."""
    return module.module if isinstance(module, DistributedDataParallel) else module
