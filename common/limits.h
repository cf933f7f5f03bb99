/*
 * Every cap of the product, in one place. What grows without one of these is a bug.
 *
 * Units are in the names. A limit that API.md states carries "API"; the others are ours.
 */
#ifndef DLO_COMMON_LIMITS_H
#define DLO_COMMON_LIMITS_H

/* The wire (API). */
#define LIMIT_PAYLOAD_BYTES (256 * 1024)
#define LIMIT_EVENT_BODY_BYTES                                                                     \
    (LIMIT_PAYLOAD_BYTES + 32 * 1024) /* the envelope around one payload */
#define LIMIT_BATCH_BODY_BYTES (8 * 1024 * 1024)
#define LIMIT_BODY_BYTES (64 * 1024) /* any other request */
#define LIMIT_REASON_BYTES 1000      /* why somebody edited a payload */
#define LIMIT_BATCH_EVENTS 1000
#define LIMIT_FANOUT_PER_CALL 10000
#define LIMIT_JSON_DEPTH 512
#define LIMIT_NAME_BYTES 128        /* eventType, channel */
#define LIMIT_EXTERNAL_ID_BYTES 256 /* customerExternalId, externalId */
#define LIMIT_METADATA_BYTES 4096
#define LIMIT_ROUTING_KEY_BYTES 256
#define LIMIT_URL_BYTES 2048
#define LIMIT_PAGE 200
#define LIMIT_PAGE_DEFAULT 50
#define LIMIT_IDEMPOTENCY_KEY_BYTES 255
#define LIMIT_REQUEST_ID_BYTES 64
#define LIMIT_COUNT_ROWS 10000  /* past this a total is "gte" unless counters cover the filter */
#define LIMIT_SEARCH_ROWS 20000 /* payloads read by one search; its cursor goes on */
#define LIMIT_SEARCH_MS 1500
#define LIMIT_SEARCH_SET 100000      /* payloads read to choose the set of a bulk operation */
#define LIMIT_GROUP_ROWS 10000       /* entries counted where no counter knows their groups */
#define LIMIT_EXPORT_BYTES (4 << 20) /* payloads held by one export, and one more */
#define LIMIT_STATS_ROWS 10000       /* buckets of one answer */
#define LIMIT_DIFF_CHANGES 500
#define LIMIT_DIFF_CELLS 1000000 /* lines of one side times lines of the other */
#define LIMIT_REDACTION_RULES 50 /* of a project: names of headers, and as many paths */
#define LIMIT_LEGACY_OFFSET_ROWS 100000
#define LIMIT_LEGACY_ARRAY_ROWS 1000

/* Webhooks (API). */
#define LIMIT_CUSTOM_HEADERS 20
#define LIMIT_CUSTOM_HEADER_BYTES 4096
#define LIMIT_RETRY_SCHEDULE 20
#define LIMIT_ATTEMPTS 20
#define LIMIT_RETRY_S 86400
#define LIMIT_TIMEOUT_MS_MIN 100
#define LIMIT_TIMEOUT_MS_MAX 60000
#define LIMIT_CONCURRENCY 1000
#define LIMIT_RETRY_AFTER_S 86400
#define LIMIT_TRANSFORM_BYTES (16 * 1024)
#define LIMIT_RATE_PER_S 10000
#define LIMIT_TLS_PEM_BYTES 32768             /* each of an authority, a certificate chain, a key */
#define LIMIT_WEBHOOK_BODY_BYTES (256 * 1024) /* all of these, and their escapes */
#define LIMIT_NOTICES_PER_MINUTE 60 /* of a project, told singly; the rest by their count */
#define LIMIT_LIST_ITEMS 100        /* eventTypes, channels, customerExternalIds of one webhook */

/* Schemas. */
#define LIMIT_SCHEMA_BYTES (64 * 1024)
#define LIMIT_SCHEMA_NESTING 256
#define LIMIT_SCHEMA_NODES 4096 /* schemas in one */
#define LIMIT_SCHEMA_PATTERNS 256
#define LIMIT_SCHEMA_PATTERN_BYTES (1 << 20) /* of them all, compiled */
#define LIMIT_SCHEMA_MEMORY (2 << 20)        /* beside its text and its patterns */
#define LIMIT_SCHEMA_STEPS 100000            /* of one check, about 3 ms */
#define LIMIT_SCHEMA_STEPS_A_BYTE 16
#define LIMIT_SCHEMA_CALL_MS 2000           /* processor time of all checks of one call */
#define LIMIT_SCHEMA_CACHE_BYTES (16 << 20) /* compiled, in one responder */
#define LIMIT_EVENT_TYPES 1000              /* of one project */
#define LIMIT_SCHEMA_DEPTH 1024             /* schemas inside each other while one check runs */

/* Bulk operations. */
#define LIMIT_BULK_IDS 10000 /* named one by one (API) */
#define LIMIT_BULK_BODY_BYTES (512 * 1024)
#define LIMIT_BULK_RATE 100 /* items a second of a re-drive that names no rate */
#define LIMIT_BULK_UNDER_WAY                                                                       \
    4000 /* of one operation, so that the hot queue never holds a million */
