#!/bin/sh
# Prints the Python of an environment, which it makes once: venv.sh <folder> <requirements.txt>
set -eu
folder=$1
if [ ! -e "$folder/.complete" ]; then
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    python3 -m venv "$folder"
    "$folder/bin/pip" install -q -r "$2" >&2
    : >"$folder/.complete"
fi
echo "$folder/bin/python"
