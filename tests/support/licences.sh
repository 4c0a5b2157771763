#!/bin/sh
# Licences, bans and sources by cargo-deny where it is installed; the licences alone by cargo metadata otherwise.
set -eu
cd "$(dirname "$0")/../.."
if cargo deny --version >/dev/null 2>&1; then
    exec cargo deny --offline check licenses bans sources
fi
command -v python3 >/dev/null 2>&1 || { echo "the licence check needs cargo-deny or python3" >&2; exit 1; }
cargo metadata --format-version 1 --locked | python3 -c '
import json, re, sys
allowed = set(re.findall(r"\"([^\"]+)\"", re.search(r"^allow = \[(.*?)\]", open("deny.toml").read(), re.S | re.M).group(1)))
bad = []
for package in json.load(sys.stdin)["packages"]:
    licence = (package["license"] or "none").replace("/", " OR ")
    # Good when every AND part has an OR choice that is allowed.
    parts = re.split(r"\bAND\b", licence.replace("(", " ").replace(")", " "))
    if not all(any(choice.strip() in allowed for choice in re.split(r"\bOR\b", part)) for part in parts):
        bad.append(package["name"] + " " + package["version"] + ": " + licence)
print("\n".join(bad) or "licences: all allowed")
sys.exit(bool(bad))'
