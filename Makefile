# The operators' and developers' commands. GNU make 3.81 and POSIX sh.
.POSIX:
.PHONY: help run run-cluster test test-quick simulate planted crashes check verify corpus channels-report fuzz figures figures-model eval-retrieval start-time bench-ingest bench-gateway bench-turns bench-vectors bench-embedding chaos peers

CARGO = cargo
# What the image has besides what `make run` builds, and the points where tests end a process.
FEATURES = --features embedding-service/qdrant,dragoman/s3,conversation-worker/faults
ARGS =
DATA =
FUZZ_SECONDS = 20
# Of the simulation: how many seeds, or the only one.
export SEEDS
export SEED

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: ## build and start everything in one process: http://localhost:8000/phone, console http://localhost:8080/console
	$(CARGO) run -p dragoman -- $(ARGS)

run-cluster: ## five processes with PostgreSQL and Redis, until Ctrl-C
	$(CARGO) build --workspace --bins $(FEATURES)
	tests/support/with-servers.sh tests/support/run-cluster.sh target/debug

test: ## all tests, with real PostgreSQL, Redis and Chromium, and moto for S3 (installed when missing)
	$(CARGO) build --workspace --bins $(FEATURES)
	tests/support/with-servers.sh tests/support/with-s3.sh tests/support/run-tests.sh --workspace $(FEATURES)
	CHAOS_PARTS=storm CHAOS_MINUTES=0.25 CHAOS_MESSAGES=100 CHAOS_KILLS=8 $(MAKE) chaos

test-quick: ## the tests that need nothing but Rust
	tests/support/run-tests.sh --workspace --lib $(FEATURES)

simulate: ## whole workers in memory under a clock of their own, ended and stopped at random: make simulate SEEDS=<n>, SEED=<one> with its schedule
	@$(CARGO) test --quiet -p conversation-worker --features conversation-worker/faults --test it simulate:: -- --nocapture --test-threads 1

crashes: ## end gateway and worker at every named point, at its first, second and third hit: minutes; POINT=<one of the worker's>
	$(CARGO) build --workspace --bins $(FEATURES)
	POINT=$${POINT:-all} tests/support/with-servers.sh $(CARGO) test --quiet -p conversation-worker --features conversation-worker/faults --test it crashes:: -- --nocapture
	POINT=$${POINT:-all} tests/support/with-servers.sh $(CARGO) test --quiet -p tests --test journeys a_gateway_that_ends

planted: ## plant each bug of libs/faults and see its test fail: a table, and the figures planted_total and planted_missed
	tests/support/with-servers.sh tests/support/planted.sh

chaos: ## kill, stop and cut everything under load and count what was lost, repeated or doubled; CHAOS_* size it (tests/chaos/plan.rs)
	$(CARGO) build --workspace --bins $(FEATURES)
	$(CARGO) build -p tests --example chaos
	tests/support/with-servers.sh target/debug/examples/chaos

check: ## what CI checks besides the tests: format, lints (the vector kernels for ARM too), protos, licences, no word of the demo fleet in the product
	$(CARGO) fmt --all --check
	tests/support/fleet-words.sh
	$(CARGO) clippy --workspace --all-targets $(FEATURES) -- -D warnings
	$(CARGO) clippy --package embedding-service --package conversation-worker --all-targets -- -D warnings
	tests/support/check-arm.sh
	tests/support/tool.sh buf-bin==1.75.0 buf lint proto
	tests/support/licences.sh

peers: ## let programs of others try ours: pywa, aiogram, telegram-test-api, and Schemathesis on the HTTP API
	$(CARGO) build --quiet -p dragoman
	tests/support/peers.sh target/debug/dragoman

verify: ## check image, compose.yaml, manifests, alerts and dashboard statically, and that planted faults are found
	tests/support/verify.sh
	tests/support/verify-faults.sh

channels-report: ## what each webhook body of a folder becomes: make channels-report BODIES=<folder>
	@[ -n "$(BODIES)" ] || { echo "make channels-report needs BODIES=<folder> of webhook bodies (*.json)" >&2; exit 2; }
	@tests/support/channels-report.sh "$(BODIES)"

corpus: ## try every file of a folder of real inputs: make corpus DATA=<folder>
	@[ -n "$(DATA)" ] || { echo "make corpus needs DATA=<folder> (with openapi/ and webhooks/ in it)" >&2; exit 2; }
	@[ -d "$(DATA)" ] || { echo "no folder $(DATA)" >&2; exit 2; }
	tests/support/corpus.sh "$(DATA)"

fuzz: ## throw mutated bodies at every reader of what platforms send: make fuzz FUZZ_SECONDS=20 BODIES=<folder>
	tests/support/fuzz.sh $(FUZZ_SECONDS) "$(BODIES)"

figures: ## the figures of the README: make figures DATA=<folder>
	@[ -d "$(DATA)" ] || { echo "make figures needs DATA=<folder> (with openapi/ in it)" >&2; exit 2; }
	$(CARGO) run --quiet -p embedding-service --example right_call -- "$(DATA)"
	$(MAKE) start-time

eval-retrieval: ## how often the right operations are found, on public benchmarks: make eval-retrieval DATA=<folder>
	@[ -d "$(DATA)/tool-retrieval" ] || { echo "make eval-retrieval needs DATA=<folder> (with tool-retrieval/ and openapi/ in it)" >&2; exit 2; }
	$(CARGO) run --quiet -p embedding-service --example eval_retrieval -- "$(DATA)"
	$(CARGO) run --quiet -p local-model --example fetch -- e5 target/models
	$(CARGO) run --quiet -p embedding-service --features local-model --example eval_retrieval -- "$(DATA)" --model target/models/e5

figures-model: ## the figures of the model path, with the scripted model server; DATA=<folder>: prompts over its largest document
	@[ -z "$(DATA)" ] || [ -d "$(DATA)/openapi" ] || { echo "no folder $(DATA)/openapi" >&2; exit 2; }
	$(CARGO) run --quiet -p embedding-service --example embedding_start
	$(CARGO) build --quiet --workspace --bins $(FEATURES)
	$(CARGO) test --quiet -p tests --test journeys -- --nocapture whatever_the_model
	$(CARGO) run --quiet -p tests --example prompt_tokens -- target/debug/dragoman $(DATA)

start-time: ## how long the one process takes to be ready, empty and with 10,000 conversations
	$(CARGO) build --quiet -p dragoman
	$(CARGO) run --quiet -p tests --example start_time -- target/debug/dragoman

bench-ingest: ## webhooks a second, on disk before each answer, beside FastAPI on the same machine
	tests/support/bench-ingest/run.sh ingest

bench-gateway: ## webhooks a second of the gateway alone, in front of a store in memory, beside FastAPI, and its memory over MESSAGES=10000000
	tests/support/bench-ingest/run.sh gateway

bench-turns: ## turns in flight in one worker on a model of two seconds, and turns a second beside Celery
	tests/support/bench-turns/run.sh

bench-vectors: ## the vector index against ScaNN, FAISS, hnswlib, usearch and Qdrant edge, and a chart: ARGS="1k 10k 100k wide 1m"
	tests/support/bench-vectors/run.sh $(ARGS)

bench-embedding: ## the embedding service over gRPC, against Qdrant edge and hnswlib in process, its start with all vectors, and killed 200 times
	tests/support/bench-embedding/run.sh
