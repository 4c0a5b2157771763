"""The predecessors' way to take a webhook: FastAPI, a signature check, and with BASELINE_DATABASE_URL a durable insert."""

import hashlib
import hmac
import json
import os
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request, Response

SECRET = os.environ["BASELINE_SECRET"].encode()
DATABASE = os.environ.get("BASELINE_DATABASE_URL")
TABLES = """
create table if not exists baseline_conversations (peer text primary key, next_seq bigint not null);
create table if not exists baseline_inbox (
    peer text not null, seq bigint not null, message_id text not null unique, payload text not null,
    primary key (peer, seq))
"""
# One statement, one round trip, one commit.
INSERT = """
with c as (
    insert into baseline_conversations (peer, next_seq) values ($1, 1)
    on conflict (peer) do update set next_seq = baseline_conversations.next_seq + 1 returning next_seq)
insert into baseline_inbox (peer, seq, message_id, payload) select $1, next_seq, $2, $3 from c
on conflict (message_id) do nothing
"""


@asynccontextmanager
async def lifespan(app):
    app.state.pool = None
    if DATABASE:
        app.state.pool = await asyncpg.create_pool(DATABASE, min_size=8, max_size=8)
        async with app.state.pool.acquire() as connection:
            await connection.execute("select pg_advisory_lock(4711)")
            await connection.execute(TABLES)
            await connection.execute("select pg_advisory_unlock(4711)")
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/webhook")
async def webhook(request: Request):
    body = await request.body()
    signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, request.headers.get("x-signature", "")):
        return Response(status_code=401)
    for message in json.loads(body)["results"]:
        if app.state.pool:
            payload = json.dumps(message)
            await app.state.pool.execute(INSERT, message["from"], message["messageId"], payload)
    return {"ok": True}
