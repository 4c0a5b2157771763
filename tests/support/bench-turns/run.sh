#!/bin/sh
# Turns in flight and a second beside Celery: run.sh. PostgreSQL writes to disk here, as it does not in the tests. The
# peer is installed under target/bench-turns.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
home=$root/target/bench-turns
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$home"
if [ ! -e "$home/venv/.complete" ]; then
    rm -rf "$home/venv"
    python3 -m venv "$home/venv"
    "$home/venv/bin/pip" install -q -r "$here/requirements.txt" >&2
    : >"$home/venv/.complete"
fi
cd "$root"
cargo build --quiet --release -p ingress-gateway -p conversation-worker -p embedding-service -p migrator --bins --example bench_turns
POSTGRES_FSYNC=on "$here/../with-servers.sh" "$target/release/examples/bench_turns" "$target/release" \
    "$home/venv/bin/python" "$here/celery_turns.py"
