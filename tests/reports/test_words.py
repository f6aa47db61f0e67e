"""Figures as people read them."""

import pytest

from reports.words import after_start, counted, listed, percent, printable


@pytest.mark.parametrize(("number", "told"), [(0, "0 events"), (1, "1 event"), (4210.0, "4,210 events")])
def test_a_count_has_its_noun_and_thousands(number: float, told: str) -> None:
    assert counted(number, "event") == told


@pytest.mark.parametrize(
    ("share", "told"),
    [(0.0, "0%"), (0.00294, "0.29%"), (0.078, "7.8%"), (0.984, "98%"), (0.996, "100%"), (2.5, "250%")],
)
def test_a_share_has_the_digits_that_matter(share: float, told: str) -> None:
    assert percent(share) == told


def test_a_long_list_is_cut_and_says_by_how_much() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


@pytest.mark.parametrize(("moment", "told"), [(112.06, "+12.1s"), (95.0, "-5.0s"), (1700.0, "+1,600.0s")])
def test_a_moment_is_told_from_the_start(moment: float, told: str) -> None:
    assert after_start(moment, 100.0) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Zahlungen für 支付 ✓", "Zahlungen für 支付 ✓"),
        ("a\x1b[31mred\x07", "a\\x1b[31mred\\x07"),
        ("a\nb\tc\u2028d\u00a0e", "a b c d e"),
        ("\u202egnp.exe\u009b", "\\u202egnp.exe\\x9b"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text: str, told: str) -> None:
    assert printable(text) == told
