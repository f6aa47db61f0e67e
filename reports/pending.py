"""Records that were acknowledged before they were judged: judged here, at the latest when somebody asks for them.

Whoever reads runs of a service first judges what waits of it, so that no answer lacks a run that was acknowledged, and
none shows one without its verdict. Judging is a function of the bytes: it does no harm if two do it at once.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, select

from reports.connect import reaching, writing
from reports.inserting import add_judged
from reports.packing import Packed, pack_held
from reports.tables import pending, runs

if TYPE_CHECKING:
    from reports.store import Store

__all__ = ["Judging", "Waiting", "judge_here", "settle", "settle_all", "settle_within", "settled", "tidy", "waiting"]

_BATCH = 100


class Waiting(NamedTuple):
    """A record that waits: its run, its project, and its bytes as they came, compressed, with their address."""

    run: str
    address: str
    body: bytes
    project: str


Judging = Callable[[Sequence[Waiting]], list[Packed]]


def judge_here(many: Sequence[Waiting]) -> list[Packed]:
    """Return records as the store keeps them, judged in this process."""
    return [pack_held(each.run, each.address, each.body, each.project) for each in many]


def waiting(connection: Connection, service: str = "") -> list[str]:
    """Return the runs that wait, of one service or of all."""
    query = select(pending.c.run).order_by(pending.c.run)
    return list(connection.scalars(query.where(pending.c.service == service) if service else query))


def settle(store: "Store", names: Sequence[str], judging: Judging | None = None) -> None:
    """Judge those of these runs that wait, in small transactions; raises Unreachable where the store does not answer.

    Nothing is locked while it judges, by the store's own way unless another is given. Raises ChaosctlError for a record
    that is not the one that was stored.
    """
    for first in range(0, len(names), _BATCH):
        with reaching(store.place), store.engine.connect() as connection:
            found = _read(connection, names[first : first + _BATCH])
        if found:
            packed = (judging or store.judging)(found)
            with reaching(store.place), writing(store.engine) as connection:
                add_judged(connection, packed)


def settle_all(store: "Store", service: str = "") -> None:
    """Judge everything that waits, of one service or of all; raises as settle()."""
    with settled(store, service):
        pass


def settle_within(connection: Connection) -> None:
    """Judge everything that waits in a transaction that is there already, before the tables of this version go."""
    while names := waiting(connection)[:_BATCH]:
        add_judged(connection, judge_here(_read(connection, names)))


def tidy(store: "Store") -> None:
    """Give back the space of what waited, so that PostgreSQL has not to step over it until it would do so by itself."""
    if store.engine.dialect.name == "postgresql":
        alone = store.engine.execution_options(isolation_level="AUTOCOMMIT")
        with reaching(store.place), alone.connect() as connection:
            connection.exec_driver_sql("VACUUM pending")


@contextmanager
def settled(store: "Store", service: str = "") -> Iterator[Connection]:
    """Yield a connection for reading, once nothing waits that was acknowledged before, of one service or of all."""
    with reaching(store.place), store.engine.connect() as connection:
        names = waiting(connection, service)
        if not names:
            yield connection
            return
    settle(store, names)
    with reaching(store.place), store.engine.connect() as connection:
        yield connection


def _read(connection: Connection, names: Sequence[str]) -> list[Waiting]:
    query = select(pending.c.run, pending.c.address, pending.c.body, runs.c.project)
    query = query.join(runs, runs.c.run == pending.c.run).where(pending.c.run.in_(names))
    return [Waiting(*row) for row in connection.execute(query)]
