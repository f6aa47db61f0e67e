"""Prometheus' HTTP API through prometheus-api-client: bounded, without hidden retries, with errors to act on."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import requests
import tenacity
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from pydantic import AnyUrl, ValidationError
from requests.auth import AuthBase, HTTPBasicAuth

from probes._promql import Row, promql_duration
from runner.config import Prometheus, Secret, current
from runner.errors import ChaosctlError, Inconclusive, Unreachable, UsageError

__all__ = ["Api", "QueryFailed", "chosen"]

_T = TypeVar("_T")


class QueryFailed(Inconclusive):
    """The server understood the query and could not evaluate it on the data there is."""


class _Bearer(AuthBase):
    """A bearer token, read anew for each request: mounted tokens rotate. As `auth` it also keeps .netrc out."""

    def __init__(self, secret: Secret) -> None:
        self.secret = secret

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.secret.reveal()}"
        return request


def _worth_another_try(error: BaseException) -> bool:
    """Tell a connection that broke (the server may have closed an idle one) from a server that is slow or untrusted."""
    return isinstance(error, requests.ConnectionError) and not isinstance(
        error, requests.Timeout | requests.exceptions.SSLError
    )


_TWICE = tenacity.Retrying(
    retry=tenacity.retry_if_exception(_worth_another_try), stop=tenacity.stop_after_attempt(2), reraise=True
)


class Api:
    """One Prometheus. Its calls raise Unreachable, UsageError or QueryFailed, each naming the query and the server."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.url = _address(prometheus.url)
        self._timeout = prometheus.timeout
        self._credentials, auth = _credentials(prometheus)
        self._session = requests.Session()
        self._session.trust_env = prometheus.proxy
        self._session.verify = str(prometheus.ca_file) if prometheus.ca_file else True
        self._session.auth = auth
        self._session.hooks["response"].append(_keep_status)
        self._client = PrometheusConnect(
            self.url,
            retry=urllib3.Retry(total=0, read=False),  # without `read` a timeout would come as a broken connection
            session=self._session,
            timeout=self._timeout,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def instant(self, query: str, at: float | None = None) -> list[Row]:
        """Return the answer at a moment; without one, at the server's own now."""
        params = self._bound() if at is None else {"time": at, **self._bound()}
        return self._ask(query, lambda: _rows(self._client.custom_query(query, params=params)))

    def range(self, query: str, times: Sequence[float], step: float) -> list[Row]:
        """Return the answers at equidistant times."""
        start, end = (datetime.fromtimestamp(at, UTC) for at in (times[0], times[-1]))
        exact = {"start": times[0], "end": times[-1] + step / 10, **self._bound()}  # the client rounds to seconds
        return self._ask(
            query, lambda: _rows(self._client.custom_query_range(query, start, end, str(step), params=exact))
        )

    def raw(self, selector: str, seconds: float, end: float | None = None) -> list[Row]:
        """Return the samples as they were scraped, with the times of their scrapes."""
        return self.instant(f"{selector}[{promql_duration(seconds)}]", end)

    def recorded_as(self, name: str) -> list[str]:
        """Return the expressions that this server's rules record under that name."""
        url = f"{self.url}/api/v1/rules"
        groups = self._ask(
            f"the recording rule {name}",
            lambda: self._session.get(url, params={"type": "record"}, timeout=self._timeout).json()["data"]["groups"],
        )
        return [rule["query"] for group in groups for rule in group["rules"] if rule["name"] == name]

    def _bound(self) -> dict[str, Any]:
        return {"timeout": promql_duration(self._timeout)}

    def _ask(self, query: str, call: Callable[[], _T]) -> _T:
        try:
            return _TWICE(call)
        except requests.HTTPError as error:
            raise self._refusal(query, error.response) from error
        except requests.Timeout as error:
            raise self._unreachable(query, f"did not answer within {self._timeout:g} s") from error
        except requests.exceptions.SSLError as error:
            fix = "Name the authority that signed it: `ca_file` of this environment's prometheus in chaosctl.yaml."
            raise self._unreachable(query, f"could not be trusted ({_reason(error)})", fix) from error
        except (requests.JSONDecodeError, KeyError, TypeError, PrometheusApiClientException) as error:
            raise self._unreachable(query, "answered, but not as Prometheus does", "Check the URL.") from error
        except requests.RequestException as error:
            raise self._unreachable(query, f"cannot be reached: {_reason(error)}") from error

    def _refusal(self, query: str, response: requests.Response) -> ChaosctlError:
        """Return what an answer other than 200 means."""
        status, said = response.status_code, _said(response)
        if status in (401, 403):
            what = f"refused the authentication with {status}, using {self._credentials}"
            return self._unreachable(query, what, "Correct what that reference holds, or the reference, and try again.")
        if status == 400:
            return UsageError(f"Prometheus at {self.url} refused `{query}`: {said}.", "Correct the query.")
        if status == 422:
            return QueryFailed(f"Prometheus at {self.url} could not evaluate `{query}`: {said}.", "Narrow the query.")
        return self._unreachable(query, f"answered {status}: {said}")

    def _unreachable(self, query: str, what: str, fix: str = "") -> Unreachable:
        usual = f"Check that it runs and can be reached from here: curl {self.url}/-/ready"
        if self._session.trust_env:
            usual += " (`proxy: true` honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY)"
        return Unreachable(f"Prometheus at {self.url} {what}; it was asked for `{query}`.", fix or usual)


def chosen(url: str) -> Prometheus:
    """Return the Prometheus at an address, or without one the chosen environment's; raises UsageError for neither."""
    if url:
        try:
            return Prometheus.model_validate({"url": url})
        except ValidationError as error:
            raise UsageError(f"{url!r} is no address.", "Write it as http://prometheus.example:9090") from error
    environment = current()
    if environment.environment.prometheus is None:
        raise UsageError(
            f"Environment {environment.name!r} names no Prometheus.",
            "Add `prometheus: {url: ...}` to it in chaosctl.yaml, or give the probe its `url`.",
        )
    return environment.environment.prometheus


def _keep_status(response: requests.Response, **_: object) -> None:
    """Raise HTTPError, which carries the response; the client's own error has neither status nor message apart."""
    response.raise_for_status()


def _address(url: AnyUrl) -> str:
    if url.username or url.password:
        raise UsageError(
            f"The address of the Prometheus at {url.host} carries credentials, and addresses end up in journals.",
            "Give them as `username` and `password: {env: NAME}` of the environment in chaosctl.yaml.",
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise UsageError(f"{str(url)!r} is no address of a Prometheus.", "Write it as http://prometheus.example:9090")
    return str(url).rstrip("/")


def _credentials(prometheus: Prometheus) -> tuple[str, AuthBase | None]:
    """Return what to call the credentials in messages, never the secret, and how requests sends them."""
    if prometheus.bearer_token:
        return f"the bearer token {_reference(prometheus.bearer_token)}", _Bearer(prometheus.bearer_token)
    if prometheus.username:
        password = prometheus.password
        named = f"the password {_reference(password)}" if password else "no password"
        secret = password.reveal() if password else ""
        return f"username {prometheus.username!r} with {named}", HTTPBasicAuth(prometheus.username, secret)
    return "no credentials", None


def _reference(secret: Secret) -> str:
    return f"from ${secret.env}" if secret.env else f"in the file {secret.file}"


def _rows(result: list[Any]) -> list[Row]:
    if result and not isinstance(result[0], dict):
        return [Row({}, (_point(result),))]
    return [
        Row(series["metric"], tuple(_point(pair) for pair in series.get("values") or [series["value"]]))
        for series in result
    ]


def _point(pair: Iterable[Any]) -> tuple[float, float]:
    at, value = pair
    return float(at), float(value)


def _said(response: requests.Response) -> str:
    """Return the server's own words: the error of its JSON, else the beginning of its text."""
    try:
        return str(response.json()["error"]).rstrip(".")
    except (requests.JSONDecodeError, KeyError, TypeError):
        text = re.sub(r"<[^>]*>|\s+", " ", response.text)
        return " ".join(text.split())[:200] or "it said nothing"


def _reason(error: BaseException) -> str:
    """Return the operating system's reason from under the libraries' wrappings."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return str(inner.strerror)
        inner = inner.__cause__ or inner.__context__
    return str(error)[:200]
