#!/bin/sh
# Writes .env for compose.yaml: deploy/stack.example.env with a fresh secret for every line that ends in `=`.
set -eu
cd "$(dirname "$0")/.."
[ ! -e .env ] || { echo ".env is there already; its passwords are those of the volumes, so it is kept" >&2; exit 1; }
umask 077
trap 'rm -f .env.part' EXIT
while IFS= read -r line; do
    case $line in
        '#'* | *[!=]) printf '%s\n' "$line" ;;
        *=) printf '%s%s\n' "$line" "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" ;;
        *) printf '%s\n' "$line" ;;
    esac
done <deploy/stack.example.env >.env.part
mv .env.part .env
echo "wrote .env; now: docker compose up"
