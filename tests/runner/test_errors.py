"""Errors: what they say, and the exit code each kind ends with."""

import pytest

from runner import errors
from runner.errors import ChaosctlError, CommandFailed, InvalidFile


def test_exit_codes_are_those_of_the_docs() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__ if name[0].isupper()]
    assert {kind.__name__: kind.exit_code for kind in kinds} == {
        "Aborted": 5,
        "ChaosctlError": 4,
        "CommandFailed": 4,
        "Gone": 4,
        "Inconclusive": 3,
        "InvalidFile": 2,
        "Missing": 4,
        "NoProcess": 4,
        "Refused": 5,
        "Residue": 6,
        "Unreachable": 4,
        "UsageError": 2,
    }


def test_text_is_message_and_fix() -> None:
    assert str(ChaosctlError("It broke.", "Mend it.")) == "It broke. Mend it."
    assert str(ChaosctlError("It broke.")) == "It broke."


def test_invalid_file_says_where_and_what_was_expected() -> None:
    error = InvalidFile("x.yaml:3", "environments.lab.kind", "one of a, b", "Write a.")
    assert str(error) == "x.yaml:3: environments.lab.kind: one of a, b Write a."


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("", "it printed no error."),
        ("Error: no such table\n", "Error: no such table."),
        ("It ended.\n", "It ended."),
        ("Error: bad\nlist table x\n           ^~~\n", "Error: bad list table x."),
        ("a" * 1000 + " the end", "aaa the end."),
    ],
)
def test_failed_command_says_where_how_and_the_end_of_what_it_printed(printed: str, told: str) -> None:
    error = CommandFailed("netns:x", ["nft", "list", "tables"], 1, printed)
    assert error.message.startswith("`nft list tables` at netns:x ended with 1: ")
    assert error.message.endswith(told)
    assert "\n" not in error.message
    assert len(error.message) < 500
    assert error.stderr == printed
