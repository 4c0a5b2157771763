"""How many workers run: a table through the ScaledObject, as KEDA and the autoscaler compute.

scaling.py <the manifest> <the worker's config.toml>

KEDA puts the triggers' values into the formula and hands the result on as one external metric of type AverageValue. The
autoscaler leaves the replicas alone while metric / (target * current) is within 0.1 of 1; else it wants
ceil(metric / target), between minimum and maximum; in one period it goes no further than the policies let it.
"""

import math
import re
import sys

import yaml

TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance of the controller manager

# lag, pending, current -> wanted, after one period
TABLE = [
    ("nothing to do", 0, 0, 2, 2, 2),
    ("all slots busy, nobody waits", 0, 32, 2, 2, 2),
    ("nine wait: not yet", 9, 32, 2, 2, 2),
    ("ten wait: one more", 10, 32, 2, 3, 3),
    ("ten wait at five", 10, 80, 5, 6, 6),
    ("ten wait at nine, near the tolerance", 10, 144, 9, 10, 10),
    ("ten wait at the maximum", 10, 160, 10, 10, 10),
    ("forty wait: three more", 40, 32, 2, 5, 5),
    ("a flood: the maximum, four at a time", 500, 32, 2, 10, 6),
    ("five wait, one worker's slots are free: kept", 5, 32, 3, 3, 3),
    ("four wait, one worker's slots are free: one less", 4, 32, 3, 2, 2),
    ("four wait, all slots busy: turns in flight keep their workers", 4, 48, 3, 3, 3),
    ("the flood is over: one at a time", 0, 0, 10, 2, 9),
    ("half busy at ten: one at a time", 0, 80, 10, 5, 9),
    ("just under ten workers' slots are busy: within the tolerance", 0, 145, 10, 10, 10),
    ("the lag is not known (-1), turns in flight", -1, 64, 4, 4, 4),
    ("the lag is not known (-1), nothing in flight", -1, 0, 4, 2, 3),
]


def main():
    scaled = next(found for found in yaml.safe_load_all(open(sys.argv[1])) if found["kind"] == "ScaledObject")["spec"]
    modifiers = scaled["advanced"]["scalingModifiers"]
    metadata = {trigger["name"]: trigger["metadata"] for trigger in scaled["triggers"]}
    target = int(modifiers["target"])
    slots = int(re.search(r"^slots = (\d+)", open(sys.argv[2]).read(), re.M)[1])

    expect("replicas", (scaled["minReplicaCount"], scaled["maxReplicaCount"]), (2, 10))
    expect("the formula's target and the pending trigger count the worker's slots", (target, metadata["pending"]["pendingEntriesCount"]), (slots, str(slots)))
    expect("the upper mark", (metadata["lag"]["lagCount"], metadata["lag"]["activationLagCount"]), ("10", "0"))
    expect("the metric's type", modifiers["metricType"], "AverageValue")
    for case, lag, pending, current, wanted, after in TABLE:
        metric = evaluate(modifiers["formula"], {"lag": lag, "pending": pending})
        got = replicas(metric, target, current, scaled)
        expect(f"{case} (lag {lag}, pending {pending}, {current} workers)", (got, limited(current, got, scaled)), (wanted, after))
    # The fallback is target * replicas: AverageValue makes that the number itself.
    fallback = scaled["fallback"]["replicas"]
    for current in range(scaled["minReplicaCount"], fallback + 1):
        expect(f"Redis is away at {current}", replicas(target * fallback, target, current, scaled), fallback)
    print(f"scaling: {len(TABLE)} cases")


def replicas(metric, target, current, scaled):
    ratio = metric / (target * current)
    wanted = current if abs(1.0 - ratio) <= TOLERANCE else math.ceil(metric / target)
    return max(scaled["minReplicaCount"], min(scaled["maxReplicaCount"], wanted))


def limited(current, wanted, scaled):
    behaviour = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    pods = lambda way: max(policy["value"] for policy in behaviour[way]["policies"] if policy["type"] == "Pods")
    return max(current - pods("scaleDown"), min(current + pods("scaleUp"), wanted))


def evaluate(formula, values):
    """The part of KEDA's expression language that the formula uses: numbers, names, + - * /, comparisons, c ? a : b."""
    tokens = re.findall(r"\d+\.?\d*|\w+|[<>=!]=|[-+*/<>?:()]", formula)
    if "".join(tokens) != "".join(formula.split()):
        sys.exit(f"the formula has what is not understood here: {formula}")

    def take(*allowed):
        return tokens.pop(0) if tokens and tokens[0] in allowed else None

    def choice():
        condition = comparison()
        if not take("?"):
            return condition
        yes = choice()
        assert take(":"), "`:` is missing"
        no = choice()
        return yes if condition else no

    def comparison():
        left = terms()
        sign = take(">=", "<=", ">", "<", "==", "!=")
        if not sign:
            return left
        right = terms()
        return {">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right, "==": left == right, "!=": left != right}[sign]

    def terms():
        value = factors()
        while sign := take("+", "-"):
            value = value + factors() if sign == "+" else value - factors()
        return value

    def factors():
        value = atom()
        while sign := take("*", "/"):
            value = value * atom() if sign == "*" else value / atom()
        return value

    def atom():
        if take("("):
            value = choice()
            assert take(")"), "`)` is missing"
            return value
        token = tokens.pop(0)
        return float(values[token]) if token in values else float(token)

    value = choice()
    assert not tokens, f"what does {tokens} mean?"
    return value


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {got}, expected {wanted}")


main()
