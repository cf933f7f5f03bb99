# Dead Letter Office. Two commands matter: `make run` and `make test`. `make help` shows the rest.
#
# Directories are programs: common/ is a static library, fcgi/ worker/ cli/ one program each. Everything that is
# made goes below build/ (DEV=1: objects and programs below build/dev/), everything that runs below $DLO_VAR.

VERSION := 0.1.0

PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc

BUILD := build$(if $(DEV),/dev)
OBJ   := $(BUILD)/obj
GEN   := build/gen
FLAGS := $(BUILD)/flags-$(notdir $(firstword $(CC))).mk

# `make V=1` shows whole command lines.
quiet := $(if $(V),,@)
say    = @$(if $(V),:,printf '  %-6s %s\n' $(1) $(2))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# What the user's compiler accepts, and where the libraries are, is found once and kept in a small file. Goals that
# may have to install the compiler first do not read it: they call make again when they have.
outer := help deps run up down test unit lint format openapi bench bench-ledger demo clean
ifneq ($(filter-out $(outer),$(or $(MAKECMDGOALS),all)),)
-include $(FLAGS)
endif

warnings := -Wall -Wextra -Wformat=2 -Wshadow -Wconversion -Wvla -Wimplicit-fallthrough
cflags   := -std=c11 -D_GNU_SOURCE -DDLO_VERSION='"$(VERSION)"' -I. -I$(GEN) $(warnings) $(LIB_CFLAGS)
ifdef DEV
cflags   += -O1 -g -Werror -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined \
            -include conf/lint/banned.h
ldflags  := -fsanitize=address,undefined
else
cflags   += -O2 -g $(HARDENING_CFLAGS)
ldflags  := $(HARDENING_LDFLAGS) -Wl,--as-needed
endif

# --- the library and the three programs -----------------------------------------------------------------------------

