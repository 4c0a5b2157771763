#!/bin/sh
# Runs the tests by nextest where it is installed, else by cargo test.
set -eu
if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --no-fail-fast "$@"
fi
exec cargo test --no-fail-fast "$@"
