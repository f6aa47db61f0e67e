"""The digest for chat and CI."""

from reports.cells import cells
from reports.exports.digest import digest
from reports.exports.junit import NotRun
from reports.record import Experiment
from reports.services import Declared, fleet
from reports.trends import findings
from tests.reports._nights import KEY, NOW, nights
from tests.reports._records import bad_at, fault, record, series, target


def test_what_needs_a_look_comes_first() -> None:
    text = digest(
        [
            record(run="good"),
            record(run="unmet", faults=(fault(target(hits=0)),)),
            record(run="weak", series=(series(bad_at(70)),)),
            record(run="left", residue=("a rule",)),
        ],
        [NotRun("etcd.yaml", "It was expected.")],
    )
    lines = text.splitlines()
    assert lines[0] == "## Chaos, 2027-01-15: 4 of 5 runs need a look"
    assert [line.split("|")[1].strip() for line in lines if "(`" in line] == [
        "**residue**",
        "**fail**",
        "**inconclusive**",
        "pass",
    ]
    assert "- etcd.yaml: It was expected." in lines


def test_a_green_night_is_one_line_and_nothing_is_no_green_night() -> None:
    assert digest([record()]).startswith("## Chaos, 2027-01-15: 1 run passed\n")
    assert digest([]) == "## Chaos: nothing ran\n"
    assert digest([], [NotRun("etcd.yaml", "It was expected.")]).startswith("## Chaos: nothing ran\n")


def test_regressions_and_services_are_told() -> None:
    found = cells(nights([100.0] * 10 + [10.0, 10.0]), NOW)
    whole = fleet(found, {"payment": Declared(owner="team-p", requires={"etcd": 1.0})}, KEY.environment)
    text = digest([], [], findings(found), whole)
    assert "- regression of payment/network-dns: It failed after 5 passes" in text
    assert "Compare `night-2.5` with `night-1.5`." in text
    assert "| payment | 28.1 | 50% | etcd never run | team-p |" in text


def test_a_cell_that_fails_every_night_is_told_without_a_night_to_compare() -> None:
    text = digest([], [], findings(cells(nights([10.0] * 10), NOW)))
    assert text.endswith(
        "- failing of payment/network-dns: It failed in each of the last 10 nights, since 2027-01-05: It did.\n"
    )


def test_text_from_a_record_cannot_break_the_table() -> None:
    text = digest([record(experiment=Experiment(title="a | b\n<img src=x>"))])
    (row,) = [line for line in text.splitlines() if line.startswith("| pass")]
    assert "a \\| b &lt;img src=x>" in row
