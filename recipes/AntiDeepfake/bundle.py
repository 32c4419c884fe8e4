"""The source code that a detector folder carries, so that it loads anywhere.

SpeechBrain's `foreign_class(source, pymodule_file="custom_interface.py", ...)` fetches
that one file and the hyper-parameters from a folder or a hub, and `!new:` in the
hyper-parameters imports classes by name. So:

- `custom_interface.py` is a single file. It holds the modules that the detector needs,
  as text that can be read and compared, and an importer for them. A package beside it
  would not be fetched from a hub.
- Their names begin with a package that carries a digest of the code,
  `antideepfake_<digest>`. `lobes` and `data_prep` may be the user's own, and two
  detectors with different code can be used in one process.
- `hyperparams.yaml` uses these names. In this repository they mean the repository's
  modules (`RepositoryFinder`): there, one set of classes serves all detectors, and the
  canary tells if the code has come to compute something else.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.util import find_spec, spec_from_loader
from pathlib import Path

__all__ = ["Bundle", "RepositoryFinder", "make_bundle"]

# The packages of this repository that a detector may need.
ROOMS = ("data_prep", "lobes", "recipes")
PREFIX = "antideepfake_"
INTERFACE = "recipes.AntiDeepfake.interface"
_NAME = re.compile(rf"{PREFIX}[0-9a-f]{{8}}(\.|$)")
_TEMPLATE = Path(__file__).with_name("custom_interface.template")


class RepositoryFinder(MetaPathFinder, Loader):
    """Imports `antideepfake_<digest>.x` as this repository's `x`.

    Example
    -------
    >>> from antideepfake_00000000.lobes.pooling import MeanPooling
    >>> MeanPooling.__module__
    'lobes.pooling'
    """

    @classmethod
    def install(cls) -> None:
        """Let this process import such names."""
        # First: the path finder would make a second copy of each module.
        sys.meta_path.insert(0, cls())

    def find_spec(self, fullname, path=None, target=None):
        """Recognise the names."""
        if _NAME.match(fullname):
            return spec_from_loader(fullname, self, is_package=True)
        return None

    def exec_module(self, module):
        """Put the repository's module in the place of the new one."""
        name = module.__name__.partition(".")[2]
        if name:
            sys.modules[module.__name__] = importlib.import_module(name)


@dataclass(frozen=True)
class Bundle:
    """Source code of some modules of this repository and of all they import from it.

    Arguments
    ---------
    sources : dict of str
        Text by module name, in the order of the names.
    """

    sources: dict[str, str]

    @property
    def package(self) -> str:
        """The package that holds the modules elsewhere; named after the code."""
        digest = hashlib.sha256(repr(self.sources).encode()).hexdigest()
        return PREFIX + digest[:8]

    def name(self, kind: type) -> str:
        """How hyper-parameters name a class.

        Arguments
        ---------
        kind : type
            A class of this repository, or of an installed package.

        Returns
        -------
        str
            A dotted name that works here and where the bundle is.
        """
        inside = f"{self.package}." if kind.__module__ in self.sources else ""
        return f"{inside}{kind.__module__}.{kind.__qualname__}"

    def interface_file(self) -> str:
        """The text of `custom_interface.py`."""
        moved = {n: _move(text, self.package) for n, text in self.sources.items()}
        listed = "\n".join(f"    {n!r}: {_quote(t)}," for n, t in moved.items())
        text = _TEMPLATE.read_text("utf-8")
        text = text.replace("@PACKAGE@", self.package)
        return text.replace("@INTERFACE@", INTERFACE).replace("@SOURCES@", listed)


def make_bundle(modules: Iterable[str]) -> Bundle:
    """Collect the code of modules and of what they import from this repository.

    Arguments
    ---------
    modules : iterable of str
        Names; those of installed packages are passed over.

    Returns
    -------
    Bundle
        The interface is always in it.

    Example
    -------
    >>> bundle = make_bundle(["lobes.pooling"])
    >>> "lobes.masking" in bundle.sources, "lobes.losses" in bundle.sources
    (True, False)
    """
    found: dict[str, str] = {}
    waiting = [INTERFACE, *modules]
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] not in ROOMS:
            continue
        spec = find_spec(name)
        if spec is None or spec.submodule_search_locations is not None:
            continue  # a name inside a module, or a package: these hold no code
        found[name] = Path(spec.origin).read_text("utf-8")
        for node in _imports(found[name]):
            waiting += [node.module, *_submodules(node)]
    return Bundle(dict(sorted(found.items())))


def _imports(source: str) -> list[ast.ImportFrom]:
    """The statements that import from this repository."""
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom)]
    return [n for n in nodes if (n.module or "").partition(".")[0] in ROOMS]


def _submodules(node: ast.ImportFrom) -> list[str]:
    """Modules that are imported by `from package import module`."""
    if find_spec(node.module).submodule_search_locations is None:
        return []
    return [f"{node.module}.{alias.name}" for alias in node.names]


def _move(source: str, package: str) -> str:
    """Let a module import from the package what it imports from this repository."""
    lines = source.splitlines(keepends=True)
    for node in _imports(source):
        line = node.lineno - 1
        lines[line] = lines[line].replace("from ", f"from {package}.", 1)
    return "".join(lines)


def _quote(source: str) -> str:
    """A literal of the text, to be read by people where that is possible."""
    return repr(source) if "'''" in source else f"r'''{source}'''"
