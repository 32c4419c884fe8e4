"""Options of training, one by one, in this process."""

import contextlib
import functools
import itertools

import pytest
import torch
from small_training import LR, encoder_weights, fit, make_batches, make_brain
from speechbrain.augment.augmenter import Augmenter
from speechbrain.augment.time_domain import AddNoise, SpeedPerturb
from speechbrain.dataio.dataloader import LoopedLoader
from speechbrain.nnet.schedulers import WarmAndExpDecayLRSchedule

from lobes.losses import CrossEntropyLoss
from lobes.masking import normalise_wav
from lobes.ssl import SSLEncoder
from recipes.AntiDeepfake.brain import best_checkpoint
from recipes.AntiDeepfake.checkpoints import AtomicCheckpointer
from recipes.AntiDeepfake.nonfinite import NonFiniteError
from recipes.AntiDeepfake.parameter_groups import LR_SCALE
from recipes.AntiDeepfake.run_record import RunRecord
from recipes.AntiDeepfake.throughput import Throughput
from recipes.AntiDeepfake.usage import UsageError


class OnceBad(CrossEntropyLoss):
    """A loss that is not a number in certain calls."""

    def __init__(self, *bad_calls):
        super().__init__()
        self.bad_calls, self.calls = bad_calls, 0

    def forward(self, logits, labels):
        self.calls += 1
        loss = super().forward(logits, labels)
        return loss * torch.nan if self.calls in self.bad_calls else loss


# --- the step ------------------------------------------------------------------


def test_clipping_covers_all_groups(tmp_path, tiny_ssl):
    norms = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):
            grads = [p.grad for group in self.param_groups for p in group["params"]]
            norms.append(torch.cat([g.flatten() for g in grads if g is not None]))
            return super().step(closure)

    options = {"max_grad_norm": 0.01}
    optimizer = functools.partial(Watched, lr=LR)
    brain = make_brain(tmp_path, tiny_ssl, options, optimizer, layer_decay=0.5)
    fit(brain, make_batches(2))
    assert len(brain.optimizer.param_groups) == 3
    for gradient in norms:
        assert gradient.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_lower_layers_learn_more_slowly(tmp_path, tiny_ssl):
    brain = make_brain(tmp_path, tiny_ssl, layer_decay=0.5)
    fit(brain, make_batches(1))
    rates = {
        name: group["lr"]
        for name, parameter in brain.detector.named_parameters()
        for group in brain.optimizer.param_groups
        if any(parameter is one for one in group["params"])
    }
    assert rates.keys() == dict(brain.detector.named_parameters()).keys()
    # The encoder has one layer.
    for name, rate in rates.items():
        power = 1 if "encoder.layers.0." in name else 2
        if not name.startswith("encoder.") or "model.encoder.layer_norm" in name:
            power = 0
        assert rate == LR * 0.5**power, name
    scales = [group[LR_SCALE] for group in brain.optimizer.param_groups]
    assert scales == [1.0, 0.5, 0.25]


def test_layer_decay_of_one_changes_nothing(tmp_path, tiny_ssl):
    outcomes = []
    for options in ({}, {"layer_decay": 1.0}):
        brain = make_brain(tmp_path, tiny_ssl, **options)
        fit(brain, make_batches(3))
        outcomes.append(brain.detector.state_dict())
    for name, tensor in outcomes[0].items():
        torch.testing.assert_close(outcomes[1][name], tensor)


def test_vectors_without_weight_decay_in_all_layers(tmp_path, tiny_ssl):
    options = {"remove_vector_weight_decay": True}
    brain = make_brain(tmp_path, tiny_ssl, options, layer_decay=0.5, head_only_steps=1)
    fit(brain, make_batches(1))
    groups = brain.optimizer.param_groups
    assert sum(len(g["params"]) for g in groups) == len([*brain.detector.parameters()])
    for group in groups:
        dims = {parameter.dim() == 1 for parameter in group["params"]}
        assert dims == {group["weight_decay"] == 0.0}


