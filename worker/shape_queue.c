/* See shape_queue.h. At most SHAPE_QUEUE_MAX jobs, so lists are walked. Memory only. */
#include "worker/shape_queue.h"

#include <stdlib.h>

/* The jobs of one project. Exists while it has any. */
struct line {
    int32_t project_id;
    struct shape_job *head, **tail;
    struct line *next;
};

struct shape_queue {
    struct line *first; /* whose turn it is */
    int count;
};

struct shape_queue *shape_queue_new(void)
{
    return calloc(1, sizeof(struct shape_queue));
}

void shape_queue_job_free(struct shape_job *job)
{
    if (!job)
        return;
    free(job->transform);
    free(job->schema);
    free(job);
}

void shape_queue_free(struct shape_queue *q)
{
    struct shape_job *job;
    if (!q)
        return;
    while ((job = shape_queue_pop_older(q, INT64_MAX)))
        shape_queue_job_free(job);
    free(q);
}

static struct line *line_of(struct shape_queue *q, int32_t project)
{
    struct line **at = &q->first;
    while (*at && (*at)->project_id != project)
        at = &(*at)->next;
    if (!*at && (*at = calloc(1, sizeof **at))) {
        (*at)->project_id = project;
        (*at)->tail = &(*at)->head;
    }
    return *at;
}

int shape_queue_push(struct shape_queue *q, struct shape_job *job)
{
    struct line *line = q->count < SHAPE_QUEUE_MAX ? line_of(q, job->project_id) : NULL;
    if (!line)
        return -1;
    job->next = NULL;
    *line->tail = job;
    line->tail = &job->next;
    q->count++;
    return 0;
}

/* Takes the head of a line; the line goes to the end, or away when it is empty. */
static struct shape_job *take(struct shape_queue *q, struct line **at)
{
    struct line *line = *at, **end;
    struct shape_job *job = line->head;
    line->head = job->next;
    q->count--;
    *at = line->next;
    line->next = NULL;
    if (!line->head) {
        free(line);
        return job;
    }
    for (end = &q->first; *end; end = &(*end)->next)
        ;
    *end = line;
    return job;
}

struct shape_job *shape_queue_pop(struct shape_queue *q, bool (*fits)(void *arg, int32_t project),
                                  void *arg)
{
    for (struct line **at = &q->first; *at; at = &(*at)->next)
        if (fits(arg, (*at)->project_id))
            return take(q, at);
    return NULL;
}

struct shape_job *shape_queue_pop_older(struct shape_queue *q, int64_t ms)
{
    struct line **oldest = NULL;
    for (struct line **at = &q->first; *at; at = &(*at)->next)
        if ((*at)->head->queued_ms < ms &&
            (!oldest || (*at)->head->queued_ms < (*oldest)->head->queued_ms))
            oldest = at;
    return oldest ? take(q, oldest) : NULL;
}

int shape_queue_count(const struct shape_queue *q)
{
    return q->count;
}

int shape_queue_projects(const struct shape_queue *q, bool (*fits)(void *arg, int32_t project),
                         void *arg)
{
    int n = 0;
    for (const struct line *line = q->first; line; line = line->next)
        n += fits(arg, line->project_id);
    return n;
}

bool shape_queue_others(const struct shape_queue *q, int32_t project)
{
    for (const struct line *line = q->first; line; line = line->next)
        if (line->project_id != project)
            return true;
    return false;
}

int64_t shape_queue_oldest_ms(const struct shape_queue *q)
{
    int64_t oldest = INT64_MAX;
    for (const struct line *line = q->first; line; line = line->next)
        if (line->head->queued_ms < oldest)
            oldest = line->head->queued_ms;
    return oldest;
}
