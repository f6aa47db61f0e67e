"""The page of a run: whole by itself, and safe whatever a record says."""

from html.parser import HTMLParser

import pytest

from reports.exports.html import html
from reports.record import Event, Events, Experiment, Record
from runner.model import Outcome
from tests.reports._records import ORIGIN, START, bad_at, events, fault, gate, record, series, target


class Page(HTMLParser):
    """What a page holds: its elements, and all that leads elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag not in ("meta", "rect", "line", "path", "circle", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


EVERY = {
    "passed": record(events=events({70: 3.0})),
    "failed": record(series=(series(bad_at(*range(70, 90))), series(bad_at(80), "p99", hard=False)), events=events()),
    "inconclusive": record(faults=(fault(target(healed=None, hits=None)),)),
    "residue": record(residue=("table inet chaos_f1",)),
    "no data": record(series=(series((Outcome.NO_SERIES,) * 180),)),
    "no samples": record(series=(series(()),), faults=()),
    "gate": gate(Outcome.GOOD, Outcome.BAD),
    "injection": record(kind="inject", series=()),
    "no traffic": record(
        events=Events(all_query="a", bad_query="b", start=START, offsets=(1.0,), all=(0.0,), bad=(0.0,))
    ),
    "words as values": record(series=(series([Outcome.GOOD, Outcome.BAD], values=("up", True)),)),
}


@pytest.mark.parametrize("what", EVERY.values(), ids=EVERY.keys())
def test_a_page_is_whole_by_itself(what: Record) -> None:
    text = html(what)
    page = Page(text)
    assert page.links == []
    assert "script" not in page.tags
    assert page.open == []
    assert "nan" not in text.lower().replace("nanum", "")
    assert what.run in page.text
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_tells_verdict_score_reasons_terms_and_proof() -> None:
    page = Page(html(EVERY["failed"]))
    for part in (
        "Failed",
        "The hard probe orders-succeed",
        "A, absorbed",
        "What would raise it most",
        "no answer within",
    ):
        assert part in page.text
    assert page.tags.count("svg") == 3
    assert page.tags.count("circle") == 20 + 1


def test_what_a_record_says_is_never_markup() -> None:
    evil = "<script>alert(1)</script>"
    page = Page(
        html(
            record(
                experiment=Experiment(title=evil, path=evil),
                origin=ORIGIN.model_copy(update={"labels": {evil: evil}, "host": evil}),
                series=(series(probe=evil),),
                faults=(fault(target(evil), sentence=evil, notes=(evil,), parameters={evil: evil}),),
                timeline=(Event(at=START, what=evil, detail=evil),),
                events=events(),
            )
        )
    )
    assert "script" not in page.tags
    assert page.text.count(evil) >= 8


def test_a_gap_in_the_data_is_a_gap_in_the_line() -> None:
    text = html(record(series=(series(bad_at(30, 31, 32, outcome=Outcome.STALE)),)))
    assert text.count('class="curve"') == 2
    assert text.count('class="gap"') == 3
