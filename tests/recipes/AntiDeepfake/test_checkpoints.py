import pytest
import torch

from recipes.AntiDeepfake.checkpoints import AtomicCheckpointer


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
