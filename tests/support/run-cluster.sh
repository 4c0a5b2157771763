#!/bin/sh
# Starts the simulated other sides and the five parts as processes: run-cluster.sh <folder of the binaries>
# Needs TEST_DATABASE_URL and TEST_REDIS_URL (with-servers.sh gives them). Ends with Ctrl-C.
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

export DATABASE_URL="$TEST_DATABASE_URL" REDIS_URL="$TEST_REDIS_URL"

"$bin/dragoman" simulate --listen 127.0.0.1:8090 --gateway http://127.0.0.1:8000/webhook --write-config "$work/tenants.toml" &
pids="$pids $!"
"$bin/migrator" up
until [ -s "$work/tenants.toml" ]; do sleep 0.1; done
"$bin/embedding-service" --config "$work/tenants.toml" & pids="$pids $!"
"$bin/conversation-worker" --config "$work/tenants.toml" & pids="$pids $!"
"$bin/ingress-gateway" --config "$work/tenants.toml" & pids="$pids $!"
"$bin/admin-service" & pids="$pids $!"
echo "the phone page: http://localhost:8090/phone" >&2
wait
