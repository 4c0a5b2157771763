#!/bin/sh
# The demo fleet is one document among many: no word of it may stand in the product's code.
# Looks at code and texts outside libs/simulator and tests; comments and test modules may name it as an example. The
# crate that starts it may say its name.
set -eu
cd "$(dirname "$0")/../.."
words='vehicle|booking|mileage|odometer|(^|[^a-z])damage([^a-z]|$)|fleet|vozil|rezervacij|kilometra'
found=$(find libs services proto -name '*.rs' -o -name '*.ftl' -o -name '*.toml' -o -name '*.proto' -o -name '*.html' -o -name '*.js' -o -name '*.css' -o -name '*.json' | grep -v -e '^libs/simulator/' -e '/tests/' -e '/examples/' -e '/target/' | sort |
    while read -r file; do
        # Everything after an inline test module's start is a test; comment lines are prose.
        own=$words
        case $file in services/dragoman/*) own='vehicle|booking|mileage|odometer|vozil|rezervacij|kilometra' ;; esac
        awk -v file="$file" -v words="$own" '
            /^mod tests \{/ { exit }
            /^[[:space:]]*(\/\/|#)/ { next }
            tolower($0) ~ words { printf "%s:%d: %s\n", file, FNR, $0 }' "$file"
    done)
if [ -n "$found" ]; then
    printf 'the product knows the demo fleet:\n%s\n' "$found" >&2
    exit 1
fi
echo "no word of the demo fleet in the product"
