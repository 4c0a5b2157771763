#!/bin/sh
# The embedding service's figures: run.sh. Vectors and peers are those of tests/support/bench-vectors, under
# target/bench-vectors. KILL_ROUNDS (200) says how often the service is killed; 0 leaves that out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
home=$root/target/bench-vectors
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$home"
if [ ! -e "$home/venv/.complete" ]; then
    rm -rf "$home/venv"
    python3 -m venv "$home/venv"
    "$home/venv/bin/pip" install -q -r "$here/../bench-vectors/requirements.txt" >&2
    : >"$home/venv/.complete"
fi
"$home/venv/bin/python" "$here/../bench-vectors/data.py" "$home/data" >&2
cd "$root"
cargo build --quiet --release -p embedding-service --example bench_embedding
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
"$target/release/examples/bench_embedding" "$home/data" "$home/venv/bin/python" "$here/peers.py"

# A warm start (figure warm_start_ms): `cargo run --example embedding_start`, see make figures-model.
# The import of 40 MB of cached vectors (figure import_40mb_ms) has its place here.

rounds=${KILL_ROUNDS:-200}
[ "$rounds" = 0 ] || KILL_ROUNDS=$rounds cargo test --quiet -p embedding-service --test it crash:: -- --nocapture --test-threads 1 | grep '^figure'
