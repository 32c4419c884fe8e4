"""The page in a real browser: what it shows, asks for and complains of."""

from __future__ import annotations

import functools
import html
import itertools
import json
import os
import re
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas
import pytest
import soundfile

from recipes.AntiDeepfake.embeddings import write_embeddings
from recipes.AntiDeepfake.report import main

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # there is none for root, as in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--mute-audio",
    "--virtual-time-budget=20000",
    "--enable-logging=stderr",
    "--v=0",
)
# Two frames of the widths of laptops show the page; a script of the page around them
# looks at what came of it, and writes it down.
_WRAPPER = """<!DOCTYPE html><link rel="icon" href="data:,"><body style="margin:0">
<iframe src="report.html" style="border:0;width:1366px;height:900px"></iframe>
<iframe src="report.html" style="border:0;width:1024px;height:900px"></iframe>
<pre id="found"></pre>
<script>
function look(frame) {
  const page = frame.contentDocument, root = page.documentElement;
  const sizes = [...page.querySelectorAll("svg")].map((one) =>
    one.getBoundingClientRect());
  const table = page.querySelector("table.sortable");
  const rates = () => [...table.tBodies[0].rows].map((row) =>
    parseFloat(row.cells[4].textContent));
  const before = rates();
  const heading = table.querySelectorAll("th")[4];
  heading.querySelector("button").click();
  const up = rates();
  heading.querySelector("button").click();
  const beyond = (one) => one.getBoundingClientRect().right > root.clientWidth + 1;
  return {
    width: root.clientWidth,
    content: root.scrollWidth,
    wide: [...page.querySelectorAll("main *")].filter((one) =>
      !one.closest(".scroll table") && beyond(one)).map((one) => one.tagName),
    title: page.title,
    headings: [...page.querySelectorAll("h2")].map((one) => one.textContent),
    smallest: Math.min(...sizes.map((one) => Math.min(one.width, one.height))),
    pictures: sizes.length,
    colour: frame.contentWindow.getComputedStyle(
      page.querySelector("svg path[style*='--series-0']")).stroke,
    loaded: frame.contentWindow.performance.getEntriesByType("resource").map(
      (one) => one.name).filter((name) => !name.startsWith("data:")),
    audio: [...page.querySelectorAll("audio")].map((one) => one.duration),
    before: before, up: up, down: rates(), sorted: heading.getAttribute("aria-sort"),
  };
}
addEventListener("load", () => setTimeout(() => {
  const found = [...document.querySelectorAll("iframe")].map(look);
  document.getElementById("found").textContent = JSON.stringify(found);
}, 3000));
</script>"""


def find_browser() -> str | None:
    """The browser named by CHROME, or the first one that is there and runs."""
    names = (os.environ.get("CHROME", ""), *_BROWSERS)
    for path in filter(None, map(shutil.which, filter(None, names))):
        # The Chromium of Ubuntu's apt only says that it comes otherwise.
        done = subprocess.run([path, "--version"], capture_output=True, text=True)
        if done.returncode == 0 and re.search(r"\d+\.\d+", done.stdout):
            return path
    return None


BROWSER = find_browser()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None,
        reason="no browser: install Chromium (Debian: apt-get install chromium) or "
        "name one in the environment variable CHROME",
    ),
]


def browse(folder: Path, page: str, profile: Path) -> tuple[str, list[str]]:
    """The document after its scripts, and the lines of the console."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/{page}"
        command = [BROWSER, *_FLAGS, f"--user-data-dir={profile}", "--dump-dom"]
        done = subprocess.run(
            [*command, "--window-size=1400,1900", address],
            capture_output=True,
            text=True,
            timeout=180,
        )
    finally:
        server.shutdown()
        server.server_close()
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Requests are no news."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A report with everything in it: long names, sets, systems, a map and audio."""
    folder = tmp_path_factory.mktemp("page")
    rng = np.random.default_rng(0)
    systems = ("ours", "a_system_with_quite_a_long_name_indeed")
    for system, test_set in itertools.product(systems, ("zoo", "wild", "asvspoof5")):
        number = np.arange(160)
        real = number % 2 == 0
        attacks = np.char.add("A", (number % 5 + 10).astype(str))
        table = pandas.DataFrame(
            {
                "ID": [f"{test_set}-{'long' * 12}-{i}" for i in number],
                "Label": np.where(real, "real", "fake"),
                "Score": rng.normal(size=160) + real,
                "Attack": np.where(real, "-", attacks),
                "Speaker": np.char.add("speaker_", (number % 12).astype(str)),
                "Language": np.where(number % 3, "EN", "CS"),
                "Duration": "2.0",
                "Corpus": test_set,
                "Path": "$ROOT/a.wav",
            }
        )
        path = folder / system / test_set / "scores.csv"
        path.parent.mkdir(parents=True)
        table.to_csv(path, index=False)
    soundfile.write(folder / "a.wav", 0.1 * rng.normal(size=32000), 16000)
    ids = [f"zoo-{'long' * 12}-{i}" for i in range(60)]
    write_embeddings(folder / "map.npz", ids, rng.normal(size=(60, 8)))
    options = ["--out", folder / "out", "--data-folder", folder, "--audio", 1]
    options += ["--embeddings", folder / "map.npz"]
    folders = [folder / system for system in systems]
    assert main([*map(str, [*folders, *options])]) == 0
    (folder / "out" / "look.html").write_text(_WRAPPER, "utf-8")
    return folder


@pytest.fixture(scope="module")
def seen(folder, tmp_path_factory):
    """What the frames found, and the console."""
    document, console = browse(
        folder / "out", "look.html", tmp_path_factory.mktemp("profile")
    )
    text = re.search(r'<pre id="found">(.*?)</pre>', document, re.DOTALL).group(1)
    return json.loads(html.unescape(text)), console


def test_page_is_as_wide_as_the_window(seen):
    for found, width in zip(seen[0], (1366, 1024), strict=True):
        assert width - 20 <= found["width"] <= width
        assert found["content"] == found["width"]
        assert found["wide"] == []


def test_page_shows_its_sections_and_pictures(seen):
    for found in seen[0]:
        assert found["title"] == "Deepfake speech detection: report"
        assert found["headings"][0] == "Results" and len(found["headings"]) == 8
        assert found["pictures"] > 20 and found["smallest"] > 80
        assert found["colour"] == "rgb(23, 105, 170)"


def test_page_asks_for_nothing_and_complains_of_nothing(seen):
    assert [found["loaded"] for found in seen[0]] == [[], []]
    assert seen[1] == []


def test_tables_are_sorted_by_a_click(seen):
    found = seen[0][0]
    assert len(found["before"]) == 6
    assert found["up"] == sorted(found["before"]) != found["before"]
    assert found["down"] == sorted(found["before"], reverse=True)
    assert found["sorted"] == "descending"


def test_audio_can_be_played(seen):
    assert seen[0][0]["audio"] == [pytest.approx(2.0, abs=0.01)]


def test_what_these_tests_look_for_is_found_where_it_is(tmp_path):
    page = """<!DOCTYPE html><meta http-equiv="Content-Security-Policy" content="
        default-src 'none'; script-src 'unsafe-inline'"><link rel="icon" href="data:,">
        <img src="http://127.0.0.1:9/a.png"><script>console.error("complaint")</script>"""
    (tmp_path / "bad.html").write_text(page)
    _, console = browse(tmp_path, "bad.html", tmp_path / "profile")
    assert any("complaint" in line for line in console)
    assert any("Content Security Policy" in line for line in console)
