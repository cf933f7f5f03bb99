# Benchmark programs and the peer. Included by the main Makefile; everything lands under build/.
BENCH_CFLAGS ?= -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wformat=2 -Wshadow -Wconversion -Wvla \
	-Wimplicit-fallthrough -I.
BENCH_PQ_CFLAGS ?= -I$(shell pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)

PEER_SRC := $(wildcard tests/peer/*.c) tests/bench/hist.c
PEER_HDR := $(wildcard tests/peer/*.h) tests/bench/hist.h
LOAD_SRC := tests/bench/load.c tests/bench/answer.c tests/bench/hist.c tests/peer/bytes.c \
	tests/peer/span.c
LOAD_HDR := tests/bench/answer.h tests/bench/hist.h tests/peer/bytes.h tests/peer/span.h
BENCH_PROGRAMS := build/peer build/bench/load build/bench/ceiling_curl build/bench/ceiling_fcgi

.PHONY: bench-programs bench-ledger
bench-programs: $(BENCH_PROGRAMS)

build/peer: $(PEER_SRC) $(PEER_HDR)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(LDFLAGS) -o $@ $(PEER_SRC) -lssl -lcrypto

build/bench/load: $(LOAD_SRC) $(LOAD_HDR)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(LDFLAGS) -o $@ $(LOAD_SRC)

build/bench/ceiling_curl: tests/bench/ceiling_curl.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(LDFLAGS) -o $@ $< -lcurl

build/bench/ceiling_fcgi: tests/bench/ceiling_fcgi.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(BENCH_PQ_CFLAGS) $(LDFLAGS) -o $@ $< -lfcgi -lpq

# tests/bench/ledger.sh
bench-ledger: deps
	@conf/deps/install.sh demo >&2
	+@$(build) all bench-programs >&2
	@exec tests/bench/ledger.sh
