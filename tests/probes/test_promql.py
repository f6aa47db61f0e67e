import pytest

from probes._promql import Need, NotUnderstood, counter_selector, read
from runner.errors import UsageError


@pytest.mark.parametrize(
    ("query", "shifted", "reach"),
    [
        ("up", ["up"], 0),
        ('rate(a{code=~"5.."}[30s])', ['a{code=~"5.."}'], 30),
        ("a offset 5m", ["a offset 300000ms"], 300),
        ("a offset -1m30s500ms", ["a offset -90500ms"], 90.5),
        ("rate(a[1m] offset 5s)", ["a offset 5000ms"], 65),
        ("max_over_time(rate(a[1m])[5m:15s])", ["a"], 60 + 300 + 15),
        ("avg_over_time(a[5m:] offset 10s)", ["a offset 10000ms"], 300 + 60 + 10),
        ("a / a offset 1m", ["a", "a offset 60000ms"], 60),
        ("topk(scalar(c), b)", ["b", "c"], 0),
        ("-(a + on() group_left() b)", ["a", "b"], 0),
        ("a - a @ 5", ["a"], 0),
        ('{"dotted.name"}', ['{__name__="dotted.name"}'], 0),
        ("job:errors:rate5m", ["job:errors:rate5m"], 0),
    ],
)
def test_selectors_carry_the_offsets_and_ranges_around_them(query: str, shifted: list[str], reach: float) -> None:
    selectors = read(query).selectors
    assert [selector.shifted for selector in selectors] == shifted
    assert max(selector.reach for selector in selectors) == reach


@pytest.mark.parametrize(
    ("query", "needs"),
    [
        ("a / b", [Need.REQUIRED, Need.REQUIRED]),
        ("(sum(rate(a[1m])) or vector(0)) / sum(rate(b[1m]))", [Need.OPTIONAL, Need.REQUIRED]),
        ("a or b", [Need.OPTIONAL, Need.OPTIONAL]),
        ("a unless b", [Need.REQUIRED, Need.OPTIONAL]),
        ("absent(a)", [Need.ABSENCE]),
        ("absent_over_time(a[5m]) or b", [Need.ABSENCE, Need.OPTIONAL]),
    ],
)
def test_a_value_can_stand_without_some_selectors(query: str, needs: list[Need]) -> None:
    assert [selector.need for selector in read(query).selectors] == needs


def test_label_values_keep_their_escapes() -> None:
    [selector] = read(r"""a{path=~"/v1\\.\\d+",quote='say "no"',odd="a\\b"}""").selectors
    assert selector.text == r'a{path=~"/v1\\.\\d+",quote="say \"no\"",odd="a\\b"}'
    assert read(selector.text).selectors == (selector,)


@pytest.mark.parametrize("query", ["1", "vector(1)", "time()", "0/0", '"text"', "a @ 5", "max_over_time((a @ 5)[5m:])"])
def test_a_steady_state_that_nothing_can_change_is_refused(query: str) -> None:
    with pytest.raises(UsageError, match="no series that can change") as caught:
        read(query)
    assert f"`{query}`" in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize("query", ["a[5m]", "(a[5m])", "rate(a[1m])[5m:]"])
def test_a_range_is_no_number(query: str) -> None:
    with pytest.raises(UsageError, match="one number per moment"):
        read(query)


@pytest.mark.parametrize("query", ["a @ end()", "rate(a[5m] @ start())", "max_over_time(a[5m:15s] @ end())"])
def test_what_depends_on_the_window_asked_for_is_refused(query: str) -> None:
    with pytest.raises(UsageError, match="window asked for"):
        read(query)


@pytest.mark.parametrize("query", ["", "foo bar", "sum(a", r"a{path=~`x\.y`}", 'a{x="1" or y="2"}'])
def test_what_the_parser_cannot_read_is_told_apart(query: str) -> None:
    with pytest.raises(NotUnderstood):
        read(query)


def test_a_counter_is_named_by_a_plain_selector() -> None:
    assert counter_selector('requests_total{code=~"5.."}').text == 'requests_total{code=~"5.."}'


@pytest.mark.parametrize("text", ["rate(a[1m])", "sum(a)", "a + b", "a offset 5m", "a @ 5", "a[5m]", "1"])
def test_events_are_not_counted_from_expressions(text: str) -> None:
    with pytest.raises(UsageError, match="no plain selector"):
        counter_selector(text)
