"""Run the code blocks of a Markdown file, in their order, in the current folder.

    python doc_runner.py FILE.md CHANGES.json

Blocks of `sh` are commands of the project, which run in this process, because PyTorch
is slow to import. Blocks of `python` share one name space. A block whose first line is
a comment with the name of a file is written there. CHANGES.json has

    replace   list of [old, new]: what is replaced in a block before it runs, but not
              where it continues a word (`/data` in `tests/data_prep`)
    append    list of [beginning, {option: value}]: options of commands that begin so,
              unless the command has them itself
"""

from __future__ import annotations

import contextlib
import glob
import io
import json
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/.-]+\.(?:py|yaml))\n")
#: Modules that want a process of their own, or take over the one they are in.
APART = ("pytest", "ruff")


def main() -> None:
    document, changes = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    sys.path[0] = str(Path.cwd())
    names: dict = {"__name__": "documentation"}
    for kind, text in BLOCK.findall(document.read_text(encoding="utf-8")):
        for old, new in changes["replace"]:
            text = re.sub(rf"(?<!\w){re.escape(old)}", lambda _, new=new: new, text)
        if found := FILE.match(text):
            Path(found[1]).parent.mkdir(parents=True, exist_ok=True)
            Path(found[1]).write_text(text, encoding="utf-8")
        elif kind == "python":
            run_python(text, names)
        elif kind == "sh":
            for line in re.sub(r"\\\n", " ", text).splitlines():
                run_command(line, changes)
        elif kind != "text":
            raise SystemExit(f"a block of {kind} that is not run:\n{text}")


def run_python(text: str, names: dict) -> None:
    print(f"RUN python\n{text}", flush=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(text, "block", "exec"), names)
    print(printed.getvalue()[:2000], flush=True)


def run_command(line: str, changes: dict) -> None:
    words = shlex.split(line, comments=True)
    if not words:
        return
    for beginning, options in changes["append"]:
        if line.startswith(beginning):
            for option, value in options.items():
                given = option in words
                words += [] if given else [option, *([value] if value else [])]
    words = [one for word in words for one in (sorted(glob.glob(word)) or [word])]
    print(f"RUN {shlex.join(words)}", flush=True)
    python, *arguments = words
    if python != "python":
        raise SystemExit(f"not a command of this project: {line}")
    if code := run(arguments):
        raise SystemExit(f"exit code {code}: {shlex.join(words)}")


def run(arguments: list[str]) -> int:
    """Run `-m module ...` or `file ...` as the interpreter would."""
    module = arguments[0] == "-m"
    if module and arguments[1] in APART:
        return subprocess.run([sys.executable, *arguments]).returncode
    sys.argv = arguments[1:] if module else arguments
    how = runpy.run_module if module else runpy.run_path
    try:
        how(sys.argv[0], run_name="__main__", **({"alter_sys": True} if module else {}))
    except SystemExit as stop:
        return stop.code or 0
    return 0


if __name__ == "__main__":
    main()
