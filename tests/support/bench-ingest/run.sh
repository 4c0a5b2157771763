#!/bin/sh
# Webhooks a second beside FastAPI: run.sh ingest, on disk before each answer, or run.sh gateway, in front of a store in
# memory. PostgreSQL writes to disk here, as it does not in the tests. The peers are installed under target/bench-ingest.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
home=$root/target/bench-ingest
target=${CARGO_TARGET_DIR:-$root/target}
python=$("$here/../venv.sh" "$home/venv" "$here/requirements.txt")
cd "$root"
cargo build --quiet --release -p ingress-gateway -p migrator --bins --example bench_ingest --example bench_gateway
case $1 in
    gateway) exec "$target/release/examples/bench_gateway" "$python" "$here/baseline.py" ;;
esac
# 2,000 slow sockets and their other ends.
ulimit -n 8192
POSTGRES_FSYNC=on "$here/../with-servers.sh" "$target/release/examples/bench_ingest" "$target/release" \
    "$python" "$here/baseline.py"
