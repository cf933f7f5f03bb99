/* See shape_code.h. One table. */
#include "worker/shape_code.h"

static const struct {
    const char *name;
    enum shape_result result;
} codes[SHAPE_CODE_COUNT] = {
    [SHAPE_CODE_OK] = {"ok", SHAPE_OK},
    [SHAPE_CODE_INVALID] = {"transform_invalid", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_ERROR] = {"transform_error", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_NO_OUTPUT] = {"transform_no_output", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_MANY_OUTPUTS] = {"transform_many_outputs", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_OUTPUT_LARGE] = {"transform_output_too_large", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_OUTPUT_DEEP] = {"transform_output_too_deep", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_NUMBER_ALTERED] = {"number_altered", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_NOT_A_NUMBER] = {"not_a_number", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_PAYLOAD] = {"payload_unreadable", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_TIMEOUT] = {"transform_timeout", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_MEMORY] = {"transform_memory", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_FORBIDDEN] = {"transform_forbidden", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_CRASHED] = {"transform_crashed", SHAPE_TRANSFORM_FAILED},
    [SHAPE_CODE_SCHEMA_REJECTED] = {"schema_rejected", SHAPE_SCHEMA_REJECTED},
    [SHAPE_CODE_SCHEMA_COSTLY] = {"schema_too_costly", SHAPE_SCHEMA_REJECTED},
    [SHAPE_CODE_SCHEMA_INVALID] = {"schema_invalid", SHAPE_SCHEMA_REJECTED},
    [SHAPE_CODE_UNAVAILABLE] = {"transforms_unavailable", SHAPE_UNAVAILABLE},
};

static unsigned known(enum shape_code code)
{
    return (unsigned)code < SHAPE_CODE_COUNT ? (unsigned)code : SHAPE_CODE_CRASHED;
}

const char *shape_code_name(enum shape_code code)
{
    return codes[known(code)].name;
}

enum shape_result shape_code_result(enum shape_code code)
{
    return codes[known(code)].result;
}
