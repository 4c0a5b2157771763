#!/bin/sh
# Starts the simulated other sides and the five parts as processes: run-cluster.sh <folder of the binaries>
# Needs TEST_DATABASE_URL and TEST_REDIS_URL (with-servers.sh gives them). Ends with Ctrl-C, or when a part ends.
set -eu
bin=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/dragoman-cluster.XXXXXX")
pids=""
stop() {
    trap - EXIT INT TERM
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 0' INT TERM
start() {
    "$@" &
    pids="$pids $!"
}
all_run() {
    for pid in $pids; do kill -0 "$pid" 2>/dev/null || return 1; done
}
ready() {
    tries=300
    until "$@" healthcheck >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] && all_run || { echo "not ready: $1" >&2; exit 1; }
        sleep 0.1
    done
}

export DATABASE_URL="$TEST_DATABASE_URL" REDIS_URL="$TEST_REDIS_URL"
"$bin/migrator" up
# The worker's key opens the catalogue, for the console as well; `developer` opens everything, for grpcurl and the console.
key=$("$bin/migrator" keys add "worker-$$" --service catalog)
developer=$("$bin/migrator" keys add "developer-$$")

start "$bin/dragoman" simulate --listen 127.0.0.1:8090 --gateway http://127.0.0.1:8000/webhook --write-config "$work/tenants.toml"
tries=300
until [ -s "$work/tenants.toml" ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] && all_run || { echo "the simulated other sides did not start" >&2; exit 1; }
    sleep 0.1
done
EMBEDDING_SERVICE__FILES__FOLDER="$work/embedding" start "$bin/embedding-service" --config "$work/tenants.toml"
CONVERSATION_WORKER__WORKER__PUBLIC_URL=http://127.0.0.1:8000 CONVERSATION_WORKER__CATALOG__API_KEY="$key" \
    start "$bin/conversation-worker" --config "$work/tenants.toml"
start "$bin/ingress-gateway" --config "$work/tenants.toml"
ADMIN_SERVICE__CATALOG__API_KEY="$key" start "$bin/admin-service"
ready "$bin/embedding-service" --config "$work/tenants.toml"
ready "$bin/conversation-worker" --config "$work/tenants.toml"
ready "$bin/ingress-gateway" --config "$work/tenants.toml"
ready "$bin/admin-service"
cat >&2 <<TEXT
ready. The phone page: http://localhost:8090/phone
The operator's console: http://localhost:8080/console, with the key $developer
gRPC (50051, 50052, 50053): grpcurl -plaintext -H 'authorization: Bearer $developer' localhost:50052 list
TEXT
while all_run; do sleep 1; done
echo "a part ended; stopping the others" >&2
exit 1
