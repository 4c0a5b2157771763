"""Prints a dashboard's expressions as recording rules, for promtool; fails when one names a metric that the code lacks,
when the code and the table of names differ, or when alerts, runbooks and tests do not belong together one to one."""

import json
import pathlib
import re
import sys

import yaml

WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}
NAMES = "libs/domain/src/telemetry.rs"
SUFFIXES = r"_(bucket|count|sum)$"


def metrics_of_the_code(problems):
    """The names of the table, each recorded somewhere, as what the table says it is."""
    table = re.findall(r'(Counter|Gauge|Histogram) \w+ (\w+) = "(\w+)";', pathlib.Path(NAMES).read_text())
    kinds = {constant: kind.lower() for kind, constant, _ in table}
    recorded = set()
    for crate in [*pathlib.Path("services").iterdir(), *pathlib.Path("libs").iterdir()]:
        for file in crate.rglob("*.rs"):
            for kind, name in re.findall(r"\b(counter|gauge|histogram)!\(\s*([^,)]+)", file.read_text()):
                constant = name.removeprefix("metric::")
                recorded.add(constant)
                if kinds.get(constant) != kind:
                    problems.append(f"{file}: {kind}!({name}): {NAMES} has no such {kind}")
    problems += [f"{NAMES}: nobody records {constant}" for constant in sorted(kinds.keys() - recorded)]
    return {name for _, _, name in table}


def metrics_of(expression):
    text = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|offset \w+', " ", expression)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    return {name for name, call in re.findall(r"([a-zA-Z_:][\w:]*)\s*(\()?", text) if not call and name not in WORDS}


def main():
    problems, rules = [], []
    known = metrics_of_the_code(problems) | {"up"}
    alerts = [rule for group in yaml.safe_load(open("deploy/prometheus/rules.yml"))["groups"] for rule in group["rules"]]
    expressions = [(f"alert {rule['alert']}", rule["expr"]) for rule in alerts]
    for file in sorted(pathlib.Path("deploy/grafana/dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                expressions.append((f"{file.name}, panel {panel['title']}", target["expr"]))
                rules.append({"record": f"panel:{panel['id']}:{target['refId'].lower()}", "expr": target["expr"]})
    for place, expression in expressions:
        for name in sorted(metrics_of(expression)):
            if name not in known and re.sub(SUFFIXES, "", name) not in known:
                problems.append(f"{place}: no code records {name}")

    names = [rule["alert"] for rule in alerts]
    chapters = re.findall(r"^## (\w+)$", open("deploy/prometheus/runbooks.md").read(), re.M)
    fired = {
        test["alertname"]
        for case in yaml.safe_load(open("deploy/prometheus/rules_test.yml"))["tests"]
        for test in case.get("alert_rule_test", [])
        if test.get("exp_alerts")
    }
    for what, have in [("chapters of runbooks.md", set(chapters)), ("tests that see it fire", fired)]:
        if have != set(names):
            problems.append(f"alerts and {what} differ: {sorted(have ^ set(names))}")
    for rule in alerts:
        if rule["labels"].get("severity") not in ("SEV1", "SEV2", "SEV3", "SEV4"):
            problems.append(f"alert {rule['alert']}: severity is SEV1 to SEV4")
        wanted = f"deploy/prometheus/runbooks.md#{rule['alert'].lower()}"
        if not rule["annotations"].get("summary") or rule["annotations"].get("runbook") != wanted:
            problems.append(f"alert {rule['alert']}: it needs a summary, and the runbook {wanted}")
    if problems:
        sys.exit("\n".join(problems))
    print(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))


main()
