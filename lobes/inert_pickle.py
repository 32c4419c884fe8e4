"""Reads pickles without running them.

A pickle is a program for a small stack machine, and Python's own machine calls
whatever the file names. The machine here builds lists, dicts, strings and numbers; a
call is written down as data and never made, because nothing in it can call. So the
content of a file can be inspected, foreign classes and all, without the packages
they come from and without trust in the file.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

# What checkpoints of speech models are known to mention. Nothing depends on the list
# for safety: it only tells an unusual file from one that means harm.
_EXPECTED = re.compile(
    r"(fairseq|numpy|omegaconf|torch|typing)\.[\w.]+"
    r"|argparse\.Namespace|_codecs\.encode|copy_?reg\._reconstructor|pathlib\.\w+Path"
    r"|collections\.(Counter|OrderedDict|defaultdict)"
    r"|(builtins|__builtin__)\.(bool|bytearray|bytes|complex|dict|float|frozenset|int"
    r"|list|long|object|set|slice|str|tuple|type|unicode)"
)
_MAPPINGS = {
    "builtins.dict",
    "__builtin__.dict",
    "collections.OrderedDict",
    "collections.defaultdict",
}


class UnsafePickleError(ValueError):
    """A pickle asks for something that no checkpoint needs."""


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle mentions, e.g. ``argparse.Namespace``."""

    path: str


@dataclass(eq=False)
class Call:
    """What a pickle wanted to have made: the call, and the state to give the result.

    Arguments
    ---------
    name : str
        Class or function, e.g. ``argparse.Namespace``.
    args : tuple
        Positional arguments.
    state : object
        What ``__setstate__`` or ``__dict__`` would get: mostly a dict of attributes.
    """

    name: str
    args: tuple
    state: Any = None


def read_pickle(file: BinaryIO, resolve: Callable[[Any], Any] | None = None) -> Any:
    """Read one pickle as plain data.

    Arguments
    ---------
    file : binary file
        Is left right after the pickle.
    resolve : callable, optional
        Gets each persistent id (how torch refers to storages), gives what stands
        for it.

    Returns
    -------
    object
        Built from None, bool, int, float, str, bytes, list (sets, too), tuple, dict
        (ordered and default dicts, too), :class:`Name`, :class:`Call` and what
        ``resolve`` returned. What was put into a foreign container is left out.

    Raises
    ------
    UnsafePickleError
        If the file names what no checkpoint needs, e.g. ``os.system``.
    ValueError
        If this is not a whole pickle.

    Example
    -------
    >>> import argparse, io, pickle
    >>> read_pickle(io.BytesIO(pickle.dumps([argparse.Namespace(layers=12)])))
    [Call(name='argparse.Namespace', args=(), state={'layers': 12})]
    """
    machine = _Machine(resolve)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            machine.step(opcode.name, argument)
        return machine.stack[-1]
    except UnsafePickleError:
        raise
    except Exception as error:  # bytes at random can provoke anything
        raise ValueError(f"a pickle that cannot be followed ({error})") from error


