"""Ours against the peers: compare.py DATA BENCH [1k] [10k] [100k] [wide] [1m]

One core, one query at a time, ten nearest. Each peer first looks for its fastest setting with a recall of at least 0.99;
one that has none is left out, and said so. Then five rounds, in each of which every engine answers the same queries, one
engine after the other; the ratio of a round is the fastest peer's median time over ours, and the figure is the median of
the rounds. Peers are called from Python, as their users do; a call costs them about a microsecond of that. Ours is a
process of its own on the same core, which waits while others run.

100k adds what is measured of our index alone: opening, building, filters, deleted rows, batches, writes beside searches,
and the share of the read rate that scans reach. 1m gives the opening of a million without their graph (open_1m_ms), and
with 100k the growth. curves.svg, beside DATA, has each engine's
recall against searches a second, up to the setting after the one that was taken; ours has one setting.
"""
import atexit, math, os, shutil, statistics, subprocess, sys, tempfile, time
import numpy as np

DATA, BENCH, SIZES = sys.argv[1], sys.argv[2], sys.argv[3:]
K, FLOOR, ROUNDS = 10, 0.99, 5


def load(name):
    with open(os.path.join(DATA, name), "rb") as file:
        rows, dimension = np.fromfile(file, np.uint64, 2)
        return np.memmap(file, np.float32, "r", 16, (int(rows), int(dimension)))


def truth(base, queries):
    best = []
    for start in range(0, len(queries), 50):
        scores = queries[start : start + 50] @ base.T
        near = np.argpartition(-scores, K, axis=1)[:, :K]
        best.extend(set(row) for row in near.tolist())
    return best


def recall(answers, best):
    return sum(len(set(map(int, answer)) & right) for answer, right in zip(answers, best)) / K / len(best)


class Peer:
    """An engine with a ladder of settings, cheapest first; `at(setting)` gives a function from a query to ids."""

    def __init__(self, name, ladder, at):
        self.name, self.ladder, self.at, self.search = name, ladder, at, None

    def tune(self, queries, best):
        """Takes the first setting that reaches the floor; goes on to the next after it, for the curve."""
        reached, self.line = 0, []
        for setting in self.ladder:
            search = self.at(setting)
            started = time.perf_counter()
            answers = [search(query) for query in queries]
            rate = len(queries) / (time.perf_counter() - started)
            reached = recall(answers, best)
            self.line.append((reached, rate))
            if self.search:
                return True
            if reached >= FLOOR:
                self.search, self.setting, self.recall = search, setting, reached
        if self.search:
            return True
        print(f"{self.name}: best recall is {reached:.4f}, left out", flush=True)
        return False

    def round(self, queries):
        times = []
        for query in queries:
            started = time.perf_counter()
            self.search(query)
            times.append(time.perf_counter() - started)
        return statistics.median(times) * 1e6


class Ours:
    def __init__(self, base, queries, rows, count, *options):
        command = [BENCH, base, queries, "--rows", str(rows), "--queries", str(count), *options, "--serve"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.head = self.process.stdout.readline().split()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def answers(self, count):
        return [self.ask(f"ids {at}").split() for at in range(count)]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def scann_flat(base):
    import scann
    index = scann.scann_ops_pybind.builder(base, K, "dot_product").set_n_training_threads(1)
    index = index.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100).build()
    return lambda reorder: lambda query: index.search(query, final_num_neighbors=K, pre_reorder_num_neighbors=reorder)[0]


def scann_tree(base):
    import scann
    index = scann.scann_ops_pybind.builder(base, K, "dot_product").set_n_training_threads(1)
    index = index.tree(num_leaves=int(len(base) ** 0.5), num_leaves_to_search=100, training_sample_size=min(len(base), 250_000))
    index = index.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100).build()
    return lambda at: lambda query: index.search(query, final_num_neighbors=K, leaves_to_search=at[0], pre_reorder_num_neighbors=at[1])[0]


