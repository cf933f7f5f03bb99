/* See family.h. One table; memory only. */
#include "common/family.h"

#include <string.h>

static const struct family families[] = {
    /* of the database */
    {"dlo_due", "gauge", "Deliveries that are to be sent now or are held; an estimate past 10000."},
    {"dlo_later", "gauge", "Deliveries that wait for a retry time; an estimate past 10000."},
    {"dlo_oldest_due_seconds", "gauge", "Age of the delivery that has been due for the longest."},
    {"dlo_held", "gauge",
     "Due deliveries that are held, by cause; counted to 10000 for each. Part of dlo_due."},
    {"dlo_circuits", "gauge", "Webhooks whose circuit is not closed, by state."},
    {"dlo_notices_waiting", "gauge",
     "News of our own that were not made into events yet; counted to 10000."},
    {"dlo_dlq_open", "gauge", "Entries that are open."},
    {"dlo_leases", "gauge", "Shards that a sender owns; of 64."},
    {"dlo_senders", "gauge", "Senders that renew their leases and are not leaving."},
    {"dlo_sender_heartbeat_age_seconds", "gauge",
     "Since a sender was seen last; -1: there is none."},
    {"dlo_sender_info", "gauge", "1 for each sender, with its host."},
    /* of each sender */
    {"dlo_inflight", "gauge", "Requests under way, by class."},
    {"dlo_inflight_standing", "gauge", "The same requests, by the standing of their destination."},
    {"dlo_inflight_bytes", "gauge", "Payload bytes of the requests under way."},
    {"dlo_attempts_total", "counter", "Attempts that ended, by outcome and class."},
    {"dlo_attempt_failures_total", "counter", "Attempts that failed, by reason."},
    {"dlo_verdicts_total", "counter", "Deliveries that ended without a request."},
    {"dlo_requests_resent_total", "counter",
     "Requests written a second time because a kept connection closed without an answer."},
    {"dlo_circuit_changes_total", "counter", "Changes of circuits, by the state entered."},
    {"dlo_shapings_total", "counter", "Transforms and schemas run, by what came of them."},
    {"dlo_shaping_seconds_total", "counter", "Time they took in their sandboxes."},
    {"dlo_sandboxes_busy", "gauge", "Sandboxes that run something."},
    {"dlo_shapings_waiting", "gauge", "Transforms and schemas that wait for a sandbox."},
    {"dlo_attempt_duration_seconds", "histogram", "Time of a whole attempt."},
    {"dlo_attempt_first_byte_seconds", "histogram", "Time to the first byte of an answer."},
    {"dlo_outcomes_waiting", "gauge", "Outcomes that are not on disk yet."},
    {"dlo_completion_batches_total", "counter", "Statements that wrote outcomes."},
    {"dlo_completion_results_total", "counter", "Outcomes in them."},
    {"dlo_completion_stale_total", "counter",
     "Outcomes whose delivery was gone: cancelled, or sent by somebody else."},
    {"dlo_completion_batch_size", "histogram", "Outcomes in a statement."},
    {"dlo_completion_duration_seconds", "histogram", "Time of such a statement."},
    {"dlo_destinations", "gauge", "Webhooks that the sender knows."},
    {"dlo_rows_read_ahead", "gauge", "Deliveries in the memory of the sender."},
    {"dlo_held_destinations", "gauge",
     "Webhooks with something waiting that are not served, by cause."},
    {"dlo_shards", "gauge", "Shards of the sender, by state."},
    {"dlo_shard_changes_total", "counter",
     "Shards taken, given back in order, and lost because a lease had ended."},
    {"dlo_names", "gauge", "Names that are kept."},
    {"dlo_name_hits_total", "counter", "Questions for a name that were answered at once."},
    {"dlo_name_lookups_total", "counter", "Look-ups begun."},
    {"dlo_name_lookups_under_way", "gauge", "Look-ups under way."},
    {"dlo_name_answers_total", "counter", "Look-ups that ended, by what they found."},
};
#define FAMILIES (sizeof families / sizeof *families)

static size_t without(const char *series, size_t n, const char *ending)
{
    size_t len = strlen(ending);
    return n > len && memcmp(series + n - len, ending, len) == 0 ? n - len : n;
}

const struct family *family_of(const char *series)
{
    static const char *const endings[] = {"", "_bucket", "_sum", "_count"};
    size_t n = strcspn(series, "{");
    for (size_t e = 0; e < sizeof endings / sizeof *endings; e++) {
        size_t len = without(series, n, endings[e]);
        for (size_t i = 0; (!e || len < n) && i < FAMILIES; i++)
            if (strlen(families[i].name) == len && memcmp(families[i].name, series, len) == 0 &&
                (!e || families[i].type[0] == 'h'))
                return &families[i];
    }
    return NULL;
}
