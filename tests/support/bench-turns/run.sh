#!/bin/sh
# Turns in flight and a second beside Celery: run.sh. PostgreSQL writes to disk here, as it does not in the tests. The
# peer is installed under target/bench-turns.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
home=$root/target/bench-turns
target=${CARGO_TARGET_DIR:-$root/target}
python=$("$here/../venv.sh" "$home/venv" "$here/requirements.txt")
cd "$root"
cargo build --quiet --release -p ingress-gateway -p conversation-worker -p embedding-service -p migrator --bins --example bench_turns
POSTGRES_FSYNC=on "$here/../with-servers.sh" "$target/release/examples/bench_turns" "$target/release" \
    "$python" "$here/celery_turns.py"