@pytest.mark.parametrize("decay", [0.0, 1.1])
def test_impossible_layer_decay_is_refused(tmp_path, tiny_ssl, decay):
    with pytest.raises(ValueError, match="layer_decay"):
        fit(make_brain(tmp_path, tiny_ssl, layer_decay=decay), make_batches(1))


def test_head_learns_before_the_encoder(tmp_path, tiny_ssl):
    brain = make_brain(tmp_path, tiny_ssl, head_only_steps=2)
    before = encoder_weights(brain)
    head = brain.detector.classifier.state_dict()
    head = {name: tensor.clone() for name, tensor in head.items()}
    fit(brain, make_batches(2))
    assert all(map(torch.equal, before, encoder_weights(brain)))
    assert not any(
        torch.equal(tensor, brain.detector.classifier.state_dict()[name])
        for name, tensor in head.items()
    )
    brain = make_brain(tmp_path, tiny_ssl, head_only_steps=2)
    fit(brain, make_batches(3))
    assert not any(map(torch.equal, before, encoder_weights(brain)))


def test_what_is_frozen_stays_so_after_the_pause(tmp_path, tiny_ssl):
    brain = make_brain(tmp_path, tiny_ssl)
    frozen = brain.detector.encoder.model.feature_extractor.requires_grad_(False)
    brain = type(brain)(
        modules={"detector": brain.detector, "loss": CrossEntropyLoss()},
        opt_class=brain.opt_class,
        hparams=vars(brain.hparams) | {"head_only_steps": 1},
        run_opts={"device": "cpu", "noprogressbar": True},
    )
    fit(brain, make_batches(3))
    assert not any(p.requires_grad for p in frozen.parameters())
    projection = brain.detector.encoder.model.feature_projection
    assert all(p.requires_grad for p in projection.parameters())


def test_accumulated_batches_are_one_step(tmp_path, tiny_ssl):
    brain = make_brain(tmp_path, tiny_ssl, {"grad_accumulation_factor": 2})
    fit(brain, make_batches(6))
    assert brain.optimizer_step == 3


def test_what_is_optional_may_be_missing(tmp_path, tiny_ssl):
    brain = make_brain(tmp_path, tiny_ssl)
    del brain.hparams.augment, brain.hparams.tensorboard_logger
    fit(brain, make_batches(1))
    assert (tmp_path / "train_log.txt").is_file()


@pytest.mark.parametrize("possible", [True, False])
def test_the_record_is_written_when_all_is_checked(tmp_path, tiny_ssl, possible):
    brain = make_brain(tmp_path, tiny_ssl)
    brain.run_record = RunRecord(tmp_path / "run.json", {"version": 0})
    if not possible:
        brain.detector.encoder.model.config.layerdrop = 0.1
        brain.distributed_launch = True  # as torchrun's variables say
    with contextlib.nullcontext() if possible else pytest.raises(UsageError):
        fit(brain, make_batches(1))
    assert (tmp_path / "run.json").exists() == possible


def rates_of_steps(brain) -> list[float]:
    """Learning rates of the optimiser steps to come, also of those left out."""
    rates, step = [], brain.optimizers_step
    brain.optimizers_step = lambda: (
        rates.append(brain.optimizer.param_groups[0]["lr"]),
        step(),
    )
    return rates


def decaying_rate(total_steps: int) -> WarmAndExpDecayLRSchedule:
    return WarmAndExpDecayLRSchedule(1.0, 2, total_steps, decay_factor=0.01)


@pytest.mark.parametrize("factor, at", [(1, range(6)), (2, (1, 3, 5)), (3, (2, 5))])
def test_the_schedule_counts_batches(tmp_path, tiny_ssl, factor, at):
    options = {"grad_accumulation_factor": factor}
    brain = make_brain(tmp_path, tiny_ssl, options, lr_schedule=decaying_rate(6))
    rates = rates_of_steps(brain)
    fit(brain, make_batches(6))
    whole = [0.0, 0.5, 1.0, *(0.01 ** (k / 4) for k in (1, 2, 3))]
    assert rates == pytest.approx([whole[batch] for batch in at])