def hnswlib_graph(base):
    import hnswlib
    index = hnswlib.Index("ip", base.shape[1])
    index.init_index(len(base), M=16, ef_construction=200)
    index.set_num_threads(1)
    index.add_items(base, np.arange(len(base)), num_threads=1)
    def at(ef):
        def search(query):
            return index.knn_query(query, K, num_threads=1)[0][0]
        index.set_ef(ef)
        return search
    return at


def usearch_graph(base):
    from usearch.index import Index
    index = Index(ndim=base.shape[1], metric="ip", dtype="bf16", connectivity=16, expansion_add=200)
    index.add(np.arange(len(base)), base, threads=1)
    def at(ef):
        index.expansion_search = ef
        return lambda query: index.search(query, K, threads=1).keys
    return at


def faiss_index(kind):
    def make(base):
        import faiss
        faiss.omp_set_num_threads(1)
        dimension, product = base.shape[1], faiss.METRIC_INNER_PRODUCT
        if kind == "rabitq":
            index = faiss.IndexRefineFlat(faiss.index_factory(dimension, f"RR{dimension},RaBitQfs", product))
        elif kind == "sq8":
            index = faiss.IndexHNSWSQ(dimension, faiss.ScalarQuantizer.QT_8bit, 16, product)
        else:
            index = faiss.IndexHNSWFlat(dimension, 16, product)
        if kind != "rabitq":
            index.hnsw.efConstruction = 200
        index.train(base)
        index.add(base)
        def at(setting):
            if kind == "rabitq":
                index.k_factor = setting
            else:
                index.hnsw.efSearch = setting
            return lambda query: index.search(query[None], K)[1][0]
        return at
    return make


def qdrant_edge(base):
    import qdrant_edge as qdrant
    folder = tempfile.mkdtemp(dir=DATA, prefix="qdrant-")
    atexit.register(shutil.rmtree, folder, True)
    quantised = qdrant.ScalarQuantizationConfig(type=qdrant.ScalarType.Int8, quantile=0.99, always_ram=True)
    graph = qdrant.HnswIndexConfig(m=16, ef_construct=200, full_scan_threshold=1, max_indexing_threads=1)
    vectors = qdrant.EdgeVectorParams(size=base.shape[1], distance=qdrant.Distance.Dot, hnsw_config=graph, quantization_config=quantised)
    optimise = qdrant.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1)
    shard = qdrant.EdgeShard.create(folder, qdrant.EdgeConfig(vectors=vectors, optimizers=optimise, max_search_threads=1))
    for start in range(0, len(base), 1000):
        points = [qdrant.Point(id=start + at, vector=row.tolist(), payload={}) for at, row in enumerate(base[start : start + 1000])]
        shard.update(qdrant.UpdateOperation.upsert_points(points))
    shard.optimize()
    def at(ef):
        rescored = qdrant.QuantizationSearchParams(rescore=True, oversampling=2.0)
        params = qdrant.SearchParams(hnsw_ef=ef, exact=False, quantization=rescored)
        def search(query):
            nearest = qdrant.Query.Nearest(query.tolist())
            return [hit.id for hit in shard.search(qdrant.SearchRequest(query=nearest, limit=K, params=params))]
        return search
    return at


EF = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024]
PEERS = {
    "ScaNN flat": (scann_flat, [15, 20, 30, 50, 100, 200, 400]),
    "ScaNN tree": (scann_tree, [(leaves, reorder) for leaves in (10, 20, 40, 60, 100, 200) for reorder in (30, 60, 150)]),
    "hnswlib": (hnswlib_graph, EF),
    "usearch bf16": (usearch_graph, EF),
    "FAISS HNSW": (faiss_index("flat"), EF),
    "FAISS HNSW SQ8": (faiss_index("sq8"), EF),
    "FAISS RaBitQ": (faiss_index("rabitq"), [5, 10, 20, 40, 80, 160]),
    "Qdrant edge int8": (qdrant_edge, EF),
}


