#!/bin/sh
# The demo fleet is one document among many: no word of it may stand in the product's code.
# Looks at Rust code and texts outside libs/simulator and tests; comments and test modules may name it as an example.
set -eu
cd "$(dirname "$0")/../.."
words='vehicle|booking|mileage|odometer|(^|[^a-z])damage([^a-z]|$)|fleet|vozil|rezervacij|kilometra'
found=$(find libs services -name '*.rs' -o -name '*.ftl' -o -name '*.toml' | grep -v -e '^libs/simulator/' -e '/tests/' -e '/examples/' -e '/target/' | sort |
    while read -r file; do
        # Everything after a test module's start is a test; comment lines are prose.
        awk -v file="$file" -v words="$words" '
            /#\[cfg\(test\)\]/ { exit }
            /^[[:space:]]*(\/\/|#)/ { next }
            tolower($0) ~ words { printf "%s:%d: %s\n", file, FNR, $0 }' "$file"
    done)
allowed='^services/dragoman/'
found=$(printf '%s\n' "$found" | grep -v -E "$allowed" || true)
if [ -n "$found" ]; then
    printf 'the product knows the demo fleet:\n%s\n' "$found" >&2
    exit 1
fi
echo "no word of the demo fleet in the product"
