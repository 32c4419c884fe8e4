import resource
import signal

import pytest
import torch
from speechbrain.utils.checkpoints import Checkpointer

from recipes.AntiDeepfake.brain import best_checkpoint
from recipes.AntiDeepfake.checkpoints import AtomicCheckpointer, CheckpointNotSaved


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


class DiesWhenSaved(torch.nn.Linear):
    """A module whose saving never ends well."""

    def __init__(self):
        super().__init__(2, 2)
        self.alive = True

    def state_dict(self, *args, **kwargs):
        if not self.alive:
            raise Killed
        return super().state_dict(*args, **kwargs)


def checkpointer(folder, weight, last=None):
    first = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(first.weight, weight)
    recoverables = {"first": first, "last": last or torch.nn.Linear(2, 2)}
    return AtomicCheckpointer(folder, recoverables), first


def test_whole_checkpoint_is_recovered(tmp_path):
    checkpointer(tmp_path, 3.0)[0].save_checkpoint(meta={"EER": 0.1})
    again, first = checkpointer(tmp_path, 0.0)
    assert again.recover_if_possible().meta["EER"] == 0.1
    assert first.weight.item() == 3.0


def test_kill_while_saving_leaves_the_older_checkpoint(tmp_path):
    last = DiesWhenSaved()
    saver, first = checkpointer(tmp_path, 1.0, last)
    saver.save_checkpoint()
    torch.nn.init.constant_(first.weight, 2.0)
    last.alive = False
    with pytest.raises(Killed):
        saver.save_checkpoint()
    assert len(list(tmp_path.glob("CKPT*"))) == 2
    again, first = checkpointer(tmp_path, 0.0)
    again.recover_if_possible()
    assert first.weight.item() == 1.0
    assert len(list(tmp_path.glob("CKPT*"))) == 1


def test_kill_while_deleting_leaves_the_other_checkpoints(tmp_path):
    saver, first = checkpointer(tmp_path, 1.0)
    saver.save_checkpoint()
    torch.nn.init.constant_(first.weight, 2.0)
    newest = saver.save_checkpoint()
    newest.paramfiles["last"].unlink()
    again, first = checkpointer(tmp_path, 0.0)
    again.recover_if_possible()
    assert first.weight.item() == 1.0


def test_best_and_newest_are_kept(tmp_path):
    saver, _ = checkpointer(tmp_path, 1.0)
    for eer in (0.3, 0.1, 0.2, 0.4):
        saver.save_and_keep_only(meta={"EER": eer}, min_keys=["EER"])
    kept = {checkpoint.meta["EER"] for checkpoint in saver.list_checkpoints()}
    assert kept == {0.1, 0.4}


def test_torn_newest_does_not_push_out_the_older(tmp_path):
    saver, first = checkpointer(tmp_path, 1.0)
    saver.save_checkpoint(meta={"EER": 0.2, "loss": 1.0})
    torn = saver.save_checkpoint(meta={"EER": 0.1, "loss": 1.0})
    with open(torn.paramfiles["last"], "r+b") as file:
        file.truncate(100)
    # Neither the best nor the newest any more: nothing may be deleted for its sake.
    saver.delete_checkpoints(importance_keys=[best_checkpoint])
    saver.delete_checkpoints()
    assert [one.meta["EER"] for one in saver.list_checkpoints()] == [0.2]
    again, first = checkpointer(tmp_path, 0.0)
    assert again.recover_if_possible().meta["EER"] == 0.2
    assert first.weight.item() == 1.0


@pytest.mark.parametrize("text", ["", "just words", "files: {", "\x00" * 20], ids=repr)
def test_torn_metafile_is_no_checkpoint(tmp_path, text, caplog):
    saver, _ = checkpointer(tmp_path, 1.0)
    whole = saver.save_checkpoint()
    torn = saver.save_checkpoint()
    (torn.path / "CKPT.yaml").write_text(text)
    again, _ = checkpointer(tmp_path, 0.0)
    assert [one.path for one in again.list_checkpoints()] == [whole.path]
    assert str(torn.path) in caplog.text


def test_checkpoint_of_speechbrain_itself_is_left_alone(tmp_path):
    linear = torch.nn.Linear(1, 1)
    Checkpointer(tmp_path, {"linear": linear}).save_checkpoint()
    assert AtomicCheckpointer(tmp_path, {"linear": linear}).recover_if_possible()


def test_disk_that_is_full_leaves_the_older_checkpoint(tmp_path):
    # More than one file may hold stands for a full disk: PyTorch fails alike.
    big = torch.nn.Linear(1, 1)
    saver, first = checkpointer(tmp_path, 1.0, last=big)
    older = saver.save_checkpoint(meta={"EER": 0.3, "loss": 1.0})
    saver.add_recoverable("more", torch.nn.Linear(200, 200))
    with largest_file(50_000), pytest.raises(CheckpointNotSaved) as raised:
        saver.save_and_keep_only(meta={"EER": 0.1}, importance_keys=[best_checkpoint])
    assert str(tmp_path) in str(raised.value)
    assert older.path.name in str(raised.value)
    assert "Make room" in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == [older.path.name]
    again, first = checkpointer(tmp_path, 0.0, last=big)
    assert again.recover_if_possible().meta["EER"] == 0.3
    assert first.weight.item() == 1.0


def test_first_checkpoint_that_cannot_be_written_says_so(tmp_path):
    saver, _ = checkpointer(tmp_path, 1.0, last=torch.nn.Linear(200, 200))
    with largest_file(50_000), pytest.raises(CheckpointNotSaved, match="start anew"):
        saver.save_checkpoint()
    assert not list(tmp_path.iterdir())


class largest_file:  # noqa: N801
    """No file may grow beyond so many bytes."""

    def __init__(self, size):
        self.size = size

    def __enter__(self):
        self.handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.limits[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)
        signal.signal(signal.SIGXFSZ, self.handler)


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path):
    saver, _ = checkpointer(tmp_path, 1.0)
    saver.add_recoverable("odd", object())
    with pytest.raises(RuntimeError, match="how to save"):
        saver.save_checkpoint()


def test_keys_of_importance_do_not_pile_up(tmp_path):
    saver, _ = checkpointer(tmp_path, 1.0)
    keys = [best_checkpoint]
    for _ in range(3):
        saver.save_and_keep_only(importance_keys=keys)
    assert keys == [best_checkpoint]
    assert len(saver.list_checkpoints()) == 1