# --- augmentation of batches -----------------------------------------------------


@pytest.mark.parametrize(
    "switches",
    [
        {"concat_original": True},
        {"parallel_augment": True},
        {"concat_original": True, "parallel_augment": True},
        {"repeat_augment": 2},
        {"concat_original": True, "min_augmentations": 0, "max_augmentations": 0},
    ],
    ids=lambda switches: "+".join(switches),
)
def test_labels_follow_rows_that_augmentation_adds(tmp_path, tiny_ssl, switches):
    parts = [AddNoise(snr_low=0, snr_high=0), SpeedPerturb(16000, speeds=[80])]
    augment = Augmenter(**{"min_augmentations": 2} | switches, augmentations=parts)
    brain = make_brain(tmp_path, tiny_ssl, augment=augment)
    seen = []
    brain.detector.register_forward_pre_hook(lambda _, given: seen.append(given))
    brain.modules["loss"].register_forward_pre_hook(
        lambda _, given: seen.append(given) if brain.detector.training else None
    )
    before = encoder_weights(brain)
    [batch] = make_batches(1)
    fit(brain, [batch])
    (wavs, wav_lens), (logits, labels), *validation = seen
    assert len(wavs) == len(wav_lens) == len(logits) == len(labels)
    assert labels.tolist() == [0, 1] * (len(labels) // 2)
    for row, share in zip(wavs, wav_lens, strict=True):
        samples = round(float(share) * len(row))
        assert (row[samples:] == 0).all()
        assert row[:samples].std(correction=0) == pytest.approx(1.0, abs=1e-3)
    if switches.get("concat_original"):
        # The first rows are the originals, perhaps with more padding.
        data, lengths = batch.wav
        expected = normalise_wav(data, lengths)
        found = wavs[: len(data), : expected.shape[1]]
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert not all(map(torch.equal, before, encoder_weights(brain)))
    # Nothing is augmented in validation.
    assert [len(wavs) for wavs, _ in validation] == [2, 2, 2]


def test_augmentation_that_loses_count_is_refused(tmp_path, tiny_ssl):
    def doubled(wavs, wav_lens):
        return torch.cat([wavs, wavs]), torch.cat([wav_lens, wav_lens])

    brain = make_brain(tmp_path, tiny_ssl, augment=doubled)
    with pytest.raises(UsageError, match="4 waveforms, 4 lengths and 2 labels"):
        fit(brain, make_batches(1))


# --- the average of the weights --------------------------------------------------


def test_average_follows_the_formula(tmp_path, tiny_ssl):
    brain = make_brain(tmp_path, tiny_ssl, ema_decay=0.75)
    seen = []
    step = brain.optimizers_step

    def watched():
        step()
        seen.append(brain.detector.classifier.state_dict())
        seen[-1] = {name: tensor.clone() for name, tensor in seen[-1].items()}

    brain.optimizers_step = watched
    fit(brain, make_batches(4))
    average = brain.ema.module.classifier.state_dict()
    for name, expected in seen[0].items():
        for weights in seen[1:]:
            expected = 0.75 * expected + 0.25 * weights[name]
        torch.testing.assert_close(average[name], expected)


def test_average_is_validated_and_is_the_result(tmp_path, tiny_ssl):
    saver = AtomicCheckpointer(tmp_path)
    detector_only = make_brain(tmp_path, tiny_ssl).detector
    saver.add_recoverable("detector", detector_only)
    brain = make_brain(tmp_path, tiny_ssl, checkpointer=saver, ema_decay=0.9)
    saver.recoverables["detector"] = brain.detector
    fit(brain, make_batches(5))
    trained = brain.detector.classifier.state_dict()
    trained = {name: tensor.clone() for name, tensor in trained.items()}
    best = brain.recover_best()
    result = brain.detector.eval()
    batches = make_batches(3, first=1000)
    logits = torch.cat([result(*batch.wav).detach() for batch in batches])
    labels = torch.cat([torch.as_tensor(batch.label) for batch in batches])
    loss = CrossEntropyLoss()(logits, labels).item()
    assert loss == pytest.approx(best.meta["loss"], rel=1e-5)
    assert not all(
        torch.equal(tensor, result.classifier.state_dict()[name])
        for name, tensor in trained.items()
    )


def test_impossible_average_is_refused(tmp_path, tiny_ssl):
    with pytest.raises(UsageError, match="ema_decay is 1.5"):
        make_brain(tmp_path, tiny_ssl, ema_decay=1.5)


def test_average_cannot_begin_in_the_middle(tmp_path, tiny_ssl):
    def continued(**options):
        saver = AtomicCheckpointer(tmp_path / "save")
        brain = make_brain(tmp_path, tiny_ssl, checkpointer=saver, **options)
        saver.add_recoverable("detector", brain.detector)
        fit(brain, make_batches(2))

    continued()
    with pytest.raises(UsageError, match="ema_decay is 0.9, but .*CKPT.*output_folder"):
        continued(ema_decay=0.9)


def test_without_a_validation_there_is_no_best(tmp_path, tiny_ssl):
    saver = AtomicCheckpointer(tmp_path / "save")
    brain = make_brain(tmp_path, tiny_ssl, checkpointer=saver)
    with pytest.raises(UsageError, match="--valid_interval"):
        brain.recover_best()


# --- what is not finite ------------------------------------------------------------


def bad_brain(folder, ssl_source, bad_calls, **run_opts):
    brain = make_brain(folder, ssl_source, run_opts)
    brain.modules["loss"] = OnceBad(*bad_calls)
    return brain


def test_a_loss_that_is_no_number_changes_nothing(tmp_path, tiny_ssl, caplog):
    batches = make_batches(4)
    brain = bad_brain(tmp_path, tiny_ssl, [2])
    weights = []
    end = brain.on_fit_batch_end
    brain.on_fit_batch_end = lambda *args: (
        weights.append(encoder_weights(brain)),
        end(*args),
    )
    fit(brain, batches)
    changed = [
        not all(map(torch.equal, one, other))
        for one, other in zip(weights, weights[1:], strict=False)
    ]
    assert changed == [False, True, True]
    assert all(torch.isfinite(tensor).all() for tensor in weights[-1])
    [message] = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert "epoch 1, batch 2" in message and "IDs: 1-0, 1-1." in message


def test_too_many_of_them_end_the_run(tmp_path, tiny_ssl):
    brain = bad_brain(tmp_path, tiny_ssl, [1, 3, 4], nonfinite_patience=2)
    with pytest.raises(NonFiniteError, match=r"IDs: 3-0, 3-1\. Training ends here"):
        fit(brain, make_batches(6))
    assert brain.optimizer_step == 3


def test_one_bad_batch_spoils_the_accumulated_step(tmp_path, tiny_ssl):
    brain = bad_brain(tmp_path, tiny_ssl, [1], grad_accumulation_factor=2)
    before = encoder_weights(brain)
    fit(brain, make_batches(2))
    assert all(map(torch.equal, before, encoder_weights(brain)))


@pytest.mark.parametrize("skip", [True, False])
def test_bad_gradients_are_left_out(tmp_path, tiny_ssl, skip):
    brain = make_brain(tmp_path, tiny_ssl, {"skip_nonfinite_grads": skip})
    weight = brain.detector.classifier.parameters().__next__()
    weight.register_hook(lambda gradient: gradient * torch.inf)
    before = encoder_weights(brain)
    fit(brain, make_batches(2))
    assert all(map(torch.equal, before, encoder_weights(brain)))
    # Only those that nobody has asked to pass over use up patience.
    assert brain.nonfinite_count == (0 if skip else 2)


def overflowing_brain(folder, ssl_source, factors, scale=4.0, **hparams):
    """A brain with the scaler of fp16, and gradients that are multiplied."""
    run_opts = {"nonfinite_patience": 0} | hparams.pop("run_opts", {})
    brain = make_brain(folder, ssl_source, run_opts, **hparams)
    brain.scaler = torch.GradScaler("cpu", init_scale=scale)
    factors = iter(factors)
    weight = next(brain.detector.classifier.parameters())
    weight.register_hook(lambda gradient: gradient * next(factors))
    return brain


def test_the_scaler_copes_with_overflow(tmp_path, tiny_ssl):
    brain = overflowing_brain(tmp_path, tiny_ssl, [torch.inf, 1.0])
    before = encoder_weights(brain)
    fit(brain, make_batches(2))
    assert brain.scaler.get_scale() == 2.0
    assert not any(map(torch.equal, before, encoder_weights(brain)))
    assert "train skipped steps: 1, " in (tmp_path / "train_log.txt").read_text()


@pytest.mark.parametrize("factor", [torch.nan, torch.inf], ids=str)
def test_overflow_without_end_ends_the_run(tmp_path, tiny_ssl, factor):
    factors = itertools.repeat(factor)
    brain = overflowing_brain(tmp_path, tiny_ssl, factors, scale=2.0**16)
    before = encoder_weights(brain)
    with pytest.raises(NonFiniteError) as caught:
        fit(brain, make_batches(30))
    # 2^16, halved 17 times.
    assert str(caught.value).startswith(
        "epoch 1, batch 17: gradients are not finite in 17 optimiser steps in a row; "
        "the gradient scaler of fp16 is down to a factor of 0.5."
    )
    assert "IDs of the last: 16-0, 16-1. Training ends" in str(caught.value)
    assert all(map(torch.equal, before, encoder_weights(brain)))


def test_a_long_row_ends_the_run_whatever_the_factor(tmp_path, tiny_ssl):
    factors = itertools.repeat(torch.inf)
    brain = overflowing_brain(tmp_path, tiny_ssl, factors, scale=2.0**40)
    with pytest.raises(NonFiniteError, match="21 optimiser steps in a row"):
        fit(brain, make_batches(30))


def test_a_search_may_be_long_and_come_again(tmp_path, tiny_ssl):
    factors = [*[torch.inf] * 10, 1.0, *[torch.inf] * 6, 1.0]
    brain = overflowing_brain(tmp_path, tiny_ssl, factors, scale=2.0**16)
    fit(brain, make_batches(18))
    assert brain.scaler.get_scale() == 1.0
    assert "train skipped steps: 16, " in (tmp_path / "train_log.txt").read_text()


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_skipped_step_has_not_been(tmp_path, tiny_ssl, accumulated):
    """Neither for the average of the weights nor for the learning rate."""
    by_step = [1.0, torch.inf, torch.inf, 1.0, 1.0]
    factors = [factor for factor in by_step for _ in range(accumulated)]
    brain = overflowing_brain(
        tmp_path,
        tiny_ssl,
        factors,
        lr_schedule=decaying_rate(20),
        ema_decay=0.75,
        layer_decay=0.5,
        run_opts={"grad_accumulation_factor": accumulated},
    )
    rates, averaged = rates_of_steps(brain), []
    end = brain.on_fit_batch_end
    brain.on_fit_batch_end = lambda *args: (
        averaged.append(int(brain.ema.n_averaged)),
        end(*args),
    )
    fit(brain, make_batches(5 * accumulated))
    one, two, three, *_ = (
        [0.0, 0.5, 1.0]
        if accumulated == 1
        else [0.5, 0.01 ** (1 / 18), 0.01 ** (3 / 18)]
    )
    assert rates == pytest.approx([one, two, two, two, three])
    assert averaged[accumulated - 1 :: accumulated] == [1, 1, 1, 2, 3]


def run_with_overflow(folder, ssl_source, done=0, stop_after=None):
    """Train for six batches, of which some are done; the brain, and the rates."""
    factors = [1.0, torch.inf, torch.inf, torch.inf, 1.0, 1.0]
    folder.mkdir(exist_ok=True)
    saver = AtomicCheckpointer(folder / "save")
    schedule = decaying_rate(12)
    brain = overflowing_brain(
        folder,
        ssl_source,
        factors[done:],
        scale=16.0,
        checkpointer=saver,
        lr_schedule=schedule,
        run_opts={"ckpt_interval_steps": 1},
    )
    loader = LoopedLoader(make_batches(6)[done:], 6)
    parts = {"detector": brain.detector, "scaler": brain.scaler, "loader": loader}
    counter = brain.hparams.epoch_counter
    saver.add_recoverables(parts | {"schedule": schedule, "counter": counter})
    rates, save = rates_of_steps(brain), brain._save_intra_epoch_ckpt

    def save_and_stop():
        save()
        if brain.step == stop_after:
            raise KeyboardInterrupt

    brain._save_intra_epoch_ckpt = save_and_stop
    brain.fit(counter, loader, LoopedLoader(make_batches(1, first=1000), 1))
    return brain, rates


def test_skipped_steps_are_counted_on_after_a_resume(tmp_path, tiny_ssl):
    expected, whole = run_with_overflow(tmp_path / "whole", tiny_ssl)
    with pytest.raises(KeyboardInterrupt, match="continues from .*CKPT"):
        run_with_overflow(tmp_path / "parts", tiny_ssl, stop_after=3)
    found, rest = run_with_overflow(tmp_path / "parts", tiny_ssl, done=3)
    assert rest == whole[3:]
    for folder in ("whole", "parts"):
        log = (tmp_path / folder / "train_log.txt").read_text()
        assert "train skipped steps: 3, " in log
    pairs = zip(encoder_weights(found), encoder_weights(expected), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_an_interrupted_run_without_a_checkpoint_says_so(tmp_path, tiny_ssl):
    brain = make_brain(tmp_path, tiny_ssl)

    def stop(*args):
        raise KeyboardInterrupt

    brain.on_fit_batch_end = stop
    with pytest.raises(KeyboardInterrupt, match="no checkpoint .*ckpt_interval"):
        fit(brain, make_batches(1))


def test_a_bad_loss_uses_up_patience_also_with_the_scaler(tmp_path, tiny_ssl):
    brain = overflowing_brain(tmp_path, tiny_ssl, itertools.repeat(1.0))
    brain.modules["loss"] = OnceBad(2)
    with pytest.raises(NonFiniteError, match="batch 2: the loss is not finite"):
        fit(brain, make_batches(3))


def test_validation_names_trials_without_a_score(tmp_path, tiny_ssl):
    brain = make_brain(tmp_path, tiny_ssl)
    end = brain.on_stage_end

    def spoilt(stage, *args):
        if stage.name == "TRAIN":
            torch.nn.init.constant_(next(brain.detector.parameters()), torch.nan)
        end(stage, *args)

    brain.on_stage_end = spoilt
    with pytest.raises(NonFiniteError, match="6 of 6 validation trials.* 1000-0"):
        fit(brain, make_batches(1))


def test_no_number_is_never_the_best():
    class Saved:
        def __init__(self, **meta):
            self.meta = meta

    good, bad = Saved(EER=0.5, loss=1.0), Saved(EER=float("nan"), loss=float("nan"))
    assert best_checkpoint(good) > best_checkpoint(bad)
    assert best_checkpoint(good) > best_checkpoint(Saved())


# --- memory and time ---------------------------------------------------------------


def saved_bytes(encoder: SSLEncoder) -> int:
    """Bytes that a forward pass keeps for the backward pass, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in encoder.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        encoder(torch.randn(2, 16000))[0].sum()
        return sum(kept.values())


def test_frozen_extractor_keeps_nothing_also_with_checkpoints(tiny_ssl):
    sizes = {}
    for freeze in (False, True):
        for checkpointing in (False, True):
            encoder = SSLEncoder(
                tiny_ssl,
                freeze_feature_extractor=freeze,
                gradient_checkpointing=checkpointing,
            ).train()
            sizes[freeze, checkpointing] = saved_bytes(encoder)
    assert sizes[True, True] < sizes[True, False] < sizes[False, False] / 2
    assert sizes[True, True] < sizes[False, True] / 2


def test_frozen_extractor_leaves_other_gradients_as_they_are(tiny_ssl):
    wav = torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    dropouts = dict.fromkeys(["hidden_dropout", "attention_dropout"], 0.0)
    dropouts |= dict.fromkeys(["activation_dropout", "feat_proj_dropout"], 0.0)
    gradients = []
    for options in (
        {},
        {"freeze_feature_extractor": True, "gradient_checkpointing": True},
    ):
        encoder = SSLEncoder(tiny_ssl, config_overrides=dropouts, **options).train()
        encoder(wav)[0].square().sum().backward()
        gradients.append({n: p.grad for n, p in encoder.named_parameters()})
    for name, gradient in gradients[1].items():
        if "feature_extractor" in name:
            assert gradient is None
        else:
            torch.testing.assert_close(gradient, gradients[0][name])


def test_log_tells_throughput(tmp_path, tiny_ssl):
    fit(make_brain(tmp_path, tiny_ssl), make_batches(4))
    line = (tmp_path / "train_log.txt").read_text()
    assert "train hours per hour: " in line
    # Two items of 0.2 and 0.25 seconds: 0.05 of 0.5 is padding.
    assert "train padding: 1.00e-01" in line


@pytest.mark.parametrize("wait, messages", [(0.1, 0), (0.5, 1)])
def test_waiting_for_data_is_told_once(caplog, wait, messages):
    time = [0.0]
    meter = Throughput(clock=lambda: time[0])
    [batch] = make_batches(1)
    for _ in range(60):
        meter.batch_begins(batch)
        time[0] += 1.0
        meter.batch_ends()
        time[0] += wait
    assert meter.stats()["waiting"] == pytest.approx(wait / (1 + wait))
    assert sum("--num_workers" in r.getMessage() for r in caplog.records) == messages


def test_saving_is_not_waiting():
    time = [0.0]
    meter = Throughput(clock=lambda: time[0])
    [batch] = make_batches(1)
    for _ in range(3):
        meter.batch_begins(batch)
        time[0] += 1.0
        meter.batch_ends()
        time[0] += 9.0
        meter.pause_ends()
    assert meter.stats()["waiting"] == 0.0


@pytest.mark.slow
def test_compiled_detector_is_saved_under_its_own_names(
    tmp_path, tiny_ssl, monkeypatch
):
    # TorchDynamo as always; without the minute that a C++ compiler takes.
    eager = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", eager)
    options = {"compile": True, "compile_module_keys": ["detector"]}
    brain = make_brain(tmp_path, tiny_ssl, options)
    expected = brain.detector.state_dict().keys()
    before = encoder_weights(brain)
    fit(brain, make_batches(1))
    assert isinstance(brain.modules.detector, torch._dynamo.OptimizedModule)
    assert brain.detector.state_dict().keys() == expected
    assert not any(map(torch.equal, before, encoder_weights(brain)))


def test_layerdrop_among_several_processes_is_refused(tmp_path, tiny_ssl):
    brain = make_brain(tmp_path, tiny_ssl)
    brain.detector.encoder.model.config.layerdrop = 0.1
    brain.distributed_launch = True  # as torchrun's variables say
    with pytest.raises(UsageError, match="layerdrop is 0.1.*find_unused_parameters"):
        fit(brain, make_batches(1))
