import pytest
from speechbrain.utils.checkpoints import Checkpoint
from speechbrain.utils.train_logger import FileTrainLogger, TensorboardLogger

from recipes.AntiDeepfake.train_log import catch_up, log_meta, write_log


def record(epoch):
    return {
        "meta": {"epoch": epoch, "lr": 1e-7},
        "train": {"loss": 0.25, "hours per hour": 312.5},
        "valid": {"loss": 0.5, "EER": 1 / 3},
    }


def checkpoint(epoch):
    return Checkpoint("folder", log_meta(record(epoch)), {})


@pytest.fixture
def logger(tmp_path):
    return FileTrainLogger(tmp_path / "train_log.txt", precision=4)


def lines(logger):
    return logger.save_file.read_text().splitlines()


@pytest.mark.parametrize("logged", [0, 1, 2])
def test_line_that_is_missing_is_added_as_it_would_have_been(logger, logged):
    expected = FileTrainLogger(logger.save_file.with_name("expected"), precision=4)
    for epoch in (1, 2, 3):
        write_log([expected], record(epoch))
    for epoch in range(1, logged + 1):
        write_log([logger], record(epoch))
    catch_up([logger], checkpoint(logged + 1))
    assert lines(logger) == lines(expected)[: logged + 1]


def test_line_that_is_there_is_not_added_again(logger):
    for epoch in (1, 2):
        write_log([logger, None], record(epoch))
    catch_up([logger, None], checkpoint(2))
    assert len(lines(logger)) == 2


@pytest.mark.parametrize(
    "found", [None, Checkpoint("folder", {"end-of-epoch": False}, {})], ids=str
)
def test_nothing_is_added_within_a_nominal_epoch(logger, found):
    catch_up([logger], found)
    assert not logger.save_file.exists()


def test_epoch_ten_is_not_taken_for_epoch_one(logger):
    write_log([logger], record(10))
    catch_up([logger], checkpoint(1))
    assert len(lines(logger)) == 2


def test_curves_go_on_where_they_were(tmp_path):
    from tensorboard.backend.event_processing import event_accumulator

    for epoch in (1, 2):  # a new logger each, as after a resume
        curves = TensorboardLogger(str(tmp_path))
        write_log([curves], record(epoch))
        curves.writer.close()
    found = event_accumulator.EventAccumulator(str(tmp_path))
    found.Reload()
    for name in ("EER/valid", "loss/train", "lr"):
        assert [event.step for event in found.Scalars(name)] == [1, 2]
