#!/bin/sh
# Runs a command with TEST_S3_URL, the address of moto's server (PyPI), which speaks S3 and checks no signature. What is
# given in it is used as it is.
set -eu
[ -z "${TEST_S3_URL:-}" ] || exec "$@"
here=$(dirname "$0")
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
work=$(mktemp -d)
"$here/tool.sh" "moto[server,s3]==5.2.5" true
"$here/tool.sh" "moto[server,s3]==5.2.5" moto_server -H 127.0.0.1 -p "$port" >"$work/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
export TEST_S3_URL="http://127.0.0.1:$port"
python3 - "$port" <<'PY' || { cat "$work/log" >&2; exit 1; }
import socket, sys, time
for _ in range(300):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        sys.exit()
    except OSError:
        time.sleep(0.1)
sys.exit("moto's server does not answer")
PY
"$@"
