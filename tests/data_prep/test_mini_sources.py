"""Getting Debian packages, with an apt-get and a dpkg-deb of the test."""

import os
import sys

import pytest

from data_prep.mini import sources
from data_prep.mini.errors import MiniError
from data_prep.mini.sources import Prefix, check_pypi_packages, prepare_prefix

APT_GET = """#!/bin/sh
echo "$@" >> "$LOG"
case "$*" in
*" update") echo "W: Failed to fetch list" >&2 ;;
*" install "*) echo "Inst libtool1 (1.0 Debian:12 [amd64])" ;;
*" download "*)
    for name in "$@"; do :; done
    if [ "$name" = "$MISSING" ]; then
        echo "E: Unable to locate package $name" >&2; exit 100
    fi
    echo content > "${name}_1%3a2.0_all.deb" ;;
esac
"""
DPKG_DEB = """#!/bin/sh
if grep -q broken "$2"; then echo "not a Debian archive" >&2; exit 2; fi
mkdir -p "$3/usr/bin" && echo "$2" >> "$3/unpacked"
"""


@pytest.fixture
def debian(tmp_path, monkeypatch):
    """A folder with fake programs, first in the search path."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {"apt-get": APT_GET, "dpkg-deb": DPKG_DEB}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setattr(sources, "DATA_PACKAGES", {"sounds": "GPL-2"})
    monkeypatch.setattr(sources, "ENGINE_PACKAGES", {"tool": "MIT"})
    return tmp_path


def test_packages_are_downloaded_unpacked_and_recorded(debian):
    prefix = prepare_prefix(debian / "cache")
    assert prefix.packages() == {
        "libtool1": {
            "licence": "see usr/share/doc/libtool1/copyright",
            "version": "1:2.0",
        },
        "sounds": {"licence": "GPL-2", "version": "1:2.0"},
        "tool": {"licence": "MIT", "version": "1:2.0"},
    }
    assert len((prefix.root / "unpacked").read_text().splitlines()) == 3


def test_the_second_time_nothing_is_run(debian):
    prepare_prefix(debian / "cache")
    calls = (debian / "log").read_text()
    prepare_prefix(debian / "cache")
    assert (debian / "log").read_text() == calls


def test_what_was_downloaded_is_not_downloaded_again(debian):
    (prepare_prefix(debian / "cache").root / "packages.json").unlink()
    calls = (debian / "log").read_text().count(" download ")
    prepare_prefix(debian / "cache")
    assert (debian / "log").read_text().count(" download ") == calls


def test_an_unknown_package_is_named_with_the_remedy(debian, monkeypatch):
    monkeypatch.setenv("MISSING", "sounds")
    with pytest.raises(MiniError) as error:
        prepare_prefix(debian / "cache")
    for text in ("package sounds", "sources.list", "W: Failed to fetch list"):
        assert text in str(error.value)


def test_a_damaged_package_is_named_and_removed(debian):
    archives = debian / "cache" / "apt" / "archives"
    archives.mkdir(parents=True)
    (archives / "sounds_1_all.deb").write_text("broken")
    with pytest.raises(MiniError, match=r"sounds_1_all\.deb: cannot be unpacked"):
        prepare_prefix(debian / "cache")
    assert not (archives / "sounds_1_all.deb").exists()
    prepare_prefix(debian / "cache")


def test_without_apt_the_message_says_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MiniError, match="apt-get was not found.*Debian or Ubuntu"):
        prepare_prefix(tmp_path / "cache")


def test_missing_pypi_packages_are_all_named(monkeypatch):
    monkeypatch.setattr(sources, "PYPI_PACKAGES", {"no-such-1": "", "no-such-2": ""})
    with pytest.raises(MiniError, match="no-such-1, no-such-2.*requirements-demo"):
        check_pypi_packages()


@pytest.fixture
def prefix(tmp_path):
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir()
    return Prefix(tmp_path)


def program(prefix, text):
    path = prefix.root / "usr/bin/speak"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)


def test_programs_run_with_the_libraries_of_the_prefix(prefix):
    program(prefix, "import os; print(os.environ['LD_LIBRARY_PATH'])")
    assert str(prefix.libraries).encode() in prefix.run("speak")


def test_a_failing_program_is_quoted(prefix):
    program(prefix, "import sys; sys.exit('no such voice')")
    with pytest.raises(MiniError, match="speak hello: failed.*no such voice"):
        prefix.run("speak", "hello")


def test_a_missing_program_is_named(prefix):
    with pytest.raises(MiniError, match="speak: cannot be started"):
        prefix.run("speak")
