#!/bin/sh
# The embedding service's figures: run.sh. Vectors and peers are those of tests/support/bench-vectors, under
# target/bench-vectors. KILL_ROUNDS (200) says how often the service is killed; 0 leaves that out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
home=$root/target/bench-vectors
target=${CARGO_TARGET_DIR:-$root/target}
python=$("$here/../venv.sh" "$home/venv" "$here/../bench-vectors/requirements.txt")
"$python" "$here/../bench-vectors/data.py" "$home/data" >&2
cd "$root"
cargo build --quiet --release -p embedding-service --example bench_embedding --example embedding_start --example embedding_figures
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
"$target/release/examples/bench_embedding" "$home/data" "$python" "$here/peers.py"

# A start with all vectors (warm_start_ms), and the import of 40 MB of them (import_40mb_ms).
"$target/release/examples/embedding_start"
"$target/release/examples/embedding_figures"

rounds=${KILL_ROUNDS:-200}
[ "$rounds" != 0 ] || exit 0
# What a test prints may stand behind its name.
KILL_ROUNDS=$rounds cargo test --quiet -p embedding-service --test it crash:: -- --nocapture --test-threads 1 >"$home/kill.log" || {
    cat "$home/kill.log" >&2
    exit 1
}
grep -o 'figure kill9.*' "$home/kill.log"
