#!/bin/sh
# Programs of others try ours: peers.sh <dragoman>. pywa and aiogram read the bodies of libs/channels/tests/events as we do,
# telegram-test-api plays a person on Telegram, and Schemathesis sends what the description of the HTTP API allows, and what
# it does not, and reads every answer. They are installed under target/peers and target/tools.
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

readers=$("$here/venv.sh" "$home/readers" "$here/peers/readers.txt")
"$readers" "$here/peers/readers.py" "$root/libs/channels/tests/events"

ports=$("$python" -c 'import socket
s = [socket.socket() for _ in range(7)]
[one.bind(("127.0.0.1", 0)) for one in s]
print(*[one.getsockname()[1] for one in s])')
set -- "$1" $ports
"$here/tool.sh" npm:telegram-test-api@4.2.1 node "$here/peers/telegram.js" "$1" "$work" "$5" "$6" "$7" "$8"
# What limits a person is tried by our own tests; here it would hide the answers.
DRAGOMAN__HTTP__LISTEN=127.0.0.1:$2 DRAGOMAN__CONSOLE__LISTEN=127.0.0.1:$3 DRAGOMAN__OPS__LISTEN=127.0.0.1:$4 \
    AI_RATE_LIMIT=100000 INGRESS_GATEWAY__CHAT__NEWCOMER_MESSAGES_PER_MINUTE=100000 "$1" --data "$work/data" >"$work/log" 2>&1 &
dragoman=$!
tries=0
until "$python" -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$4/readyz')" 2>/dev/null; do
    tries=$((tries + 1))
    kill -0 "$dragoman" 2>/dev/null && [ "$tries" -lt 100 ] || { cat "$work/log" >&2; echo "dragoman did not start" >&2; exit 1; }
    sleep 0.1
done

cd "$work"
try() { # with arguments of Schemathesis
    "$home/venv/bin/schemathesis" --config-file "$config" run "http://127.0.0.1:$port/openapi.json" "$@" ||
        { tail -n 20 "$work/log" >&2; exit 1; }
}
port=$2 config=$here/peers/schemathesis.toml
try
# Once more as somebody who has a session, a conversation and an answer. Events are left out: that stream has no end.
mine=$("$python" - "http://127.0.0.1:$port/api/v1/chat" <<'END'
import json, sys, urllib.request
def post(path, body, **headers):
    request = urllib.request.Request(sys.argv[1] + path, json.dumps(body).encode(), {"content-type": "application/json", **headers})
    return json.load(urllib.request.urlopen(request))
token = post("/sessions", {})["token"]
answer = post("", {"message": "hello"}, authorization=f"Bearer {token}")
print(token, answer["conversation_id"], answer["messages"][0]["id"])
END
)
set -- $mine
sed "s/^seed = .*/&\n[parameters]\n\"path.conversation_id\" = \"$2\"\n\"path.message_id\" = \"$3\"/" "$here/peers/schemathesis.toml" >"$work/mine.toml"
config=$work/mine.toml
try --include-tag chat --exclude-operation-id watchConversation --header "Authorization: Bearer $1"
