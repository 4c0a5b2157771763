#!/bin/sh
# Tries every OpenAPI document and webhook body of a folder: corpus.sh <folder>
set -eu
data=$1
bin=${CARGO_TARGET_DIR:-target}/debug
cargo build --quiet -p openapi --example import
cargo build --quiet -p embedding-service --example right_call
cargo build --quiet --workspace --bins --features embedding-service/qdrant
cargo build --quiet -p tests --example own_document --example signed_webhook
failed=0
[ ! -d "$data/openapi" ] || "$bin/examples/import" "$data/openapi" || failed=1
[ ! -d "$data/webhooks" ] || tests/support/channels-report.sh "$data/webhooks" || failed=1
[ ! -d "$data/webhooks/signed" ] || "$bin/examples/signed_webhook" "$data/webhooks" "$bin" || failed=1
[ ! -d "$data/openapi" ] || "$bin/examples/right_call" "$data" || failed=1
[ ! -d "$data/openapi" ] || "$bin/examples/own_document" "$data" "$bin/dragoman" || failed=1
exit $failed
