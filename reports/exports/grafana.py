"""A Grafana dashboard over the metrics of reports.exports.openmetrics, to be imported as it is.

The data source is a variable, so that nothing in it names an installation. Fault windows are annotations: each cell's
latest fault, by the moments that its gauges hold.
"""

import json
from typing import Any

__all__ = ["dashboard"]

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_CHOSEN = 'environment=~"$environment",service=~"$service"'


def dashboard() -> str:
    """Return the dashboard as JSON."""
    panels = [
        _stat("Fleet", 'resilience_fleet_score{environment=~"$environment"}', 0, 0, 6),
        _stat("Worst service", f"min(resilience_score{{{_CHOSEN}}})", 6, 0, 6),
        _stat("Coverage", f"avg(resilience_coverage_ratio{{{_CHOSEN}}}) * 100", 12, 0, 6),
        _stat("Runs that said nothing, 45 days", f"{_INVALID} or vector(0)", 18, 0, 6, worse="up"),
        _lines("Score of each service", f"resilience_score{{{_CHOSEN}}}", "{{service}}", 0),
        _lines("Lower bound of each fault", f"resilience_cell_score_lower_bound{{{_CHOSEN}}}", _CELL, 12),
        _table(
            "Days since the last valid run",
            f"(time() - resilience_last_valid_run_timestamp_seconds{{{_CHOSEN}}}) / 86400",
        ),
        _bars("Runs by verdict, 45 days", f"sum by (service, verdict) (resilience_runs{{{_CHOSEN}}})"),
    ]
    made = {
        "title": "Resilience",
        "uid": "chaosctl-resilience",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "tags": ["chaosctl"],
        "time": {"from": "now-30d", "to": "now"},
        "refresh": "5m",
        "annotations": {"list": [_annotation("start", "red"), _annotation("end", "green")]},
        "templating": {"list": [_source(), _variable("environment"), _variable("service")]},
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, 1)],
    }
    return json.dumps(made, indent=2) + "\n"


_CELL = "{{service}} / {{fault}}"
_INVALID = f'sum(resilience_runs{{{_CHOSEN},verdict=~"inconclusive|error|aborted"}})'


def _annotation(edge: str, colour: str) -> dict[str, Any]:
    return {
        "name": f"Faults, {edge}",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": colour,
        "expr": f"resilience_last_fault_{edge}_timestamp_seconds{{{_CHOSEN}}} * 1000",
        "useValueForTime": True,
        "titleFormat": f"{{{{fault}}}} {edge}",
        "textFormat": "{{service}} in {{environment}}",
        "step": "60s",
    }


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}


def _variable(name: str) -> dict[str, Any]:
    query = f"label_values(resilience_score, {name})"
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "refresh": 2,
        "sort": 1,
    }


def _panel(kind: str, title: str, query: str, legend: str, place: tuple[int, int, int, int]) -> dict[str, Any]:
    x, y, width, height = place
    return {
        "type": kind,
        "title": title,
        "datasource": _SOURCE,
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "targets": [{"refId": "A", "datasource": _SOURCE, "expr": query, "legendFormat": legend}],
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {},
    }


def _stat(title: str, query: str, x: int, y: int, width: int, worse: str = "down") -> dict[str, Any]:
    panel = _panel("stat", title, query, "", (x, y, width, 4))
    up = [{"color": "green", "value": None}, {"color": "orange", "value": 5}]
    down = [{"color": "red", "value": None}, {"color": "orange", "value": 60}, {"color": "green", "value": 80}]
    steps = up if worse == "up" else down
    panel["fieldConfig"]["defaults"] = {"decimals": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    return panel


def _lines(title: str, query: str, legend: str, x: int) -> dict[str, Any]:
    panel = _panel("timeseries", title, query, legend, (x, 4, 12, 9))
    panel["fieldConfig"]["defaults"] = {"min": 0, "max": 100, "custom": {"lineInterpolation": "stepAfter"}}
    return panel


def _table(title: str, query: str) -> dict[str, Any]:
    panel = _panel("table", title, query, "", (0, 13, 12, 9))
    panel["targets"][0] |= {"format": "table", "instant": True}
    panel["transformations"] = [
        {
            "id": "organize",
            "options": {"excludeByName": {"Time": True, "__name__": True, "instance": True, "job": True}},
        }
    ]
    panel["fieldConfig"]["defaults"] = {"decimals": 1}
    return panel


def _bars(title: str, query: str) -> dict[str, Any]:
    panel = _panel("bargauge", title, query, "{{service}}: {{verdict}}", (12, 13, 12, 9))
    panel["targets"][0]["instant"] = True
    panel["options"] = {"orientation": "horizontal", "displayMode": "basic"}
    return panel
