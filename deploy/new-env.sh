#!/bin/sh
# Writes .env for compose.yaml: deploy/stack.example.env with a fresh secret for every line that ends in `=`. To an .env
# that is there already it adds only the secrets that it lacks: its passwords are those of the volumes.
set -eu
cd "$(dirname "$0")/.."
umask 077
trap 'rm -f .env.part' EXIT
secret() { printf '%s%s\n' "$1" "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"; }
there=""
if [ -e .env ]; then
    there=yes
    cat .env >.env.part
    # A last line without its end.
    [ -z "$(tail -c 1 .env)" ] || echo >>.env.part
else
    : >.env.part
fi
added=""
while IFS= read -r line; do
    case $line in
        '#'* | *[!=]) [ -n "$there" ] || printf '%s\n' "$line" ;;
        *=)
            [ -n "$there" ] && grep -q "^$line" .env || {
                secret "$line"
                added="$added ${line%=}"
            }
            ;;
        *) [ -n "$there" ] || printf '%s\n' "$line" ;;
    esac
done <deploy/stack.example.env >>.env.part
if [ -z "$there" ]; then
    message="wrote .env; now: docker compose up"
elif [ -n "$added" ]; then
    message="added to .env:$added"
else
    echo ".env has all that is needed; it is kept"
    exit 0
fi
mv .env.part .env
echo "$message"
