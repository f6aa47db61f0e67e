"""chaosctl.yaml: which file counts, what it may say, and which environment is meant."""

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from runner import config
from runner.config import Secret, Store, current, current_or_none, load
from runner.errors import InvalidFile, Unreachable, UsageError

LAB = "environments:\n  lab: {kind: lab}\n"


def own(directory: Path, text: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "chaosctl.yaml"
    file.write_text(text)
    return file


def written(state: Path, name: str, text: str) -> None:
    (state / "environments").mkdir(parents=True, exist_ok=True)
    (state / "environments" / f"{name}.yaml").write_text(text)


def test_nothing_configured_is_no_environment() -> None:
    assert current_or_none() is None
    with pytest.raises(UsageError, match="No environment was chosen") as none:
        current()
    assert "chaosctl lab up" in none.value.fix


def test_nearest_file_counts_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = own(tmp_path / ".config" / "chaosctl", "default: home\nenvironments: {home: {kind: lab}}")
    assert config.config_files() == (home,)
    here = own(tmp_path, "default: here\nenvironments: {here: {kind: lab}}")
    assert [file.resolve() for file in config.config_files()] == [here]
    named = own(tmp_path / "elsewhere", "default: named\nenvironments: {named: {kind: lab}}")
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(named))
    assert config.config_files() == (named,)
    assert load().default == "named"


def test_file_that_was_named_and_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSCTL_CONFIG", "/nowhere/chaosctl.yaml")
    with pytest.raises(InvalidFile, match=r"/nowhere/chaosctl\.yaml: file: cannot be read"):
        load()


def test_labs_are_added_and_never_become_the_default_of_a_file_that_has_one(tmp_path: Path, state: Path) -> None:
    written(state, "lab", "default: lab\n" + LAB)
    assert current().name == "lab"
    own(tmp_path, "default: staging\nenvironments: {staging: {kind: preproduction}}")
    assert current().name == "staging"
    assert set(load().environments) == {"staging", "lab"}


def test_environment_defined_twice_is_refused(tmp_path: Path, state: Path) -> None:
    own(tmp_path, LAB)
    written(state, "lab", LAB)
    with pytest.raises(UsageError, match=r"Environment 'lab' is defined in .* and in another file before it"):
        load()


def test_option_wins_over_variable_wins_over_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(tmp_path, "default: a\nenvironments: {a: {kind: lab}, b: {kind: lab}, c: {kind: lab}}")
    assert current().name == "a"
    monkeypatch.setenv("CHAOSCTL_ENV", "b")
    assert current().name == "b"
    assert current("c").name == "c"


@pytest.mark.parametrize("how", ["option", "variable", "default"])
def test_environment_that_is_not_defined_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Another one in its place would be the wrong system."""
    own(tmp_path, ("default: prod\n" if how == "default" else "") + LAB)
    if how == "variable":
        monkeypatch.setenv("CHAOSCTL_ENV", "prod")
    with pytest.raises(UsageError, match=r"Environment 'prod' is not defined \(known: lab\)"):
        current_or_none("prod" if how == "option" else "")


@pytest.mark.parametrize(
    ("lab", "field", "told"),
    [
        ("kind: lab, host: {}", "host", "is not a key that is known here"),
        ("kind: staging", "kind", "'lab', 'preproduction' or 'production'"),
        ("", "kind", "is missing here"),
        ("kind: lab, duration: 90", "duration", "90 is not a duration"),
        ("kind: lab, duration: 90.5", "duration", "90.5 is not a duration"),
        ("kind: lab, duration: 0s", "duration", "no time to wait for"),
        ("kind: lab, guardrails: {max_targets: 0}", "guardrails.max_targets", "greater than or equal to 1"),
        ("kind: lab, prometheus: {url: nowhere}", "prometheus.url", "valid URL"),
        ("kind: lab, kubernetes: {context: x}", "kubernetes.uid", "is missing here"),
        ("kind: lab, store: {url: x, password: hunter2}", "store.password", "valid dictionary"),
        ("kind: lab, store: {url: x, password: {}}", "store.password", "one of the two"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, lab: str, field: str, told: str) -> None:
    own(tmp_path, f"default: lab\nenvironments:\n  lab: {{{lab}}}\n")
    with pytest.raises(InvalidFile) as invalid:
        load()
    assert invalid.value.where == "chaosctl.yaml:3"
    assert invalid.value.field == f"environments.lab.{field}"
    assert told in invalid.value.expected


def test_misspelt_key_at_the_top_is_named(tmp_path: Path) -> None:
    own(tmp_path, "default: lab\nenviroments: {}\n")
    with pytest.raises(InvalidFile, match=r"chaosctl\.yaml:2: enviroments: is not a key that is known here"):
        load()


def test_durations_are_read(tmp_path: Path) -> None:
    own(tmp_path, "environments: {lab: {kind: lab, duration: 1m30s, guardrails: {max_duration: 2h}}}")
    lab = current("lab").environment
    assert (lab.duration, lab.guardrails.max_duration) == (90, 7200)


def test_production_and_limits_are_closed_by_default(tmp_path: Path) -> None:
    own(tmp_path, LAB)
    guardrails = current("lab").environment.guardrails
    assert (guardrails.production_allowed, guardrails.max_duration, guardrails.max_targets) == (False, 900, 50)


def test_secret_comes_from_where_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_SECRET", "hunter2")
    (tmp_path / "secret").write_text("hunter3\n")
    assert Secret(env="THE_SECRET").reveal() == "hunter2"
    assert Secret(file=tmp_path / "secret").reveal() == "hunter3"


def test_secret_that_is_not_there_is_said_without_guessing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    for name in ("EMPTY", "UNSET"):
        with pytest.raises(Unreachable, match=rf"\${name} is empty or not set"):
            Secret(env=name).reveal()
    with pytest.raises(Unreachable, match="cannot be read: No such file"):
        Secret(file=tmp_path / "nowhere").reveal()


def test_password_is_put_into_the_stores_url_whatever_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "a:b@c/d")
    store = Store(url="postgresql://chaos@db:5432/runs?sslmode=require", password=Secret(env="PASSWORD"))
    assert store.address() == "postgresql://chaos:a%3Ab%40c%2Fd@db:5432/runs?sslmode=require"
    assert Store(url="sqlite:///x.db").address() == "sqlite:///x.db"


def test_schema_takes_what_is_read_and_refuses_what_is_not() -> None:
    schema = config.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    good: Any = yaml.safe_load("default: lab\nenvironments: {lab: {kind: lab, duration: 90s}}")
    jsonschema.validate(good, schema)
    bad: Any
    for bad in ({"enviroments": {}}, {"environments": {"lab": {"kind": "x"}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
    assert json.loads(json.dumps(schema)) == schema


def test_files_are_read_anew_each_time(tmp_path: Path, state: Path) -> None:
    """A lab may come and go while a session lasts."""
    written(state, "lab", "default: lab\n" + LAB)
    assert current_or_none()
    shutil.rmtree(state / "environments")
    assert current_or_none() is None
