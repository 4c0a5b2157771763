#!/bin/sh
# Plants each bug of planted.txt and runs its test, which has to fail; without the bug it has to pass. Prints a table
# and the figures planted_total and planted_missed; ends with 1 when a bug was missed. Needs what with-servers.sh gives.
set -eu
cd "$(dirname "$0")/../.."
list=tests/support/planted.txt
features="--features conversation-worker/faults"
crates="--package store --package coordination --package conversation-worker"

# Every switch has its line.
for bug in $(sed -n 's/^    [A-Za-z]* = "\([a-z_]*\)",$/\1/p' libs/faults/src/bugs.rs); do
    grep -q "^$bug " "$list" || { echo "$list has no test that finds $bug" >&2; exit 1; }
done

built=$(mktemp)
trap 'rm -f "$built" "$built.out"' EXIT
cargo test --quiet $crates $features --test it --no-run --message-format=json >"$built"
binary() { # of a crate's integration tests
    grep '"kind":\["test"\]' "$built" | grep "/$1#\|/$1@\|#$1@" | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}
folder() { find libs services -maxdepth 1 -name "$1"; }

# passed, failed or missing: what became of one test under one bug (or none).
outcome() { # crate test bug
    if (cd "$(folder "$1")" && DRAGOMAN_PLANTED="$3" "$(binary "$1")" --exact "$2" >"$built.out" 2>&1); then
        grep -q "1 passed" "$built.out" && echo passed || echo missing
    else
        grep -q "1 failed" "$built.out" && echo failed || echo missing
    fi
}

total=0 missed=0
printf '%-24s %-8s %-8s %s\n' switch without with test
while read -r bug crate test; do
    case "$bug" in "#" | "") continue ;; esac
    total=$((total + 1))
    without=$(outcome "$crate" "$test" "")
    with=$(outcome "$crate" "$test" "$bug")
    verdict=""
    [ "$without" = passed ] && [ "$with" = failed ] || { missed=$((missed + 1)); verdict="  MISSED"; }
    printf '%-24s %-8s %-8s %s %s%s\n' "$bug" "$without" "$with" "$crate" "$test" "$verdict"
done <"$list"
echo "figure planted_total $total"
echo "figure planted_missed $missed"
[ "$missed" = 0 ]
