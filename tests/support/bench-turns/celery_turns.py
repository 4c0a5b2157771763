"""The predecessors' worker: a task waits for the model, writes one row, and posts the answer. Run with a number it queues
so many tasks."""

import os
import sys
import time
import uuid

from celery import Celery

app = Celery("celery_turns", broker=os.environ["TURNS_BROKER_URL"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=4, broker_pool_limit=None)
MODEL_S = float(os.environ["TURNS_MODEL_S"])
state = {}


def pool_and_session():
    """One of each in a process, made when it is first needed: after the fork, after gevent's patches."""
    if not state:
        import requests
        from psycopg_pool import ConnectionPool

        size = 16 if os.environ["TURNS_POOL"] == "gevent" else 1
        state["pool"] = ConnectionPool(os.environ["TURNS_DATABASE_URL"], min_size=size, max_size=size, open=True)
        session = requests.Session()
        session.mount("http://", requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=64))
        state["session"] = session
    return state["pool"], state["session"]


@app.task(name="turn")
def turn(message_id, text):
    pool, session = pool_and_session()
    if MODEL_S:
        time.sleep(MODEL_S)
    with pool.connection() as connection:
        connection.execute("insert into baseline_turns (id, answer) values (%s, %s)", (message_id, text))
    session.post(os.environ["TURNS_SINK_URL"], json={"to": "1", "text": text}, timeout=10)


if __name__ == "__main__":
    with app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection)
        for _ in range(int(sys.argv[1])):
            turn.apply_async((str(uuid.uuid4()), "All is well."), producer=producer)