#define LIMIT_BULK_LEAST_SHARE                                                                     \
    5 /* of one webhook under way in any case, and all of one that is held: enough for a probe */
#define LIMIT_BULK_TURN 500         /* items of one statement */
#define LIMIT_BULK_ACTIVE 100       /* operations of a project that have not ended */
#define LIMIT_BULK_DAYS 7           /* an operation ends after them (API) */
#define LIMIT_BULK_ITEMS_DAYS 30    /* how long its items are kept */
#define LIMIT_BULK_PROBE_PERCENT 20 /* from this share of failures on a probe pauses (API) */
#define LIMIT_BULK_SHOWN_ITEMS 50   /* within the operation itself (API) */
#define LIMIT_AUTO_ACTIVE 50 /* of a project that nobody asked for: they leave places for others */
#define LIMIT_AUTO_WITH_PAUSED                                                                     \
    (LIMIT_BULK_ACTIVE - 10)     /* with those that their probe has paused, one a webhook */
#define LIMIT_AUTO_GENERATIONS 3 /* what was re-driven so often is not re-driven by itself (API) */
#define LIMIT_AUTO_REST_S 60     /* between two of one webhook */

/* What is kept of an answer (API). */
#define LIMIT_RESPONSE_FAILURE_BYTES (64 * 1024)
#define LIMIT_RESPONSE_SUCCESS_BYTES 1024
#define LIMIT_RESPONSE_HEADERS_BYTES 8192
#define LIMIT_RESPONSE_HEAD_BYTES (128 * 1024) /* read of its header blocks, before we hang up */

/* The sender. */
#define LIMIT_SHARDS 64
#define LIMIT_INFLIGHT 512 /* requests under way in one sender: slots */
#define LIMIT_WINDOW                                                                               \
    128 /* requests under way to one destination in one sender, whatever it allows */
#define LIMIT_DESTINATIONS 20000        /* idle ones beyond this are forgotten */
#define LIMIT_INFLIGHT_BYTES (64 << 20) /* payload bytes held by them */
#define LIMIT_BATCH_RESULTS 500         /* results in one completion */
#define LIMIT_BATCH_BYTES (4 << 20)
#define LIMIT_BATCH_WAIT_MS 5
#define LIMIT_BATCH_DEAD_WAIT_MS 50 /* of what died, while others wait as well */
#define LIMIT_BATCH_REDRIVEN 64     /* re-drives that arrived */
#define LIMIT_BATCH_REDRIVEN_WAIT_MS 40
#define LIMIT_PREFETCH 20000 /* rows held by one sender, all destinations */
#define LIMIT_PREFETCH_PER_WEBHOOK 64
#define LIMIT_HEADS_ROWS 512   /* rows of one heads query */
#define LIMIT_DRAWERS 8        /* drawers one statement of the sender names */
#define LIMIT_SLOW_MS 5000     /* an attempt that takes longer is slow */
#define LIMIT_STUCK_MS 1000    /* a destination from which nothing has come back for so long */
#define LIMIT_TURN_BYTES 16384 /* a unit of a project's turn */
#define LIMIT_LEASE_MS 10000
#define LIMIT_LEASE_RENEW_MS 3000
#define LIMIT_DRAIN_MS 10000

/* Names. */
#define LIMIT_DNS_LOOKUPS                                                                          \
    64 /* under way in one sender: with each hanging for the whole 5 s, 12 others still end a second */
#define LIMIT_DNS_PROJECT_LOOKUPS                                                                  \
    (LIMIT_DNS_LOOKUPS / 4)            /* of one project, whose names may all be dead */
#define LIMIT_DNS_PROJECT_WAITING 1000 /* names of one project in line; more ask again later */
#define LIMIT_DNS_LOOKUP_MS 5000 /* one name in all, both families; as long as glibc's one try */
#define LIMIT_DNS_NAMES 20000    /* kept, as many as idle destinations */
#define LIMIT_DNS_SERVERS 8
#define LIMIT_DNS_RECORDS                                                                          \
    256 /* read of one answer: c-ares 1.18 takes 0.06 ms for them, 21 to 35 for 4,000 (measured) */
#define LIMIT_DNS_ADDRESSES 8 /* kept of one answer */
#define LIMIT_DNS_TTL_MIN_S 5 /* a TTL of 0 must not become a query for each request */
#define LIMIT_DNS_TTL_MAX_S                                                                        \
    300 /* as long as a connection lives: a receiver that moves is followed within five minutes */
#define LIMIT_DNS_NO_NAME_S                                                                        \
    30 /* NXDOMAIN: a record that was just made must not wait for an SOA's hour */
#define LIMIT_DNS_TROUBLE_S 5 /* SERVFAIL, no answer: of no use to the next retry if kept longer */

#endif
