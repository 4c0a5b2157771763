#!/bin/sh
# Reads every webhook body below a folder and tells what each family became: channels-report.sh <folder>
set -eu
cargo build --quiet -p channels --example channels_report
"${CARGO_TARGET_DIR:-target}/debug/examples/channels_report" "$1"
