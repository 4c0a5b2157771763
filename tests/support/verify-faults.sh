#!/bin/sh
# Every check of verify.sh must turn red: plants one fault at a time in a copy, and looks for the fault's own words.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/dragoman-faults.XXXXXX")
trap 'rm -rf "$work"' EXIT
planted=0 failed=0

# fault <check> <file> <sed expression> <words of the message>
fault() {
    rm -rf "$work/tree"
    mkdir "$work/tree"
    cp -R "$root/deploy" "$root/compose.yaml" "$root/Cargo.toml" "$work/tree/"
    ln -s "$root/services" "$work/tree/"
    mkdir "$work/tree/libs"
    ln -s "$root"/libs/* "$work/tree/libs/"
    rm "$work/tree/libs/domain"
    cp -R "$root/libs/domain" "$work/tree/libs/"
    sed -e "$3" "$root/$2" >"$work/tree/$2"
    planted=$((planted + 1))
    if cmp -s "$root/$2" "$work/tree/$2"; then
        echo "not planted: $2: $3" >&2
    elif VERIFY_ROOT="$work/tree" "$here/verify.sh" "$1" >"$work/output" 2>&1; then
        echo "still green: $1 with $2: $3" >&2
    elif ! grep -q -e "$4" "$work/output"; then
        echo "red for another reason: $1 with $2: $3" >&2
        cat "$work/output" >&2
    else
        return 0
    fi
    failed=$((failed + 1))
}

k8s=deploy/k8s
worker=$k8s/40-conversation-worker.yaml
scaling=$k8s/41-conversation-worker-scaling.yaml
names=libs/domain/src/telemetry.rs
policies=$k8s/70-network-policies.yaml

fault dockerfile deploy/Dockerfile 's|distroless/cc-debian12:nonroot|distroless/cc-debian12|' DL3006
fault compose compose.yaml 's|^    mem_limit: 1g|    memory_limit: 1g|' memory_limit
fault kubernetes "$worker" 's|containerPort: 50052|containerPort: "50052"|' "not of type 'integer'"
fault kubernetes "$worker" 's|readinessProbe:|readyProbe:|' readyProbe
fault kubernetes "$worker" 's|^kind: PodDisruptionBudget|kind: DisruptionBudget|' "find schema for kind DisruptionBudget"
fault keda "$scaling" 's|lagCount: "10"|lagCount: 10|' "lagCount must be string"
fault keda "$scaling" 's|activationLagCount|activateLagCount|' "no metadata activateLagCount"
fault keda "$scaling" 's|maxReplicaCount|maximumReplicaCount|' "unknown key spec.maximumReplicaCount"
fault keda "$scaling" 's|stabilizationWindowSeconds|stabilizeSeconds|' "unknown key spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.stabilizeSeconds"
fault keda "$scaling" 's|currentReplicasIfHigher|atLeast|' "spec/fallback/behavior"
fault keda "$scaling" 's|^kind: TriggerAuthentication|kind: TriggerAuth|' "no such kind"
fault scaling "$scaling" 's|lag >= 10|lag >= 11|' "ten wait: one more"
fault scaling "$scaling" 's|lag >= 10|lag >= 9|' "nine wait: not yet"
fault scaling "$scaling" 's|lag >= 5 |lag >= 4 |' "four wait, one worker's slots are free"
fault scaling "$scaling" 's|lag >= 5 |lag >= 6 |' "five wait, one worker's slots are free"
fault scaling "$scaling" 's|value: 1, periodSeconds: 60|value: 2, periodSeconds: 60|' "one at a time"
fault scaling "$scaling" 's|pendingEntriesCount: "16"|pendingEntriesCount: "8"|' "worker's slots"
fault prometheus deploy/prometheus/prometheus.yml 's|job_name: admin-service|job_title: admin-service|' job_title
fault prometheus deploy/prometheus/rules.yml 's|max(dragoman_outbound_held) > 0|max(dragoman_outbound_held > 0|' "unclosed left parenthesis"
fault prometheus deploy/prometheus/rules.yml 's|max(dragoman_outbound_held) > 0|max(dragoman_outbound_held) > 2|' OutboundHeld
fault dashboards deploy/grafana/dashboards/dragoman.json 's|dragoman_doorbell_lag|dragoman_doorbell_lags|' "no code records dragoman_doorbell_lags"
fault dashboards deploy/grafana/dashboards/dragoman.json 's|"max(dragoman_doorbell_lag)"|"max(dragoman_doorbell_lag))"|' "unexpected right parenthesis"
fault dashboards deploy/prometheus/rules.yml 's|dragoman_redis_settings_unsafe|dragoman_redis_unsafe|' "no code records dragoman_redis_unsafe"
fault dashboards $names 's|Gauge Count DOORBELL_LAG|Counter Count DOORBELL_LAG|' "has no such gauge"
fault dashboards $names 's|Gauge Count DOORBELL_LAG|Gauge Count DOORBELL_DELAY|' "nobody records DOORBELL_DELAY"
fault dashboards deploy/prometheus/runbooks.md 's|^## DeadLetter|## DeadLetters|' "runbooks.md differ"
fault dashboards deploy/prometheus/rules_test.yml 's|alertname: SlowAnswers$|alertname: PartDown|' "tests that see it fire differ"
fault dashboards deploy/prometheus/rules.yml 's|severity: SEV4|severity: low|' "severity is SEV1"
fault stack deploy/Dockerfile 's|^ARG RUST_VERSION=.*|ARG RUST_VERSION=1.90|' "rust-version"
fault stack deploy/Dockerfile 's|^USER 1000:1000|USER root|' "user is not 1000"
fault stack compose.yaml 's|"127.0.0.1:9090:9090"|"9090:9090"|' "published beyond this machine"
fault stack compose.yaml 's|{GRAFANA_PASSWORD:?run deploy/new-env.sh first}|{GRAFANA_PASSWORD:-admin}|' "has a default"
fault stack deploy/stack.example.env '/^REDIS_PASSWORD=/d' "needs other secrets: \['REDIS_PASSWORD'\]"
fault stack compose.yaml 's|GRPC__KEYS__WORKER__KEY|GRCP__KEYS__WORKER__KEY|' "sets nothing"
fault stack compose.yaml 's|embedding-service: { condition: service_healthy }|embedding-service: { condition: service_started }|' "does not wait for embedding-service"
fault stack compose.yaml 's|noeviction|allkeys-lru|' "noeviction are needed"
fault stack "$worker" 's|readOnlyRootFilesystem: true|readOnlyRootFilesystem: false|' "the root can be written"
fault stack "$worker" 's|memory: 1Gi|memory: 4Gi|' "promised are"
fault stack "$worker" 's|dragoman:0.1.0|dragoman:latest|' "image is not of version"
fault stack "$worker" 's|containerPort: 9466|containerPort: 9464|' "not on 9464"
fault stack "$policies" 's|matchLabels: { name: internal }|matchLabels: { name: monitoring }|' "namespaces labelled name=internal"
fault stack "$policies" '/^  name: admin-service/,/^---/s|name: embedding-service|name: migrator|' "admin-service: it may not call embedding-service"
fault stack "$policies" '/^  name: embedding-service/,/^---/s|name: admin-service|name: migrator|' "embedding-service: admin-service may not call it"
fault stack "$policies" 's|port: 6334|port: 6333|' "it may not call Qdrant"
fault stack $k8s/50-embedding-service.yaml 's|^  replicas: 1|  replicas: 2|' "more than one replica needs"
fault stack $k8s/60-admin-service.yaml 's|embedding-service:50051|embedding-service:50052|' "deploy/k8s, admin-service: the catalogue is not asked at"
fault stack $k8s/60-admin-service.yaml 's|CONSOLE_CATALOG_API_KEY|ADMIN_TOKEN_1|' "deploy/k8s, admin-service: embedding-service does not know its key"
fault stack compose.yaml '/GRPC__KEYS__CONSOLE__KEY/d' "compose.yaml, admin-service: embedding-service does not know its key"
fault stack "$policies" 's|policyTypes: \[Ingress, Egress\]|policyTypes: [Ingress]|' "default-deny"
fault stack $k8s/80-backup.yaml 's|"0 3 \* \* \*"|"0 4 * * *"|' "not at 03:00"
fault stack deploy/prometheus/prometheus.yml 's|port: 9466|port: 9464|' "its operations port is 9466"

[ "$failed" = 0 ] || { echo "$failed of $planted planted faults were not found" >&2; exit 1; }
echo "all $planted planted faults were found"