objects  = $(patsubst %.c,$(OBJ)/%.o,$(sort $(wildcard $(1)/*.c))) $(OBJ)/gen/$(1)_sql.o
common  := $(call objects,common)
fcgi    := $(call objects,fcgi) $(OBJ)/gen/openapi.o
worker  := $(call objects,worker)
cli     := $(call objects,cli) $(OBJ)/gen/migrations.o

# In common/, libcurl also parses the URLs of webhooks and PCRE2 runs the patterns of schemas.
base_libs := $(LIBPQ) $(JANSSON) $(CONFUSE) $(CURL) $(CRYPTO) $(PCRE2)
worker_libs := $(base_libs) $(CARES) $(JQ) $(SECCOMP)

# A program whose main.c is not there yet is left out, so that the rest can be built.
programs := $(if $(wildcard fcgi/main.c),$(BUILD)/dlo.fcgi) \
            $(if $(wildcard worker/main.c),$(BUILD)/dlo-worker) \
            $(if $(wildcard cli/main.c),$(BUILD)/dlo)

.PHONY: all
all: $(BUILD)/libcommon.a $(programs)

$(BUILD)/libcommon.a: $(common)
$(BUILD)/libfcgi.a:   $(filter-out %/main.o,$(fcgi))
$(BUILD)/libworker.a: $(filter-out %/main.o,$(worker))
$(BUILD)/libcli.a:    $(filter-out %/main.o,$(cli))

$(BUILD)/dlo.fcgi:   $(fcgi)   $(BUILD)/libcommon.a
$(BUILD)/dlo-worker: $(worker) $(BUILD)/libcommon.a
$(BUILD)/dlo:        $(cli)    $(BUILD)/libcommon.a

$(BUILD)/dlo.fcgi:   libs = $(FCGI) $(base_libs)
$(BUILD)/dlo-worker: libs = $(worker_libs)
$(BUILD)/dlo:        libs = $(base_libs)

link = $(quiet)$(CC) $(CPPFLAGS) $(CFLAGS) $(ldflags) $(LDFLAGS) -o $@ $^ $(libs)

$(BUILD)/dlo.fcgi $(BUILD)/dlo-worker $(BUILD)/dlo:
	$(call say,LINK,$@)
	$(link)

$(BUILD)/lib%.a:
	$(call say,AR,$@)
	@rm -f $@
	$(quiet)$(AR) rcs $@ $^

# The user's CFLAGS come last: `make CFLAGS=-O0` changes the optimisation and nothing else.
compile = $(quiet)$(CC) $(cflags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/%.o: %.c $(FLAGS) Makefile | generated
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(compile)

$(OBJ)/gen/%.o: $(GEN)/%.c $(FLAGS) Makefile | generated
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(compile)

$(FLAGS): conf/build/flags.sh
	@mkdir -p $(@D)
	$(quiet)CC="$(CC)" sh conf/build/flags.sh $(replace)

-include $(wildcard $(OBJ)/*/*.d $(OBJ)/*/*/*.d)

# A generated file appears whole or not at all, also when two of us make it at once.
replace = > $@.$$$$ && mv -f $@.$$$$ $@ || { rm -f $@.$$$$; exit 1; }

# --- SQL and migrations, embedded -----------------------------------------------------------------------------------

sql_dirs := common fcgi worker cli
embed    := conf/build/c_string.awk conf/build/embed_sql.awk conf/build/embed_migrations.awk

.PHONY: generated FORCE
generated: $(sql_dirs:%=$(GEN)/%_sql.h) $(GEN)/migrations.h $(GEN)/openapi.h

# The list changes only when a file comes or goes: without it a removed statement would stay in the program.
$(GEN)/%.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(sort $(wildcard $(subst _sql,/sql,$*)/*.sql)) > $@.$$$$ && \
	    { cmp -s $@.$$$$ $@ && rm -f $@.$$$$ || mv -f $@.$$$$ $@; }

# embedding DIRECTORY FORM: the rule for DIRECTORY_sql.h or .c
define embedding
$(GEN)/$(1)_sql.$(2): $(sort $(wildcard $(1)/sql/*.sql)) $(GEN)/$(1)_sql.list $(embed)
	$$(call say,EMBED,$$@)
	$(quiet)awk -v dir=$(1) -v form=$(2) -f conf/build/c_string.awk -f conf/build/embed_sql.awk \
	    $(sort $(wildcard $(1)/sql/*.sql)) </dev/null $$(replace)
endef
$(foreach dir,$(sql_dirs),$(foreach form,h c,$(eval $(call embedding,$(dir),$(form)))))

migrations := $(sort $(wildcard migrations/*.sql))
$(GEN)/migrations.h $(GEN)/migrations.c: $(migrations) $(GEN)/migrations.list $(embed)
	$(call say,EMBED,$@)
	$(quiet)awk -v form=$(subst .,,$(suffix $@)) -f conf/build/c_string.awk -f conf/build/embed_migrations.awk \
	    $(migrations) </dev/null $(replace)

# The document is written as docs/openapi.yaml. `make openapi` turns it into the JSON beside it, which is committed, so that
# a plain build needs nothing that reads YAML; `make lint` and the tests hold them against each other.
$(GEN)/openapi.h $(GEN)/openapi.c: docs/openapi.json conf/build/c_string.awk conf/build/embed_openapi.awk
	@mkdir -p $(@D)
	$(call say,EMBED,$@)
	$(quiet)awk -v form=$(subst .,,$(suffix $@)) -f conf/build/c_string.awk -f conf/build/embed_openapi.awk $< $(replace)

.PHONY: openapi
openapi:
	@build/venv/bin/python conf/build/openapi.py

# --- programs of the tests ------------------------------------------------------------------------------------------
# Each tests/unit/test_*.c is a program; test_worker_x.c also has the worker's objects, and so on.

# The receiver that misbehaves (build/peer) and the programs that measure.
-include tests/bench/bench.mk

# Prints the tables of routes, for the test that holds the document against them.
$(BUILD)/routes: $(OBJ)/tests/openapi/routes.o $(BUILD)/libfcgi.a $(BUILD)/libcommon.a
$(BUILD)/routes: libs = $(FCGI) $(base_libs)
$(BUILD)/routes:
	$(call say,LINK,$@)
	$(link)

unit_tests := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))

.PHONY: unit-programs test-programs
unit-programs: $(unit_tests)
test-programs: all unit-programs build/peer $(BUILD)/routes

tested = $(foreach dir,fcgi worker cli,$(if $(filter test_$(dir)_%,$(1)),$(BUILD)/lib$(dir).a)) $(BUILD)/libcommon.a

.SECONDEXPANSION:
$(unit_tests): libs = $(CMOCKA) $(FCGI) $(worker_libs)
$(unit_tests): $(BUILD)/unit/%: $(OBJ)/tests/unit/%.o $$(call tested,$$*)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(link)

# --- commands -------------------------------------------------------------------------------------------------------
# Scripts read the settings DLO_PORT, DLO_BIND, DLO_VAR, DLO_ALLOW_NETS ... from the environment; `make run DLO_PORT=81`
# puts them there too.

export DLO_BUILD := $(BUILD)

# As many jobs as there are processors, unless the caller's own -j is in force already.
build = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: deps run up down test unit lint format bench demo install clean help

deps:
	@conf/deps/install.sh run build

run up: deps
	+@$(build) all
	@exec conf/stack/$@.sh

down:
	@conf/stack/down.sh

test unit: deps
	@conf/deps/install.sh $(if $(filter test,$@),unit test,unit)
	+@$(build) $@-programs
	@conf/test/$@.sh

lint: deps
	@conf/deps/install.sh lint
	+@$(build) all
	@conf/lint/all.sh

format:
	@clang-format -i $$(find common fcgi worker cli tests -name '*.[ch]')

bench demo: deps
	@conf/deps/install.sh demo >&2
	+@$(build) all bench-programs >&2
	@exec $(if $(filter demo,$@),tests/peer/demo.sh,tests/bench/run.sh)

share := $(DESTDIR)$(PREFIX)/share/dlo
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(share)/web $(share)/conf
	install -m 755 $(BUILD)/dlo $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(BUILD)/dlo.fcgi $(BUILD)/dlo-worker $(DESTDIR)$(PREFIX)/sbin/
	cp -R web/. $(share)/web/
	cp -R conf/dlo.conf.sample conf/lighttpd.conf.in conf/apache conf/systemd $(share)/conf/
	sed -i 's|@PREFIX@|$(PREFIX)|g' $(share)/conf/systemd/* $(share)/conf/apache/*
	chmod -R u=rwX,go=rX $(share)
	for page in $(wildcard docs/man/*.[1-8]); do \
	    install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done

clean:
	rm -rf build

help:
	@echo "make run      install what is missing, build, and run everything in the foreground; Ctrl-C stops it"
	@echo "make up       the same in the background; make down stops it"
	@echo "make test     install what the tests need and run all of them; make unit: only those in C"
	@echo "make demo     a stream of events to receivers that behave, fail, hang and recover"
	@echo "make bench    measure, as JSON lines; make bench-ledger: lists, searches and bulk operations over a million entries"
	@echo "make openapi  docs/openapi.json anew from docs/openapi.yaml"
	@echo "make lint     formatting, layers, exported names, banned functions, scripts; make format mends the first"
	@echo "make          build into build/; DEV=1: with -Werror and sanitizers into build/dev/; V=1: show commands"
	@echo "make install  PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)"
	@echo "make clean    remove build/"
	@echo
	@echo "Settings of run, up and down, given as 'make run DLO_PORT=9000' or in the environment:"
	@echo "  DLO_PORT=8080  DLO_BIND=127.0.0.1  DLO_VAR=var            where it listens, where its data lies"
	@echo "  DLO_ALLOW_NETS=127.0.0.1/32                               networks besides public ones webhooks may reach"
	@echo "  DLO_DNS_SERVERS=                                          name servers to ask instead of the system's"
	@echo "  DLO_SENDERS=2  DLO_INTAKE=4  DLO_DESK=2                   processes"
	@echo "  DLO_INSTALL=no                                            install nothing, list what is missing"
