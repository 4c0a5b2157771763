#!/bin/sh
# Tries every OpenAPI document and webhook body of a folder: corpus.sh <folder>
set -eu
data=$1
cargo build --release --quiet -p openapi --example import
cargo build --release --quiet -p channels --example corpus
cargo build --release --quiet -p embedding-service --example right_call
failed=0
[ ! -d "$data/openapi" ] || target/release/examples/import "$data/openapi" || failed=1
[ ! -d "$data/webhooks" ] || target/release/examples/corpus "$data/webhooks" || failed=1
[ ! -d "$data/openapi" ] || target/release/examples/right_call "$data" || failed=1
exit $failed
