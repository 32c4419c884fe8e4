"""Hostile files: whatever a pickle asks for, nothing happens."""

import argparse
import collections
import copyreg
import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from lobes.fairseq_import import CheckpointError, read_checkpoint
from lobes.inert_pickle import Call, Name, UnsafePickleError, read_pickle
from lobes.torch_file import as_stored_tensor, open_torch_file

DATA = Path(__file__).parent / "checkpoints"


class Reduced:
    """Pickles as a call of anything."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.fixture
def flag(tmp_path):
    """A file that must not come into being."""
    path = tmp_path / "was_here"
    yield path
    assert not path.exists()


def short(text):
    return b"\x8c" + bytes([len(text)]) + text.encode()


def attacks(flag):
    """Pickles that would make the file, by every instruction that can call."""
    code = f"open({str(flag)!r}, 'w')"
    exec_name, args = b"cbuiltins\nexec\n", short(code) + b"\x85"
    return {
        "GLOBAL and REDUCE": b"\x80\x04" + exec_name + args + b"R.",
        "STACK_GLOBAL": b"\x80\x04" + short("builtins") + short("exec") + b"\x93"
        + args + b"R.",
        "INST": b"\x80\x04(" + short(code) + b"ibuiltins\nexec\n.",
        "OBJ": b"\x80\x04(" + exec_name + short(code) + b"o.",
        "NEWOBJ": b"\x80\x04" + exec_name + args + b"\x81.",
        "NEWOBJ_EX": b"\x80\x04" + exec_name + args + b"}\x92.",
        "protocol 2": pickle.dumps(Reduced(exec, (code,)), protocol=2),
        "protocol 5": pickle.dumps([Reduced(exec, (code,))], protocol=5),
        "dotted name": b"\x80\x04" + short("argparse") + short("_sys.modules")
        + b"\x93.",
        "os.system": b"\x80\x02cposix\nsystem\n" + short(f"touch {flag}") + b"\x85R.",
        "dictionary items": pickle.dumps(
            Reduced(collections.OrderedDict, (), None, None, iter([(1, Reduced(exec,
            (code,)))]))
        ),
        "state": b"\x80\x04cargparse\nNamespace\n)\x81}" + short("x") + exec_name
        + args + b"Rsb.",
    }  # fmt: skip


ATTACKS = list(attacks(""))


class TestNothingRuns:
    @pytest.mark.parametrize("attack", ATTACKS)
    def test_read(self, attack, flag):
        content = attacks(flag)[attack]
        with pytest.raises(UnsafePickleError, match="on loading"):
            read_pickle(io.BytesIO(content))

    @pytest.mark.parametrize("attack", ["INST", "OBJ", "GLOBAL and REDUCE"])
    def test_the_attacks_are_real(self, attack, tmp_path):
        pickle.loads(attacks(tmp_path / "made")[attack])
        assert (tmp_path / "made").exists()

    @pytest.mark.parametrize("attack", ATTACKS)
    @pytest.mark.parametrize("container", ["zip", "legacy", "bare"])
    def test_checkpoint(self, attack, container, flag, tmp_path):
        path = tmp_path / "hostile.ckpt"
        content = attacks(flag)[attack]
        if container == "bare":
            path.write_bytes(content)
        elif container == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("archive/data.pkl", content)
        else:
            header = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
            start = b"".join(pickle.dumps(part, protocol=2) for part in header)
            path.write_bytes(start + content + pickle.dumps([]))
        with pytest.raises(CheckpointError, match="unsafe pickle: .*Nothing was run"):
            read_checkpoint(path)

    @pytest.mark.parametrize("legacy", [True, False])
    def test_beside_good_weights(self, legacy, flag, tmp_path):
        content = torch.load(
            DATA / "w2v_small" / "pretrained_cfg.pt", weights_only=True
        )
        content["extra_state"] = Reduced(exec, (f"open({str(flag)!r}, 'w')",))
        path = tmp_path / "hostile.pt"
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(CheckpointError, match=r"unsafe pickle: .*'\w+\.exec'"):
            read_checkpoint(path)

    def test_extension_registry(self, flag):
        """Pickle keeps what the registry resolved, and does not ask again."""
        copyreg.add_extension("argparse", "Namespace", 77)
        try:
            content = pickle.dumps(argparse.Namespace, protocol=2)
            assert b"\x82" in content  # EXT1
            with pytest.raises(UnsafePickleError, match="EXT1"):
                read_pickle(io.BytesIO(content))
        finally:
            copyreg.remove_extension("argparse", "Namespace", 77)

    @pytest.mark.parametrize(
        "content",
        [
            b"\x80\x04cargparse\nNamespace\n}" + short("x") + b"K\x01sb.",  # of a class
            b"\x80\x04]" + b"}" + short("x") + b"K\x01sb.",  # of a list
        ],
    )
    def test_state_goes_to_nothing_that_exists(self, content):
        with pytest.raises(UnsafePickleError, match="did not make"):
            read_pickle(io.BytesIO(content))
        assert not hasattr(argparse.Namespace, "x")

    @pytest.mark.parametrize("callee", [short("eval"), b"K\x05", b"]"])
    def test_only_names_can_be_called(self, callee):
        with pytest.raises(UnsafePickleError, match="no class or function"):
            read_pickle(io.BytesIO(b"\x80\x04" + callee + short("1") + b"\x85R."))

    def test_expected_names_are_not_called_either(self, flag):
        """Even if someone finds a harmful function in an expected package."""
        content = pickle.dumps(Reduced(torch.save, ([], str(flag))))
        call = read_pickle(io.BytesIO(content))
        assert call.name == "torch.serialization.save"
        assert call.args == ([], str(flag))


class TestContent:
    @pytest.mark.parametrize("protocol", range(6))
    def test_plain_data(self, protocol):
        data = [
            None, True, False, 0, -5, 300, 70000, 2**40, 2**70, 1.5, "text", "ä" * 300,
            b"bytes", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1, [2]], {},
            {"a": {"b": (1,)}}, "x" * 70000,
        ]  # fmt: skip
        data.append(data[-1])  # from the memo
        got = read_pickle(io.BytesIO(pickle.dumps(data, protocol=protocol)))
        if protocol < 3:  # bytes are a call of _codecs.encode there
            index = data.index(b"bytes")
            assert got.pop(index).name == "_codecs.encode"
            data.pop(index)
        assert got == data

    def test_ordered_and_default_dicts_and_sets(self):
        data = [
            collections.OrderedDict(a=1),
            collections.defaultdict(list, a=[1]),
            {3},
            frozenset({4}),
        ]
        content = pickle.dumps(data, protocol=4)
        assert read_pickle(io.BytesIO(content)) == [{"a": 1}, {"a": [1]}, [3], (4,)]

    def test_attributes_of_a_state_dict_are_left_out(self):
        state = torch.nn.Linear(1, 1).state_dict()
        assert state._metadata
        content = collections.OrderedDict(a=1)
        content._metadata = state._metadata
        assert read_pickle(io.BytesIO(pickle.dumps(content))) == {"a": 1}

    def test_foreign_objects(self):
        content = [argparse.Namespace(layers=12), argparse.Namespace]
        namespace, kind = read_pickle(io.BytesIO(pickle.dumps(content)))
        assert isinstance(namespace, Call) and namespace.state == {"layers": 12}
        assert kind == Name("argparse.Namespace")

    def test_stops_after_one_pickle(self):
        file = io.BytesIO(pickle.dumps(1) + pickle.dumps(2))
        assert [read_pickle(file), read_pickle(file)] == [1, 2]

    @pytest.mark.parametrize(
        "content",
        [b"", b".", b"\x80\x04", b"\x80\x04R.", b"\x80\x04t.", b"\x80\x04h\x07.",
         b"\x80\x04K\x01K\x02s.", b"\x80\x04}]K\x01s.", b"no pickle", b"\x80\x04]Q."],
    )  # fmt: skip
    def test_nonsense(self, content):
        with pytest.raises(ValueError, match="cannot be followed"):
            read_pickle(io.BytesIO(content))


class TestTensors:
    @pytest.mark.parametrize("legacy", [True, False])
    def test_views_types_and_parameters(self, tmp_path, legacy):
        whole = torch.arange(24.0).view(4, 6)
        saved = {
            "whole": whole,
            "part": whole[1:3, ::2],
            "turned": whole.t(),
            "scalar": torch.tensor(7.0),
            "parameter": torch.nn.Parameter(torch.ones(2)),
            **{
                str(dtype): torch.tensor([0, 1]).to(dtype)
                for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.int64)
            },
        }
        path = tmp_path / "some.pt"
        torch.save(saved, path, _use_new_zipfile_serialization=not legacy)
        with open_torch_file(path) as file:
            for name, tensor in saved.items():
                got = file.load(as_stored_tensor(file.content[name]))
                assert torch.equal(got, tensor) and got.dtype == tensor.dtype

    @pytest.mark.parametrize(
        ("shape", "stride"), [((5,), (1,)), ((2,), (4,)), ((2,), (-1,)), ((-1,), (1,))]
    )
    def test_outside_of_the_storage(self, tmp_path, shape, stride):
        path = tmp_path / "some.pt"
        torch.save([torch.ones(4)], path)
        with open_torch_file(path) as file:
            call = file.content[0]
            call.args = (*call.args[:2], shape, stride)
            with pytest.raises(ValueError, match="storage 0"):
                file.load(as_stored_tensor(call))

    def test_torchscript_is_refused(self, tmp_path):
        path = tmp_path / "script.pt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({}))
            archive.writestr("archive/constants.pkl", pickle.dumps(()))
        with pytest.raises(CheckpointError, match="TorchScript"):
            read_checkpoint(path)