class _Machine:
    """The stack machine of the pickle module, with calls written down, not made."""

    def __init__(self, resolve: Callable[[Any], Any] | None):
        self.resolve = resolve
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        """Do one instruction."""
        if opcode in _LITERALS:
            self.push(argument)
        elif opcode in _FRESH:
            self.push(_FRESH[opcode]())
        elif opcode in _STEPS:
            _STEPS[opcode](self, argument)
        else:  # extension registry, out-of-band buffers
            raise UnsafePickleError(f"the instruction {opcode} has no place in it")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self, _) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        values, self.stack = self.stack, self.below.pop()
        return values

    def pop(self, _) -> None:
        if self.stack:
            self.stack.pop()
        else:  # on an empty stack it takes the mark away
            self.since_mark()

    def pop_many(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("stack underflow")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def put(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def get(self, index: int) -> None:
        self.push(self.memo[index])

    def duplicate(self, _) -> None:
        self.push(self.stack[-1])

    def make_dict(self, _) -> None:
        values = self.since_mark()
        self.push(dict(zip(values[::2], values[1::2], strict=True)))

    def extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)
        elif not isinstance(self.stack[-1], Call):
            raise ValueError("elements for something that is no list")

    def update(self, values: list[Any]) -> None:
        pairs = dict(zip(values[::2], values[1::2], strict=True))
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(pairs)
        elif not isinstance(self.stack[-1], Call):
            raise ValueError("items for something that is no dict")

    def mention(self, path: str) -> None:
        path = path.replace(" ", ".", 1)
        if not _EXPECTED.fullmatch(path):
            raise UnsafePickleError(
                f"it wants '{path}' to be used on loading, which no checkpoint of a "
                "speech model needs"
            )
        self.push(Name(path))

    def call(self, name: Any, args: Any) -> None:
        if not isinstance(name, Name) or not isinstance(args, tuple):
            raise UnsafePickleError("it wants to call what is no class or function")
        if name.path in _MAPPINGS:
            filled = args and isinstance(args[0], (list, tuple, dict))
            self.push(dict(args[0]) if filled else {})
        else:
            self.push(Call(name.path, args))

    def call_from_mark(self, path: str | None) -> None:
        """INST and OBJ: everything since the mark is arguments."""
        values = self.since_mark()
        if path is not None:
            self.mention(path)
            values.insert(0, self.stack.pop())
        self.call(values[0], tuple(values[1:]))

    def call_with_keywords(self, _) -> None:
        name, args, keywords = self.pop_many(3)
        self.call(name, args)
        self.build_with(keywords)

    def build_with(self, state: Any) -> None:
        # A dict has attributes only as an OrderedDict: versions of a state dict.
        if isinstance(self.stack[-1], Call):
            self.stack[-1].state = state
        elif not isinstance(self.stack[-1], dict):
            raise UnsafePickleError("it wants to change what it did not make")

    def persistent(self, pid: Any) -> None:
        if self.resolve is None:
            raise ValueError("a persistent id where none belongs")
        self.push(self.resolve(pid))


# Instructions that push the value they carry.
_LITERALS = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING "
    "SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES "
    "SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
# Instructions that push the same thing each time; for sets a list will do.
_FRESH: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda m, _: None),
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda m, _: m.since_mark(),
    "DUP": _Machine.duplicate,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "LIST": lambda m, _: m.push(m.since_mark()),
    "DICT": _Machine.make_dict,
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "FROZENSET": lambda m, _: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.push(tuple(m.pop_many(1))),
    "TUPLE2": lambda m, _: m.push(tuple(m.pop_many(2))),
    "TUPLE3": lambda m, _: m.push(tuple(m.pop_many(3))),
    "APPEND": lambda m, _: m.extend(m.pop_many(1)),
    "APPENDS": lambda m, _: m.extend(m.since_mark()),
    "ADDITEMS": lambda m, _: m.extend(m.since_mark()),
    "SETITEM": lambda m, _: m.update(m.pop_many(2)),
    "SETITEMS": lambda m, _: m.update(m.since_mark()),
    "GLOBAL": _Machine.mention,
    "STACK_GLOBAL": lambda m, _: m.mention(" ".join(m.pop_many(2))),
    "REDUCE": lambda m, _: m.call(*m.pop_many(2)),
    "NEWOBJ": lambda m, _: m.call(*m.pop_many(2)),
    "NEWOBJ_EX": _Machine.call_with_keywords,
    "INST": _Machine.call_from_mark,
    "OBJ": _Machine.call_from_mark,
    "BUILD": lambda m, _: m.build_with(m.stack.pop()),
    "PERSID": _Machine.persistent,
    "BINPERSID": lambda m, _: m.persistent(m.stack.pop()),
}