def compare(label, rows, dimension):
    base_file, query_file = ("base1m_384.f32" if rows > 100_000 else f"base_{dimension}.f32"), f"query_{dimension}.f32"
    base, queries = np.ascontiguousarray(load(base_file)[:rows]), load(query_file)
    count = 1000 if rows <= 10_000 else 500 if rows <= 100_000 else 200
    queries = np.ascontiguousarray(queries[:count])
    best = truth(base, queries)
    inputs = [os.path.join(DATA, base_file), os.path.join(DATA, query_file)]
    ours = Ours(*inputs, rows, count)
    answers = ours.answers(count)
    our_recall = recall(answers, best)
    print(f"{label}: ours has recall {our_recall:.4f}, built in {ours.head[1]} ms, in order in {ours.head[-1]} ms ({' '.join(ours.head[2:-1])})", flush=True)
    peers = []
    only = os.environ.get("PEERS", "").split(",") if os.environ.get("PEERS") else list(PEERS)
    for name in only:
        make, ladder = PEERS[name]
        if name == "ScaNN tree" and rows < 50_000:
            continue
        started = time.time()
        try:
            peer = Peer(name, ladder, make(base))
            built = time.time() - started
            if peer.tune(queries, best):
                peers.append(peer)
                print(f"{label}: {name} at {peer.setting} has recall {peer.recall:.4f}, built in {built:.1f} s", flush=True)
        except Exception as error:  # a peer that does not run here is told, not hidden
            print(f"{label}: {name} failed: {error!r}", flush=True)
    times, ratios = {"ours": []}, []
    # Where ours has a graph, it is compared with a pass over all rows as well.
    flat = Ours(*inputs, rows, count, "--lists", str(rows + 1)) if rows >= 300_000 else None
    for _ in range(ROUNDS):
        mine = float(ours.ask("round"))
        times["ours"].append(mine)
        if flat:
            times.setdefault("ours without graph and lists", []).append(float(flat.ask("round")))
        theirs = []
        for peer in peers:
            peer.search = peer.at(peer.setting)
            theirs.append(peer.round(queries))
            times.setdefault(peer.name, []).append(theirs[-1])
        ratios.append(min(theirs, default=float("nan")) / mine)
    ours.close()
    if flat:
        flat.close()
        gains = [slow / fast for slow, fast in zip(times["ours without graph and lists"], times["ours"])]
        print(f"figure graph_{label}_speedup {statistics.median(gains):.2f}")
    for name, values in times.items():
        print(f"{label}: {name} p50 {statistics.median(values):.1f} us ({min(values):.1f} to {max(values):.1f})", flush=True)
    name = f"ann_{label}_{dimension}"
    print(f"{name}: ratio by round {' '.join(f'{ratio:.2f}' for ratio in ratios)}")
    print(f"figure {name}_ratio {statistics.median(ratios):.2f}")
    print(f"figure {name}_recall {our_recall:.4f}")
    p50 = statistics.median(times["ours"])
    print(f"figure {name}_p50_us {p50:.1f} us", flush=True)
    lines = {"ours": [(our_recall, 1e6 / p50)]} | {peer.name: peer.line for peer in peers}
    return p50, lines


def files(base, rows, runs, *options):
    """What `bench --files` prints, of each run: with all cores, as a service has them."""
    inputs = [os.path.join(DATA, base), os.path.join(DATA, "query_384.f32")]
    command = [BENCH, *inputs, "--rows", str(rows), "--files", DATA, *options]
    run = lambda: subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=all_cores()).stdout
    return [run().split() for _ in range(runs)]


def all_cores():
    return (lambda: os.sched_setaffinity(0, range(os.cpu_count()))) if hasattr(os, "sched_setaffinity") else None


def one_off(rows):
    """Opening and building: medians of five; and what the index costs beside plain searches."""
    inputs = [os.path.join(DATA, "base_384.f32"), os.path.join(DATA, "query_384.f32")]
    runs = files("base_384.f32", rows, ROUNDS)
    names = [("open_100k_ms", "ms"), ("build_100k_s", "s"), ("restart_100k_ms", "ms"), ("bytes_a_row", ""), ("graph_100k_s", "s")]
    for at, (name, unit) in enumerate(names):
        values = sorted(float(run[at]) for run in runs)
        print(f"{name}: {values[0]:.3f} to {values[-1]:.3f}\nfigure {name} {statistics.median(values):.3f} {unit}".rstrip())
    measures = os.path.join(os.path.dirname(BENCH), "measures")
    subprocess.run([measures, "searches", *inputs, str(rows)], check=True)
    subprocess.run([measures, "serving", *inputs, str(rows)], check=True, preexec_fn=all_cores())


