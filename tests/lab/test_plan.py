import pytest

from lab.plan import Lab
from runner.errors import UsageError


@pytest.mark.parametrize(
    ("subnet", "expected"),
    [
        ("10.213.0.0/24", "fd13:213::/64"),
        ("10.214.7.0/24", "fd13:214:7::/64"),
        ("192.168.5.0/24", "fd13:168:5:192::/64"),
        ("172.20.5.0/24", "fd13:20:5:172::/64"),
    ],
)
def test_the_ipv6_range_is_read_off_the_ipv4_range(subnet: str, expected: str) -> None:
    assert str(Lab(subnet=subnet).network6) == expected


def test_both_addresses_of_a_host_end_in_its_number() -> None:
    lab = Lab()
    assert (str(lab.address(30)), str(lab.address6(30))) == ("10.213.0.30", "fd13:213::30")


@pytest.mark.parametrize("subnet", ["10.213.0.0/16", "10.213.0.1/24", "8.8.8.0/24", "fd13::/64", "office", ""])
def test_a_range_that_cannot_be_is_refused_with_an_example(subnet: str) -> None:
    with pytest.raises(UsageError, match="cannot be the range of a lab") as refusal:
        Lab(subnet=subnet)
    assert "--subnet 10.213.0.0/24" in refusal.value.fix


@pytest.mark.parametrize("subnet", ["10.96.76.0/24", "10.244.60.0/24"])
def test_a_cluster_cannot_have_a_range_of_its_own_pods_or_services(subnet: str) -> None:
    assert str(Lab(subnet=subnet).network) == subnet, "without a cluster nobody else has it"
    with pytest.raises(UsageError, match=r"its pods have 10\.244\.0\.0/16, its Services 10\.96\.0\.0/16"):
        Lab(subnet=subnet, kubernetes=True)


@pytest.mark.parametrize("name", ["", "Lab", "9lives", "a/b", "lab-", "ten-letter", "..", "two words"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a lab"):
        Lab(name)


@pytest.mark.parametrize("interval", [0.0, 0.1, 3600.0])
def test_a_scrape_interval_that_no_test_can_wait_for_is_refused(interval: float) -> None:
    with pytest.raises(UsageError, match="cannot scrape every"):
        Lab(scrape_interval=interval)


def test_the_longest_name_still_fits_a_link() -> None:
    assert len(Lab("nine-long").link) == 15


def test_namespaces_of_the_default_lab_bear_no_lab_name() -> None:
    assert Lab().namespace("payment-api") == "chaoslab-payment-api"
    assert Lab("second").namespace("payment-api") == "chaoslab-second-payment-api"


@pytest.mark.parametrize(("interval", "window"), [(1.0, 5.0), (15.0, 60.0)])
def test_rates_are_taken_over_four_scrapes_and_five_seconds_at_least(interval: float, window: float) -> None:
    assert Lab(scrape_interval=interval).window == window


def test_a_lab_is_read_back_from_its_marker(shared_lab: Lab) -> None:
    assert Lab.on_this_machine(shared_lab.name) == shared_lab


def test_a_marker_that_was_not_yet_written_is_no_lab(downed_lab: Lab) -> None:
    downed_lab.marker.parent.mkdir(exist_ok=True)
    downed_lab.marker.touch()
    assert Lab.on_this_machine(downed_lab.name) is None
