"""SARIF 2.1.0: what is wrong in a file, at its line, for code review."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import quote

from reports.record import Record

__all__ = ["FileFinding", "sarif", "sarif_findings"]

_RULES = {
    "invalid-file": "A file does not say what it should, so what it describes did not run.",
    "did-not-run": "An experiment was meant to run and has no run.",
}


@dataclass(frozen=True)
class FileFinding:
    """One thing that is wrong in a file; line 0 means the file as a whole."""

    rule: str
    message: str
    file: str
    line: int = 0


def sarif_findings(records: Iterable[Record]) -> list[FileFinding]:
    """Return what the runs say of files that are at fault; of a weakness of the service no file is."""
    problems = [record.problem for record in records if record.problem]
    return [FileFinding("invalid-file", each.message, each.file, each.line) for each in problems if each.file]


def sarif(findings: Iterable[FileFinding], version: str) -> str:
    """Return a log with one run of this version of chaosctl."""
    rules = [{"id": rule, "shortDescription": {"text": text}} for rule, text in _RULES.items()]
    driver = {"name": "chaosctl", "version": version, "rules": rules}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(each) for each in findings]}],
    }
    return json.dumps(log, indent=2) + "\n"


def _result(finding: FileFinding) -> dict[str, object]:
    region = {"region": {"startLine": finding.line}} if finding.line else {}
    uri = quote(PurePath(finding.file).as_posix())
    location = {"physicalLocation": {"artifactLocation": {"uri": uri}, **region}}
    return {
        "ruleId": finding.rule,
        "ruleIndex": list(_RULES).index(finding.rule),
        "level": "error",
        "message": {"text": finding.message},
        "locations": [location],
    }
