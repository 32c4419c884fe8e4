"""Which samples of shards go together in a batch, without reading the shards.

The endless sequence of all shards, pass after pass, each pass in an order of its own,
is dealt out to lanes: lane `l` of `L` gets shards `l`, `l + L`, `l + 2 L`, ... of the
sequence. Every lane shuffles its samples in a buffer and fills buckets of similar
length from it. Batch `g` of the training run is the next batch of lane `g % L`.

All of this follows from the seed and the lengths of the samples, so any position can be
reached without audio; and it is the same however many processes and data loading
workers share the lanes among them.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recipes.AntiDeepfake.batches import batches_by_length

__all__ = ["BEGIN", "LanePlan", "Ref", "in_order_plan"]


class Ref(NamedTuple):
    """A sample in the sequence of shards.

    Arguments
    ---------
    turn : int
        Place of its shard in the endless sequence.
    number : int
        Its number in the shard.
    """

    turn: int
    number: int


#: Before the first sample.
BEGIN = Ref(-1, -1)


class LanePlan:
    """The endless batches of one lane; an iterator over lists of `Ref`.

    A batch holds samples of one pass over the data: at the end of each the buffer and
    the buckets are emptied.

    Arguments
    ---------
    classes : list of numpy.ndarray
        Class of length of the samples of each shard, by `batches.Buckets`.
    sizes : list of int
        Items in a batch of each class.
    lane, lanes : int
        Which lane of how many.
    seed : int
        Of all that is random.
    shuffle_buffer : int
        Samples among which the next one is drawn.
    """

    def __init__(
        self,
        classes: Sequence[NDArray[np.integer]],
        sizes: Sequence[int],
        lane: int = 0,
        lanes: int = 1,
        seed: int = 0,
        shuffle_buffer: int = 1000,
    ):
        self.classes = classes
        self.sizes = sizes
        self.lane = lane
        self.lanes = lanes
        self.seed = seed
        self.shuffle_buffer = shuffle_buffer
        #: The last sample that was taken from the shards.
        self.frontier = BEGIN
        self._buffer: list[tuple[Ref, int]] = []
        self._filling: list[list[Ref]] = [[] for _ in sizes]
        self._batches = self._plan()

    def __iter__(self) -> LanePlan:
        return self

    def __next__(self) -> list[Ref]:
        return next(self._batches)

    def skip(self, batches: int) -> None:
        """Go on as if so many batches had been taken."""
        for _ in itertools.islice(self, batches):
            pass

    def pending(self) -> set[Ref]:
        """Samples up to the frontier that are in no batch yet."""
        waiting = {ref for ref, _ in self._buffer}
        return waiting.union(*self._filling)

    def place(self, turn: int) -> tuple[int, int]:
        """Number of the pass and number of the shard at a turn."""
        pass_number, position = divmod(turn, len(self.classes))
        return pass_number, _order(self.seed, pass_number, len(self.classes))[position]

    def _plan(self) -> Iterator[list[Ref]]:
        shards = len(self.classes)
        turns = itertools.count(self.lane, self.lanes)
        for pass_number, mine in itertools.groupby(turns, lambda turn: turn // shards):
            rng = random.Random(f"{self.seed} {pass_number} {self.lane}")
            yield from self._pass(mine, rng)

    def _pass(self, turns: Iterable[int], rng: random.Random) -> Iterator[list[Ref]]:
        """The batches of one pass: full ones, and at the end what is left."""
        for ref, bucket in self._shuffled(turns, rng):
            filling = self._filling[bucket]
            filling.append(ref)
            if len(filling) == self.sizes[bucket]:
                self._filling[bucket] = []
                yield filling
        order = list(range(len(self._filling)))
        rng.shuffle(order)
        for bucket in order:
            filling, self._filling[bucket] = self._filling[bucket], []
            if filling:
                yield filling

    def _shuffled(
        self, turns: Iterable[int], rng: random.Random
    ) -> Iterator[tuple[Ref, int]]:
        """Samples with their buckets, drawn from the buffer."""
        for item in self._samples(turns):
            self._buffer.append(item)
            if len(self._buffer) >= self.shuffle_buffer:
                yield self._draw(rng)
        while self._buffer:
            yield self._draw(rng)

    def _samples(self, turns: Iterable[int]) -> Iterator[tuple[Ref, int]]:
        """Samples with their buckets, in the order of the shards."""
        for turn in turns:
            buckets = self.classes[self.place(turn)[1]].tolist()
            for number, bucket in enumerate(buckets):
                self.frontier = Ref(turn, number)
                yield self.frontier, bucket

    def _draw(self, rng: random.Random) -> tuple[Ref, int]:
        place = rng.randrange(len(self._buffer))
        last = self._buffer.pop()
        if place == len(self._buffer):
            return last
        drawn, self._buffer[place] = self._buffer[place], last
        return drawn


def in_order_plan(
    lengths: Sequence[NDArray[np.float32]],
    max_batch_length: float,
    lane: int,
    lanes: int,
    window: int = 1000,
) -> Iterator[list[Ref]]:
    """Batches of every sample once, for scoring; nothing is random.

    Arguments
    ---------
    lengths : list of numpy.ndarray
        Seconds of the samples of each shard.
    max_batch_length : float
        Most seconds in a batch, padding included (a longer item is alone).
    lane, lanes : int
        Which lane of how many: it takes every `lanes`-th shard.
    window : int
        So many samples are sorted by length at a time.

    Yields
    ------
    list of Ref
        Turns are the numbers of the shards.
    """
    refs = (
        (Ref(turn, number), length)
        for turn in range(lane, len(lengths), lanes)
        for number, length in enumerate(lengths[turn].tolist())
    )
    while chunk := list(itertools.islice(refs, window)):
        for batch in batches_by_length(
            [length for _, length in chunk], max_batch_length
        ):
            yield [chunk[index][0] for index in batch]


@functools.lru_cache(maxsize=4)
def _order(seed: int, pass_number: int, shards: int) -> tuple[int, ...]:
    """The order of the shards in a pass."""
    order = list(range(shards))
    random.Random(f"{seed} {pass_number}").shuffle(order)
    return tuple(order)
