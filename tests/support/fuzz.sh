#!/bin/sh
# Fuzzes every reader of what platforms send, with cargo-fuzz on the stable toolchain: fuzz.sh <seconds for each> [folder of
# bodies]. Begins with the bodies of libs/channels/tests/events and of the folder; what it finds new is kept under target/fuzz.
set -eu
seconds=$1 bodies=${2:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
tools=$root/target/tools/cargo-fuzz-0.13.2
[ -x "$tools/bin/cargo-fuzz" ] || cargo install --quiet --locked --root "$tools" cargo-fuzz@0.13.2
export PATH="$tools/bin:$PATH"
fuzz="$root/libs/channels/fuzz" work="$root/target/fuzz"
cd "$root/libs/channels"
seed() {
    mkdir -p "$work/seeds/$1"
    python3 - "$1" "$work/seeds/$1" "$root/libs/channels/tests/events" "$bodies" <<'PY'
import hashlib, json, pathlib, sys
target, out, tables, bodies = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4]
seeds = []
platforms = [target] if (tables / f"{target}.jsonl").exists() else ["meta", "infobip", "telegram"]
for platform in platforms:
    for line in (tables / f"{platform}.jsonl").read_text().splitlines():
        seeds.append(json.dumps(json.loads(line)["body"], ensure_ascii=False).encode())
if bodies:
    seeds += [path.read_bytes() for path in pathlib.Path(bodies).rglob("*.json")]
if target == "web":
    seeds = [b'{"message":"hello"}', b'{"message":"","choice":"1:0","conversation_id":"018f","message_id":"k"}']
elif target == "proof":
    seeds = [bytes([n]) + b"sha256=" + b"0" * 64 + b"\n" + seed for n in range(9) for seed in seeds[:9]]
elif target == "render":
    seeds = [bytes([n, 0, 3, 9, 15 + n]) + b"Yes\nNo\nLater\n" + "Word \u010d \U0001f600. ".encode() * 40 * n for n in range(12)]
for seed in seeds:
    (out / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
PY
}
runs=0
for target in $(sed -n 's/^name = "\([a-z]*\)"$/\1/p' "$fuzz/Cargo.toml"); do
    seed "$target"
    mkdir -p "$work/corpus/$target" "$work/found/$target"
    log=$work/$target.log
    cargo fuzz run --sanitizer none --target-dir "$work/target" "$target" "$work/corpus/$target" "$work/seeds/$target" -- \
        -dict="$fuzz/json.dict" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$work/found/$target/" >"$log" 2>&1 ||
        { tail -40 "$log" >&2; echo "fuzz: $target failed; its input is under target/fuzz/found/$target" >&2; exit 1; }
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "$target: $count inputs in $seconds s"
    runs=$((runs + count))
done
echo "figure fuzz_inputs $runs"
echo "figure fuzz_failures 0"
