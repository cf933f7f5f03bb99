/* See lane.h. Memory only: what is read ahead is still in the database. */
#include "worker/lane.h"

void lane_enqueue(struct lane *l, struct delivery *row)
{
    row->state = DELIVERY_QUEUED;
    l->queued++;
    if (!l->tail || l->tail->pos < row->pos) {
        row->next = NULL;
        if (l->tail)
            l->tail->next = row;
        else
            l->head = row;
        l->tail = row;
        return;
    }
    struct delivery **at = &l->head;
    while ((*at)->pos < row->pos)
        at = &(*at)->next;
    row->next = *at;
    *at = row;
    if (l->head == row)
        l->wants_payload = l->wants_address = false; /* that was for the row behind it */
}

struct delivery *lane_dequeue(struct lane *l)
{
    struct delivery *row = l->head;
    if (!row)
        return NULL;
    l->head = row->next;
    if (!l->head)
        l->tail = NULL;
    l->queued--;
    row->next = NULL;
    return row;
}

void lane_arrived(struct lane *l, const struct delivery_table *held, int64_t pos, int64_t count)
{
    l->backlog = true;
    if (pos <= l->after && (count > 1 || !delivery_table_find(held, pos)))
        l->after = pos - 1;
}

void lane_rewind(struct lane *l, int64_t pos)
{
    l->backlog = true;
    l->reading = false;
    if (pos <= l->after)
        l->after = pos - 1;
}

void lane_forget(struct lane *l, struct delivery_table *held)
{
    if (l->head)
        lane_rewind(l, l->head->pos);
    else if (l->reading)
        lane_rewind(l, l->after + 1);
    for (struct delivery *row; (row = lane_dequeue(l));) {
        delivery_table_remove(held, row);
        delivery_free(row);
    }
    l->wants_payload = l->wants_address = false;
}

int lane_wants(const struct lane *l, int target)
{
    if (!l->backlog || l->reading)
        return 0;
    /* The next read should come back before the list is empty. */
    return l->queued <= target / 2 ? target - l->queued : 0;
}

bool lane_blocked(const struct lane *l)
{
    return l->wants_payload || l->wants_address;
}

bool lane_idle(const struct lane *l)
{
    return !l->queued && !l->inflight && !l->reading;
}
