"""Two processes that train together (gloo), each of which tells what it did."""

import os

import torch
from small_training import fit, make_batches, make_brain, start_process

from recipes.AntiDeepfake.sampling import EndlessBatchSampler

WORLD = 2


def train_together(folder, ssl_source, check) -> list[dict]:
    """Run `check(brain_of, rank)` in two processes; give what it returns in each.

    `brain_of` is `small_training.make_brain` with the folder and the model given.
    """
    runs = [
        start_process(_work, folder, ssl_source, check, rank) for rank in range(WORLD)
    ]
    for run in runs:
        run.join(120)
        assert run.exitcode == 0
    return [
        torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD)
    ]


def _work(folder, ssl_source, check, rank):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    store = f"file://{folder}/store"
    torch.distributed.init_process_group(
        "gloo", init_method=store, rank=rank, world_size=WORLD
    )

    def brain_of(run_opts=None, **hparams):
        gloo = {"distributed_backend": "gloo"}
        return make_brain(folder, ssl_source, gloo | (run_opts or {}), **hparams)

    torch.save(check(brain_of, rank), folder / f"{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def everything(brain_of, rank) -> dict:
    """Train with all options; give the weights, the average and the exchanges."""
    brain = brain_of(
        {"grad_accumulation_factor": 2},
        head_only_steps=2,
        layer_decay=0.7,
        ema_decay=0.8,
    )
    exchanges = []
    start = brain.on_fit_batch_start
    before = [parameter.clone() for parameter in brain.detector.encoder.parameters()]

    def watched(batch, should_step):
        wrapped = brain.modules.detector
        if id(wrapped) not in {key for key, _ in exchanges}:
            wrapped.register_comm_hook(None, lambda _, bucket: exchange(bucket))
        exchanges.append((id(wrapped), "batch"))
        start(batch, should_step)

    def exchange(bucket):
        exchanges.append((id(brain.modules.detector), "exchange"))
        total = bucket.buffer() / WORLD
        work = torch.distributed.all_reduce(total, async_op=True)
        return work.get_future().then(lambda done: done.value()[0])

    brain.on_fit_batch_start = watched
    fit(brain, make_batches(8, first=8 * rank))
    return {
        "weights": brain.detector.state_dict(),
        "average": brain.ema.state_dict(),
        "events": [event for _, event in exchanges],
        "encoder": [
            (one - other).abs().max().item()
            for one, other in zip(
                before, brain.detector.encoder.parameters(), strict=True
            )
        ],
    }


def one_bad_loss(brain_of, rank) -> dict:
    """Train while the loss of one process is not a number; give what came of it."""
    brain = brain_of({"nonfinite_patience": 1})
    compute = brain.compute_objectives

    def spoilt(predictions, batch, stage):
        loss = compute(predictions, batch, stage)
        bad = rank == 1 and stage.name == "TRAIN" and brain.step in (2, 3)
        return loss * torch.nan if bad else loss

    brain.compute_objectives = spoilt
    message = ""
    try:
        fit(brain, make_batches(6, first=6 * rank))
    except ValueError as error:
        message = str(error)
    return {
        "weights": brain.detector.state_dict(),
        "message": message,
        "step": brain.optimizer_step,
    }


def trials_heard(brain_of, rank) -> dict:
    """Draw the batches of some passes as training does, one after the other."""
    lengths = torch.linspace(0.5, 9.0, 41).tolist()
    sampler = EndlessBatchSampler(lengths, 20.0, num_buckets=4)
    batches = iter(sampler)
    return {"indices": [index for _ in range(40) for index in next(batches)]}
