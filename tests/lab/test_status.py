from lab.hosts import HOSTS
from lab.plan import Lab
from lab.status import status


def test_a_healthy_lab_is_up_in_all_its_parts(shared_lab: Lab) -> None:
    parts = status(shared_lab)
    assert [part.name for part in parts] == [host.name for host in HOSTS]
    assert all(part.up for part in parts), parts
    redis = next(part for part in parts if part.name == "redis-cluster")
    assert redis.namespace == shared_lab.namespace("redis-cluster")
    assert (redis.address, redis.address6) == (str(shared_lab.address(10)), str(shared_lab.address6(10)))


def test_a_lab_that_is_not_there_is_down_in_all_its_parts(downed_lab: Lab) -> None:
    assert {part.trouble for part in status(downed_lab)} == {"it is not there"}
