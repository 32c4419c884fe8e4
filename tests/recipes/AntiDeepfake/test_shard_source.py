"""Shards over http from a server that fails: all samples once, or a clear message."""

import socket
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from data_prep.shard import shard
from recipes.AntiDeepfake import shard_reader, shard_source
from recipes.AntiDeepfake.shard_plan import Ref
from recipes.AntiDeepfake.shard_reader import ShardError, ShardReader, open_shards

pytest.importorskip("webdataset")


@pytest.fixture(scope="module")
def stored(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    shard([corpus / "train.csv"], str(corpus), folder, 400_000)
    return folder


class Failing(SimpleHTTPRequestHandler):
    """Serves files; the server's `plan` says how the next requests of a path fail."""

    def do_GET(self):
        path = self.path.lstrip("/")
        self.server.asked.append(path)
        failures = self.server.plan.get(path)
        if not failures:
            return super().do_GET()
        failures.pop(0)(self)

    def log_message(self, *_):
        """Say nothing."""


def unavailable(handler):
    handler.send_error(503)


def reset(handler):
    """Close the connection such that the other side gets a reset."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    handler.connection.close()


def cut(handler, share):
    """Promise all and send a part."""
    with open(handler.translate_path(handler.path), "rb") as file:
        content = file.read()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: int(share * len(content))])


def cut_and_reset(handler):
    cut(handler, 0.6)
    handler.wfile.flush()
    reset(handler)


def cut_between_members(handler):
    """Send the first samples and the json of the next, and nothing says how much."""
    with open(handler.translate_path(handler.path), "rb") as file:
        content = file.read()
    place = content.index(b"-000002.flac")
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content[: place - place % 512])


@pytest.fixture
def served(stored, monkeypatch):
    """A server of the shards, with `plan` and `asked`."""
    monkeypatch.setattr(shard_source, "FIRST_PAUSE", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = partial(Failing, directory=str(stored))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.plan, server.asked = {}, []
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def samples(shards):
    """All samples in order."""
    read = ShardReader(shards, int)
    return [
        read(Ref(turn, number))
        for turn, count in enumerate(shards.counts)
        for number in range(count)
    ]


FIRST = "shard-000000.tar"
HALF = partial(cut, share=0.5)


@pytest.mark.parametrize(
    "failures",
    [
        [reset],
        [unavailable],
        [HALF],
        [cut_and_reset],
        [cut_between_members],
        [partial(cut, share=0.1), reset, cut_and_reset, HALF],
    ],
    ids=["reset", "503", "short", "reset within", "between members", "several"],
)
def test_nothing_is_lost_or_doubled(stored, served, failures):
    served.plan[FIRST] = list(failures)
    found = samples(open_shards(f"{served.url}/index.json"))
    expected = samples(open_shards(stored))
    assert [s.row["ID"] for s in found] == [s.row["ID"] for s in expected]
    assert [s.content for s in found] == [s.content for s in expected]
    assert served.asked.count(FIRST) == len(failures) + 1


def test_attempts_are_counted_anew_after_something_new(stored, monkeypatch):
    monkeypatch.setattr(shard_source, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(shard_source, "ATTEMPTS", 2)
    whole = open_shards(stored)
    delivered = iter([1, 3, 4])

    def breaking(url):
        """All samples, but the first shard breaks off the first times."""
        count = next(delivered, None) if FIRST in url else None
        yield from islice(raw_samples(url), count)
        if count is not None:
            raise OSError("broken off")

    raw_samples = shard_reader.raw_samples
    monkeypatch.setattr(shard_reader, "raw_samples", breaking)
    shards = open_shards(stored, [f"pipe:cat {url}" for url in whole.urls])
    found = [sample.row["ID"] for sample in samples(shards)]
    assert next(delivered, None) is None
    assert found == [sample.row["ID"] for sample in samples(whole)]


@pytest.mark.parametrize("name", ["index.json", "seconds.npy"])
def test_the_index_is_read_again(served, name):
    served.plan[name] = [reset, HALF]
    assert open_shards(f"{served.url}/index.json").failures == 0
    assert served.asked.count(name) == 3


def test_a_shard_that_stays_broken_is_named(served):
    served.plan[FIRST] = [partial(cut, share=0)] * 9
    with pytest.raises(ShardError) as error:
        samples(open_shards(f"{served.url}/index.json"))
    message = str(error.value)
    assert message.startswith(f"{served.url}/{FIRST}: ends too early or is damaged, ")
    assert ", 5 attempts. Check the connection, or " in message
    assert served.asked.count(FIRST) == 5


def test_an_address_that_is_not_there_is_named(served):
    with pytest.raises(ShardError) as error:
        open_shards(f"{served.url}/none/index.json")
    assert str(error.value) == (
        f"{served.url}/none/index.json: cannot be read (exit code 22 of curl, see `man "
        "curl`, 5 attempts). Make shards (`python -m data_prep shard --help`) or name "
        "where they are."
    )


def test_pauses_grow(monkeypatch):
    pauses = []
    monkeypatch.setattr(shard_source.time, "sleep", pauses.append)
    patience = shard_source.Patience("http://host/a.tar")
    tried = [patience.wait(OSError("no")) for _ in range(5)]
    assert tried == [True] * 4 + [False] and pauses == [1.0, 2.0, 4.0, 8.0]


def test_without_curl_nothing_is_tried_again(served, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ShardError, match="cannot be read .*'curl'"):
        open_shards(f"{served.url}/index.json")


def test_a_shard_that_is_not_read_to_its_end_is_no_error(stored, served):
    read = ShardReader(open_shards(f"{served.url}/index.json"), int)
    assert read(Ref(0, 0)).row["ID"]
    for stream in read._streams.values():
        stream.close()
    assert served.asked.count(FIRST) == 1
