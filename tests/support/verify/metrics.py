"""Prints a dashboard's expressions as recording rules, for promtool; fails when one names a metric that the code lacks,
or when alerts, runbooks and tests do not belong together one to one."""

import json
import pathlib
import re
import sys

import yaml

WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}
SUFFIXES = r"_(bucket|count|sum)$"


def metrics_of_the_code():
    found = set()
    for file in [*pathlib.Path("services").rglob("*.rs"), *pathlib.Path("libs").rglob("*.rs")]:
        text = file.read_text()
        found.update(re.findall(r'(?:counter|gauge|histogram)!\(\s*"(\w+)"', text))
        # Names that are kept in one place: constants whose value is a metric's name.
        found.update(re.findall(r'const [A-Z_]+: &(?:\'static )?str = "([a-z]+_[a-z_]+)"', text))
    return found


def metrics_of(expression):
    text = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|offset \w+', " ", expression)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    return {name for name, call in re.findall(r"([a-zA-Z_:][\w:]*)\s*(\()?", text) if not call and name not in WORDS}


def main():
    known, problems, rules = metrics_of_the_code() | {"up"}, [], []
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
