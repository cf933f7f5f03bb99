/* See shape.h. Memory only. */
#include "worker/shape.h"

void shape_warm_up(void)
{
    jq_program_warm_up();
    shape_schema_warm_up();
}

void shape_run(struct jq_programs *programs, const struct shape_request *request,
               struct shape_answer *answer)
{
    const char *json = request->payload;
    size_t n = request->payload_len;
    answer->code = SHAPE_CODE_OK;
    answer->why[0] = '\0';
    buf_clear(&answer->bytes);
    if (request->transform) {
        answer->code =
            jq_program_run(programs, request->transform, json, n, &answer->bytes, answer->why);
        json = answer->bytes.data;
        n = answer->bytes.len;
    }
    if (answer->code == SHAPE_CODE_OK && request->schema)
        answer->code = shape_schema(request->schema, request->schema_len, json, n, answer->why);
}
