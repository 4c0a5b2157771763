#!/bin/sh
# Tries every OpenAPI document and webhook body of a folder: corpus.sh <folder>
set -eu
data=$1
cargo build --quiet -p openapi --example import
cargo build --quiet -p channels --example parse_corpus
cargo build --quiet -p embedding-service --example right_call
cargo build --quiet -p dragoman
cargo build --quiet -p tests --example own_document
failed=0
[ ! -d "$data/openapi" ] || target/debug/examples/import "$data/openapi" || failed=1
[ ! -d "$data/webhooks" ] || target/debug/examples/parse_corpus "$data/webhooks" || failed=1
[ ! -d "$data/openapi" ] || target/debug/examples/right_call "$data" || failed=1
[ ! -d "$data/openapi" ] || target/debug/examples/own_document "$data" target/debug/dragoman || failed=1
exit $failed
