"""What a check finds: counted, with a few examples, and written to a file in full."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from data_prep.manifest import UNKNOWN

__all__ = ["ERROR", "NOTE", "WARNING", "Finding", "Report"]

#: The worst first. A note is nothing wrong.
ERROR, WARNING, NOTE = _SEVERITIES = ("error", "warning", "note")
_EXAMPLES = 5


class Finding(NamedTuple):
    """Something that is wrong, or that one should know.

    Arguments
    ---------
    severity : str
        `error`, `warning` or `note`.
    kind : str
        What kind of thing it is.
    file : str
        The manifest, or several of them.
    id : str
        The row, or `-`.
    detail : str
        What was found, and what to do.
    """

    severity: str
    kind: str
    file: str
    id: str
    detail: str


class Report:
    """Takes findings: counts them, keeps a few, and writes all to a file.

    Arguments
    ---------
    writer : csv writer, optional
        Takes a row for each finding.
    """

    def __init__(self, writer=None):
        self.writer = writer
        self.counts: Counter[tuple[str, str]] = Counter()
        self.examples: dict[tuple[str, str], list[Finding]] = {}

    def add(self, finding: Finding) -> None:
        """Take a finding."""
        key = finding.severity, finding.kind
        self.counts[key] += 1
        known = self.examples.setdefault(key, [])
        if len(known) < _EXAMPLES:
            known.append(finding)
        if self.writer:
            self.writer.writerow(finding)

    @property
    def errors(self) -> int:
        """Number of findings that are errors."""
        return sum(n for (severity, _), n in self.counts.items() if severity == ERROR)

    @property
    def is_clean(self) -> bool:
        """Whether there are neither errors nor warnings."""
        return all(severity == NOTE for severity, _ in self.counts)

    def text(self) -> str:
        """A paragraph for each kind of finding, errors first."""
        lines = []
        for key in sorted(self.counts, key=_rank):
            lines.append(f"{key[0]}: {key[1]}: {self.counts[key]}")
            lines += [f"  {_line(finding)}" for finding in self.examples[key]]
            if self.counts[key] > _EXAMPLES:
                lines.append("  ...")
        return "\n".join(lines)


def _rank(key: tuple[str, str]) -> tuple[int, str]:
    severity, kind = key
    return _SEVERITIES.index(severity), kind


def _line(finding: Finding) -> str:
    name = "" if finding.id == UNKNOWN else f" (ID {finding.id})"
    return f"{finding.file}{name}: {finding.detail}"
