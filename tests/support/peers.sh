#!/bin/sh
# Programs of others try ours: peers.sh <dragoman>. Schemathesis sends what the description of the HTTP API allows, and what
# it does not, and reads every answer. It is installed under target/peers.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
home=$root/target/peers
python=$("$here/venv.sh" "$home/venv" "$here/peers/requirements.txt")

work=$(mktemp -d "${TMPDIR:-/tmp}/dragoman-peers.XXXXXX")
dragoman=""
stop() {
    [ -z "$dragoman" ] || kill "$dragoman" 2>/dev/null || true
    [ -z "$dragoman" ] || wait "$dragoman" 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ports=$("$python" -c 'import socket
s = [socket.socket() for _ in range(3)]
[one.bind(("127.0.0.1", 0)) for one in s]
print(*[one.getsockname()[1] for one in s])')
set -- "$1" $ports
# What limits a person is tried by our own tests; here it would hide the answers.
DRAGOMAN__HTTP__LISTEN=127.0.0.1:$2 DRAGOMAN__CONSOLE__LISTEN=127.0.0.1:$3 DRAGOMAN__OPS__LISTEN=127.0.0.1:$4 \
    AI_RATE_LIMIT=100000 "$1" --data "$work/data" --config "$here/peers/dragoman.toml" >"$work/log" 2>&1 &
dragoman=$!
tries=0
until "$python" -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$4/readyz')" 2>/dev/null; do
    tries=$((tries + 1))
    kill -0 "$dragoman" 2>/dev/null && [ "$tries" -lt 100 ] || { cat "$work/log" >&2; echo "dragoman did not start" >&2; exit 1; }
    sleep 0.1
done

cd "$work"
"$home/venv/bin/schemathesis" --config-file "$here/peers/schemathesis.toml" run "http://127.0.0.1:$2/openapi.json" ||
    { tail -n 20 "$work/log" >&2; exit 1; }
