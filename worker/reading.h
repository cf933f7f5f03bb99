/*
 * What the parts of a reader share: its state, and how a statement is asked.
 *
 * A reader is one connection that asks one thing at a time. Each part owns one kind of question: ownership (leases),
 * arrivals (what is new), settings (webhooks), circuits (breakers that changed), recoveries (webhooks that have
 * recovered), waiting (retries that are due, holds that are overdue), trials (transforms on a sample), heads (rows and
 * payloads). reader.c decides which question is next. Nobody else includes this header.
 */
#ifndef DLO_WORKER_READING_H
#define DLO_WORKER_READING_H

#include "worker/named.h"
#include "worker/reader.h"
#include "worker_sql.h"

#define READING_QUESTIONS 18
#define READING_GONE_MAX 256 /* webhooks whose receivers answered 410, to be told to the database */

struct reader {
    struct reader_set set;
    struct reader_owner owner;
    bool joined, stopping, left;
    bool poll_now;
    int64_t poll_at_ms, renew_at_ms, promote_at_ms, holds_at_ms;
    int64_t not_before_ms[READING_QUESTIONS]; /* a question that failed waits */
    int asked;                                /* the one under way */
    int64_t rescan_at_ms;
    int rescanned;
    char xmax[24];
    struct buf xip; /* as an array literal: xid8 has no binary form worth writing */
    bool has_snapshot;
    bool fresh[LIMIT_SHARDS]; /* leased, not scanned yet */
    bool heads_under_way;
    struct delivery *ghosts;
    int32_t gone[READING_GONE_MAX];
    int ngone;
    size_t settings_wanted;         /* destinations that are not known */
    int32_t drawers[LIMIT_DRAWERS]; /* where sources were found lately */
    unsigned next_drawer;
    struct named heads;                   /* for them */
    int32_t heads_drawers[LIMIT_DRAWERS]; /* of the query under way */
    unsigned holds_turn;
    int promote_from;            /* shard */
    unsigned turn;               /* where the next heads query begins among the destinations */
    unsigned payload_turn;       /* likewise the next payload */
    bool payload_was_last;       /* rows and payloads are asked for in turn */
    bool released[LIMIT_SHARDS]; /* being released */
    int32_t payload_webhook;     /* whose head's payload is being fetched; 0: none */
    int payload_lane;
    int64_t payload_pos;
    int unsaved;              /* breakers whose state is to be written */
    int64_t circuits_at_ms;   /* not before */
    bool recovered;           /* there are recoveries to be told */
    int64_t recoveries_at_ms; /* not before */
    struct pg_array shards, ints, ints2, classes, longs, uuids;
    struct pg_array cooldowns, requests, cited; /* of circuits */
    struct buf text;
};

#define READING_ARGS_MAX 16

struct reading_args {
    int n;
    const char *values[READING_ARGS_MAX];
    int lengths[READING_ARGS_MAX];
    int formats[READING_ARGS_MAX];
};

void reading_arg_bytes(struct reading_args *a, const void *p, size_t n);
void reading_arg_text(struct reading_args *a, const char *s); /* NULL: SQL NULL */
void reading_arg_array(struct reading_args *a, const struct pg_array *array);
/* 0: sent, `answer` will be called with the reader. `binary`: the form of the result. */
int reading_ask(struct reader *r, struct pipe *pipe, enum worker_sql which,
                const struct reading_args *a, bool binary, pipe_answer *answer);
/* The same for a statement that may have its drawers in its text. */
int reading_ask_this(struct reader *r, struct pipe *pipe, const struct sql_statement *s,
                     const struct reading_args *a, bool binary, pipe_answer *answer);
/* True if the answer is good. A failure is logged and makes that question wait; a lost connection is told by reader_lost. */
bool reading_good(struct reader *r, const PGresult *res, const char *what);

/* Each of these asks one question: 0 when it was sent, -1 when there was nothing to ask. */
int ownership_join(struct reader *r, struct pipe *pipe, int64_t now_ms);
int ownership_renew(struct reader *r, struct pipe *pipe, int64_t now_ms);
int ownership_release(struct reader *r, struct pipe *pipe,
                      int64_t now_ms); /* a shard that has drained */
int ownership_leave(struct reader *r, struct pipe *pipe, int64_t now_ms);
int arrivals_poll(struct reader *r, struct pipe *pipe, int64_t now_ms);
int arrivals_take_over(struct reader *r, struct pipe *pipe,
                       int64_t now_ms); /* shards that were leased and not scanned */
void settings_doubt(struct destination *d,
                    void *reader); /* they are read again before anything is sent */
int settings_ask(struct reader *r, struct pipe *pipe, int64_t now_ms);
int settings_tell_gone(struct reader *r, struct pipe *pipe, int64_t now_ms);
int circuits_save(struct reader *r, struct pipe *pipe, int64_t now_ms);
int recoveries_tell(struct reader *r, struct pipe *pipe, int64_t now_ms);
int waiting_promote(struct reader *r, struct pipe *pipe, int64_t now_ms);
int waiting_ask_holds(struct reader *r, struct pipe *pipe, int64_t now_ms);
int trials_ask(struct reader *r, struct pipe *pipe, int64_t now_ms);
int trials_tell(struct reader *r, struct pipe *pipe, int64_t now_ms);
int heads_name_drawers(struct reader *r, struct pipe *pipe, int64_t now_ms);
int heads_ask(struct reader *r, struct pipe *pipe, int64_t now_ms);
int heads_ask_payload(struct reader *r, struct pipe *pipe, int64_t now_ms);

bool arrivals_unscanned(const struct reader *r);
void heads_bury_ghosts(struct reader *r); /* no query is under way that could still show them */
void heads_unanswered(struct destination *d,
                      void *unused); /* what its query was to read is still to be read */

#endif
