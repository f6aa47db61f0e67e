"""Against one real Prometheus that scrapes known events at 1 s and at 15 s; its schedule takes about two minutes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from probes.prometheus import Server, follow, instant, server, window
from runner.errors import Inconclusive, Unreachable, UsageError
from runner.model import Outcome, Sample, clock
from tests.probes._prometheus_server import Episode, Exporter, Job, free_port, running, tardy, until

pytestmark = pytest.mark.timeout(300)

STEADY = 'steady 3\nzero 0\nmany{n="a"} 1\nmany{n="b"} 2\n'


@dataclass(frozen=True)
class Lab:
    url: str
    asked: Server
    targets: dict[str, Exporter]
    found: Path
    episodes: dict[str, Episode]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("prometheus")
    fast, slow = Episode("fast", 1, 5, 5, 10), Episode("slow", 15, 60, 1, 2)
    targets = {
        "steady": Exporter(lambda _: STEADY),
        "doomed": Exporter(lambda scrape: f"doomed_total {scrape}\n"),
        "stamped": Exporter(lambda _: f"stamped 5 {round(clock() * 1000)}\n"),
        "tardy": Exporter(tardy),
        "fast": Exporter(fast.page),
        "slow": Exporter(slow.page),
        "dropped": Exporter(lambda scrape: f"dropped {scrape}\n"),
    }
    found = folder / "found.json"
    found.write_text(json.dumps([{"targets": [targets["dropped"].address]}]))
    jobs = [Job(name, [target], "15s" if name == "slow" else "1s") for name, target in targets.items()][:-1]
    with running(folder, [*jobs, Job("dropped", file=found)]) as url, server(url) as asked:
        yield Lab(url, asked, targets, found, {"fast": fast, "slow": slow})
    for target in targets.values():
        target.stop()


@pytest.fixture(scope="module")
def asked(lab: Lab) -> Server:
    jobs = "steady", "doomed", "stamped", "tardy", "fast", "dropped"
    until(lambda: all(scraped(lab.asked, job) for job in jobs))
    until(lambda: lab.targets["steady"].scrapes > 6)
    return lab.asked


def scraped(asked: Server, job: str) -> bool:
    return (asked.instant(f'sum(sum_over_time(up{{job="{job}"}}[1m]))').value or 0) >= 3


def test_the_probe_returns_a_number(lab: Lab, asked: Server) -> None:
    assert instant("steady", url=lab.url) == 3.0


def test_the_environment_says_which_prometheus(
    lab: Lab, asked: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "chaosctl.yaml"
    file.write_text(json.dumps({"environments": {"here": {"kind": "lab", "prometheus": {"url": lab.url}}}}))
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(file))
    monkeypatch.setenv("CHAOSCTL_ENV", "here")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert instant("steady") == 3.0


@pytest.mark.parametrize(
    ("query", "outcome", "said"),
    [
        ("nowhere", Outcome.NO_SERIES, "no series"),
        ("steady > 100", Outcome.NO_SERIES, "no series"),
        ("many", Outcome.SEVERAL_SERIES, "2 series"),
        ("zero / zero", Outcome.NAN, "NaN"),
        ("scalar(zero) / scalar(zero)", Outcome.NAN, "NaN"),
        ("steady / zero", Outcome.NAN, "+Inf"),
        ("-steady / zero", Outcome.NAN, "-Inf"),
        ("sum(rate(nowhere[1m])) or vector(0)", Outcome.STALE, "none of the series"),
        ("steady * on() group_left() many", Outcome.FAILED, "many-to-many"),
    ],
)
def test_what_is_no_single_number_is_told_apart(
    lab: Lab, asked: Server, query: str, outcome: Outcome, said: str
) -> None:
    sample = asked.instant(query)
    assert (sample.outcome, sample.value) == (outcome, None)
    assert said in sample.detail
    now = clock()
    assert {each.outcome for each in asked.samples(query, now - 4, now)} - {Outcome.REPEATED} == {outcome}
    with pytest.raises(Inconclusive) as caught:
        instant(query, url=lab.url)
    assert f"`{query}`" in caught.value.message
    assert said in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("absent(nowhere)", 1.0),
        ("(sum(rate(nowhere[1m])) or vector(0)) / sum(steady)", 0.0),
        ("steady or vector(0)", None),
        ("sum(steady or vector(0))", 3.0),
        ("steady offset 1s", 3.0),
        ("max_over_time(steady[3s:1s])", 3.0),
        ("scalar(steady)", 3.0),
        ('up{job="steady"}', 1.0),
    ],
)
def test_every_way_to_read_a_series_gives_its_value(asked: Server, query: str, value: float | None) -> None:
    assert asked.instant(query).value == value


@pytest.mark.parametrize(("query", "said"), [("1", "no series that can change"), ("foo bar", "unexpected identifier")])
def test_a_query_that_cannot_be_meant_is_refused(lab: Lab, asked: Server, query: str, said: str) -> None:
    for ask in (lambda: asked.instant(query), lambda: asked.samples(query, 0, 1), lambda: instant(query, lab.url)):
        with pytest.raises(UsageError, match=said) as caught:
            ask()
        assert f"`{query}`" in caught.value.message


def test_a_window_is_each_scrape_once(lab: Lab, asked: Server) -> None:
    found = window("steady", url=lab.url, start="4s", step="250ms")
    scrapes = [at for at, _ in asked._api.raw("steady", 300)[0].points]
    assert [at for at, _ in found] == scrapes[scrapes.index(found[0][0]) :][: len(found)]
    assert {value for _, value in found} == {3.0}
    coarse = window("steady", url=lab.url, start="4s")
    assert {at for at, _ in coarse} <= set(scrapes)


@pytest.mark.parametrize(
    ("query", "start", "end", "error"),
    [
        ("nowhere", "3s", "0s", Inconclusive),
        ("steady", "1h", "0s", Inconclusive),
        ("steady", "10s", "10s", UsageError),
        ("steady", "soon", "0s", UsageError),
    ],
)
def test_a_window_with_a_gap_is_not_known(
    lab: Lab, asked: Server, query: str, start: str, end: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        window(query, url=lab.url, start=start, end=end)


def test_between_scrapes_a_step_is_repeated(asked: Server) -> None:
    scrapes = [at for at, _ in asked._api.raw("steady", 300)[0].points]
    samples = asked.samples("timestamp(steady)", scrapes[0], scrapes[-1], 0.25)
    good = [(sample.at, sample.value) for sample in samples if sample.outcome == Outcome.GOOD]
    assert good == [(at, at) for at in scrapes[1:-1]]
    assert {sample.outcome for sample in samples} == {Outcome.GOOD, Outcome.REPEATED}


def test_a_target_that_is_down_leaves_no_value_that_counts(asked: Server, lab: Lab) -> None:
    assert asked.instant("rate(doomed_total[1m])").outcome == Outcome.GOOD
    lab.targets["doomed"].stop()
    until(lambda: asked.instant("doomed_total").outcome == Outcome.NO_SERIES)
    stale = asked.instant("rate(doomed_total[1m])")
    assert (stale.outcome, stale.value) == (Outcome.STALE, None)
    assert "`doomed_total`" in stale.detail
    assert asked.instant('up{job="doomed"}').value == 0.0


def test_a_value_that_only_lookback_shows_is_stale(lab: Lab, asked: Server) -> None:
    assert asked.instant("stamped").outcome == Outcome.GOOD
    lab.targets["stamped"].stop()
    until(lambda: asked.instant("stamped").outcome != Outcome.GOOD)
    stale = asked.instant("stamped")
    assert (stale.outcome, stale.value) == (Outcome.STALE, None)
    with pytest.raises(Inconclusive, match=r"`stamped` .* holds a sample .* old, more than 4s"):
        instant("stamped", url=lab.url)


def test_a_server_that_is_away_is_no_sample(asked: Server) -> None:
    with server(f"http://127.0.0.1:{free_port()}") as away:
        assert away.instant("steady").outcome == Outcome.UNREACHABLE
        with pytest.raises(Unreachable, match="steady"):
            away.samples("steady", 0, 1)


def test_a_tick_is_two_requests(asked: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.instant("sum(steady) / sum(zero)")
    sent: list[str] = []
    session = asked._api._session
    send = session.send

    def counting(request: Any, **more: Any) -> Any:
        sent.append(request.url)
        return send(request, **more)

    monkeypatch.setattr(session, "send", counting)
    asked.instant("sum(steady) / sum(zero)")
    assert len(sent) == 2
    asked.samples("sum(steady) / sum(zero)", clock() - 5, clock())
    assert len(sent) == 4


def test_settled_samples_never_change(lab: Lab, asked: Server) -> None:
    queries = "tardy", "dropped"
    settled, rash = dict[tuple[str, float], list[Sample]](), dict[tuple[str, float], list[Sample]]()
    begin = clock() - asked.shape("tardy").settling
    lab.found.write_text("[]")

    def harvest() -> bool:
        now = clock()
        for query in queries:
            end = now - asked.shape(query).settling
            settled[query, end] = asked.samples(query, begin, end)
            rash[query, now] = asked.samples(query, begin, now)
        last = settled["dropped", end]
        return bool(last) and last[-1].outcome == Outcome.NO_SERIES and now - begin > 15

    until(harvest, 60)
    assert all(asked.samples(query, begin, end) == found for (query, end), found in settled.items())
    assert {query for (query, end), found in rash.items() if asked.samples(query, begin, end) != found} == {*queries}


def test_samples_taken_bit_by_bit_are_those_taken_at_once(asked: Server) -> None:
    end = clock() - asked.shape("tardy").settling
    start = end - 12
    bits, reached = list[Sample](), start
    for cut in (start + 12 * part / 40 for part in range(1, 41)):
        bits += asked.samples("tardy", reached, min(cut, end))
        reached = bits[-1].at if bits else start
    assert bits == asked.samples("tardy", start, min(cut, end))
    assert [sample.at for sample in bits] == sorted({sample.at for sample in bits})


def test_the_runner_follows_a_probe_through_its_history(lab: Lab, asked: Server) -> None:
    followed = follow("instant", {"query": "steady", "url": lab.url})
    assert followed is not None
    shape, end = asked.shape("steady"), clock() - followed.settling
    assert (followed.interval, followed.resolution, followed.settling) == (1, shape.resolution, shape.settling)
    assert followed.samples(end - 3, end) == asked.samples("steady", end - 3, end) != []
    followed.close()
    assert follow("window", {"query": "steady"}) is None


@pytest.mark.parametrize("job", ["fast", "slow"])
@pytest.mark.parametrize("kind", ["gauge", "ratio"])
def test_edges_lie_within_the_declared_resolution(lab: Lab, asked: Server, job: str, kind: str) -> None:
    episode = lab.episodes[job]
    query: str = getattr(episode, kind)
    until(lambda: clock() > episode.end and len(edges(asked, query, episode)) == 2, 200)
    fell, rose = edges(asked, query, episode)
    shape = asked.shape(query)
    early, late = slowness(asked, episode)
    assert shape.interval == episode.interval
    assert shape.range == {"gauge": 0, "ratio": episode.smear}[kind]
    assert episode.begin - early <= fell <= episode.begin + shape.interval + late
    assert episode.end - early <= rose <= episode.end + shape.resolution + late
    if kind == "ratio":
        assert rose > episode.end + shape.range - shape.interval


def edges(asked: Server, query: str, episode: Episode) -> list[float]:
    """Return when the trouble shows first, and when it shows no longer."""
    samples = asked.samples(query, episode.started, clock())
    good = [sample for sample in samples if sample.outcome == Outcome.GOOD]
    fell = next((each.at for each in good if each.value), None)
    rose = next((each.at for each in good if fell and each.at > fell and not each.value), None)
    return [at for at in (fell, rose) if at]


def slowness(asked: Server, episode: Episode) -> tuple[float, float]:
    """Return how long a scrape took, and how far scrapes came apart beyond the interval, on this machine."""
    took = asked.value(f'max_over_time(scrape_duration_seconds{{job="{episode.job}"}}[5m])')
    [row] = asked._api.raw(f'healthy{{job="{episode.job}"}}', 300)
    apart = max(after - before for (before, _), (after, _) in zip(row.points, row.points[1:], strict=False))
    return took, max(0.0, apart - asked.shape(episode.gauge).interval)


def test_importing_the_probes_is_light() -> None:
    heavy = "{'requests', 'prometheus_api_client', 'pydantic', 'yaml', 'tenacity'}"
    code = f"import sys, probes.prometheus; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