def growth(times):
    """How the time of a search grows from 100,000 to a million: the exponent of N."""
    if "100k" in times and "1m" in times:
        print(f"figure ann_growth_exponent {math.log10(times['1m'] / times['100k']):.2f}")


def curves(path, panels):
    """Recall against searches a second, a panel for each size; by hand, because it is two axes and some lines."""
    colours = ["#000", "#c33", "#36c", "#393", "#c63", "#939", "#399", "#963", "#666"]
    wide, high, left, top = 420, 300, 60, 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide * len(panels)}" height="{high + 40 + 16 * len(colours)}" font-family="sans-serif" font-size="11">']
    for at, (label, lines) in enumerate(panels):
        rates = [rate for line in lines.values() for _, rate in line]
        low, most = math.log10(min(rates)), math.log10(max(rates)) + 0.05
        x = lambda recall: at * wide + left + (max(recall, 0.9) - 0.9) * 10 * (wide - left - 30)
        y = lambda rate: top + (most - math.log10(rate)) / (most - low or 1) * (high - top - 40)
        out.append(f'<text x="{at * wide + left}" y="20" font-size="13">{label}: searches a second, one core</text>')
        for recall in (0.9, 0.92, 0.94, 0.96, 0.98, 0.99, 1.0):
            out.append(f'<path d="M{x(recall):.1f} {top}V{high - 40}" stroke="#ddd"/><text x="{x(recall):.1f}" y="{high - 25}" text-anchor="middle">{recall:g}</text>')
        for power in range(math.floor(low), math.ceil(most) + 1):
            for rate in (10**power, 3 * 10**power):
                if low <= math.log10(rate) <= most:
                    out.append(f'<path d="M{at * wide + left} {y(rate):.1f}H{(at + 1) * wide - 30}" stroke="#ddd"/><text x="{at * wide + left - 5}" y="{y(rate):.1f}" text-anchor="end">{rate:,}</text>')
        for (name, line), colour, place in zip(lines.items(), colours, range(99)):
            line = sorted(line)
            points = " ".join(f"{x(recall):.1f},{y(rate):.1f}" for recall, rate in line if recall >= 0.9)
            out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{3 if name == "ours" else 1.2}"/>')
            out += [f'<circle cx="{x(recall):.1f}" cy="{y(rate):.1f}" r="{4 if name == "ours" else 2}" fill="{colour}"/>' for recall, rate in line if recall >= 0.9]
            out.append(f'<text x="{at * wide + left}" y="{high + 16 * place}" fill="{colour}">{name}</text>')
    with open(path, "w") as file:
        file.write("\n".join(out + ["</svg>"]))
    print(f"curves: {path}", flush=True)


if __name__ == "__main__":
    sizes = {"1k": 1_000, "10k": 10_000, "100k": 100_000, "1m": 1_000_000}
    wanted = [(label, sizes[label], 384) for label in SIZES if label != "wide"]
    if "wide" in SIZES:
        wanted += [("1k", 1_000, 1536), ("10k", 10_000, 1536)]
    times, panels = {}, []
    for label, rows, dimension in wanted:
        p50, lines = compare(label, rows, dimension)
        panels.append((f"{label} x {dimension}", lines))
        if dimension == 384:
            times[label] = p50
        if label == "100k":
            one_off(rows)
        if label == "1m":
            # The median of the openings of one index.
            print(f"figure open_1m_ms {files('base1m_384.f32', rows, 1, '--lists-only')[0][0]} ms", flush=True)
    growth(times)
    curves(os.path.join(os.path.dirname(DATA.rstrip("/")), "curves.svg"), panels)
