#!/bin/sh
# The vector index against what people would pick instead: run.sh [1k] [10k] [100k] [1m] [wide]; all but 1m by default.
# Everything it makes (a Python environment with the peers, the vectors) stays under target/bench-vectors.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
home=$root/target/bench-vectors
core=${CORE:-$(($(nproc) - 1))}
python=$("$here/../venv.sh" "$home/venv" "$here/requirements.txt")
[ $# -gt 0 ] || set -- 1k 10k 100k wide
"$python" "$here/data.py" "$home/data" "$@" >&2
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p vector-index --examples
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
pin="taskset -c $core"
command -v taskset >/dev/null 2>&1 || pin=
exec $pin "$python" "$here/compare.py" "$home/data" "${CARGO_TARGET_DIR:-$root/target}/release/examples/bench" "$@"
