"""A peer in process, for the service to be compared with: peers.py DATA qdrant|hnswlib

Makes the index that bench-vectors compares with too (Qdrant edge: the first 1,000 of 1536 values; hnswlib: 100,000 of
384), at its fastest setting with a recall of 0.99, says `ready`, and answers each line with its searches a second of
processor time.
"""
import os, sys, time
import numpy as np

data, peer = sys.argv[1:3]
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "bench-vectors"))
sys.argv = ["compare.py", data, ""]
import compare

rows, dimension, name = {"qdrant": (1_000, 1536, "Qdrant edge int8"), "hnswlib": (100_000, 384, "hnswlib")}[peer]
base = np.ascontiguousarray(compare.load(f"base_{dimension}.f32")[:rows])
queries = np.ascontiguousarray(compare.load(f"query_{dimension}.f32")[:500])
make, ladder = compare.PEERS[name]
if peer == "hnswlib":
    # As compare.py makes it, but kept: it takes minutes.
    import hnswlib

    saved = os.path.join(data, "hnswlib_100k.bin")
    index = hnswlib.Index("ip", dimension)
    if os.path.exists(saved):
        index.load_index(saved, max_elements=rows)
    else:
        index.init_index(rows, M=16, ef_construction=200)
        index.add_items(base, np.arange(rows), num_threads=1)
        index.save_index(saved)
    index.set_num_threads(1)

    def make(_):
        def at(ef):
            index.set_ef(ef)
            return lambda query: index.knn_query(query, compare.K, num_threads=1)[0][0]
        return at

engine = compare.Peer(name, ladder, make(base))
if not engine.tune(queries, compare.truth(base, queries)):
    sys.exit(f"{name} does not reach a recall of {compare.FLOOR}")
print(f"{name} at {engine.setting} has recall {engine.recall:.4f}", file=sys.stderr)
print("ready -", flush=True)
for _ in sys.stdin:
    started = time.process_time()
    count = 0
    while time.process_time() - started < 1:
        for query in queries[:50]:
            engine.search(query)
        count += 50
    print(count / (time.process_time() - started), flush=True)
