"""What one server process works with: the store, the limits, and who is asking."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from reports.api.answers import Answers
from reports.api.background import Background
from reports.api.limits import Buckets
from reports.api.problems import Problem
from reports.api.together import Known, Together
from reports.api.told import Told
from reports.api.workers import Workers
from reports.connect import reaching
from reports.metrics import Metrics
from reports.services import Declared
from reports.standings import Standings
from reports.store import Store
from reports.tokens import Token, verified

__all__ = ["Reads", "Service", "Serving", "Settings", "Writer", "Writes", "writer_of"]

_FAILURES_A_SECOND = 10.0


@dataclass(frozen=True)
class Settings:
    """How to serve; sizes in bytes, the rate in requests a second and token, `judges` processes beside this one."""

    store_url: str = ""
    rate: float = 500.0
    public_read: bool = False
    most_record: int = 4 << 20
    most_bulk: int = 32 << 20
    most_lines: int = 2_000
    most_junit: int = 4 << 20
    judges: int = 0
    declared: Mapping[str, Mapping[str, Declared]] = field(default_factory=dict)


class Service:
    """The state of one server process."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        # One statement needs no transaction around it: two round trips a request less.
        alone = {"isolation_level": "AUTOCOMMIT"} if store.engine.dialect.name == "postgresql" else {}
        self._reading = store.engine.execution_options(**alone)
        self.settings = settings
        self.answers = Answers(store)
        self.together = Together(self.answers)
        self.workers = Workers(settings.judges)
        store.judging = self.workers.judged
        self.standings = Standings(store)
        self.told = Told(self.standings, settings.declared)
        self.metrics = Metrics(store, self.standings, settings.declared)
        self.background = Background(store, self.standings, min(settings.judges, 1))
        self.by_token = Buckets(settings.rate)
        self.by_address = Buckets(_FAILURES_A_SECOND)

    def admit(self, presented: str, scope: str, address: str, known: Known | None = None) -> Token:
        """Return the token that was presented, if it may do that and not too often; raises Problem 401, 403 or 429.

        `known` has those that were looked up for others who ask at the same time, and is added to.
        """
        known = {} if known is None else known
        if presented and presented not in known:
            with reaching(self.store.place), self._reading.connect() as connection:
                known[presented] = verified(connection, presented)
        token = known.get(presented)
        if token is None:
            self.by_address.take(address)
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "Present a token that is valid, as Authorization: Bearer TOKEN. chaosctl token create makes one.",
                headers={"WWW-Authenticate": 'Bearer realm="chaosctl"'},
            )
        self.by_token.take(token.id)
        if not token.may(scope):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "forbidden",
                f"Token {token.id} was made for {token.scopes}, and this needs {scope}.",
                headers={"WWW-Authenticate": f'Bearer realm="chaosctl", error="insufficient_scope", scope="{scope}"'},
            )
        return token


async def _serving(request: Request) -> Service:
    """Return the service; asynchronous, because what is not is handed to another thread."""
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(_serving)]

_bearer = HTTPBearer(auto_error=False, description="A token that `chaosctl token create` made.")
_Presented = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class Writer:
    """Who wants to write: its token is looked at once, when it is first asked for."""

    def __init__(self, request: Request, service: Service, presented: HTTPAuthorizationCredentials | None) -> None:
        self.service = service
        self.origin = _address(request)
        self._admit = partial(service.admit, presented.credentials if presented else "", "ingest", self.origin)
        self._admitted: Token | None = None

    def admitted(self, known: Known | None = None) -> Token:
        """Return the token, if it may write; waits for the store, and raises as admit()."""
        self._admitted = self._admitted or self._admit(known)
        return self._admitted


async def _writer(request: Request, service: Serving, presented: _Presented) -> Writer:
    return Writer(request, service, presented)


async def writer_of(request: Request) -> Writer:
    """Return who sent a request that writes, as the dependency does, and in less time than it takes to look for it."""
    return Writer(request, request.app.state.service, await _bearer(request))


def _reads(request: Request, service: Serving, presented: _Presented) -> Token | None:
    if service.settings.public_read and presented is None:
        service.by_token.take(_address(request))
        return None
    return service.admit(presented.credentials if presented else "", "read", _address(request))


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


Writes = Annotated[Writer, Depends(_writer)]
"""A dependency: who sent a request that writes; nothing is done for it before its token was asked for."""

Reads = Annotated[Token | None, Depends(_reads)]
"""A dependency: the token of a request that may read; None where everybody may."""
