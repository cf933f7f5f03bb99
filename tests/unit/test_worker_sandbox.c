/*
 * Sandboxes as they run: a real nursery (this program, started again), real processes, the real filter. The pool's owner
 * here is a poll() loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <seccomp.h>

#include "common/limits.h"
#include "worker/clock.h"
#include "worker/jq_numbers.h"
#include "worker/jq_words.h"
#include "worker/nursery.h"
#include "worker/sandbox.h"
#include "worker/sandboxes.h"

#define WATCHED 80
#define PATIENCE_MS 20000

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
/* Its search for leaks at exit, and its report when memory is out, need what the wall refuses. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0:allocator_may_return_null=1";
}
#else
#define SANITIZED 0
#endif

/* --- an owner of a pool ------------------------------------------------------------------------------------------- */

struct outcome {
    bool done;
    enum shape_result result;
    char code[64], text[SHAPE_TEXT_MAX];
    char *bytes;
    size_t n;
    int64_t elapsed_us;
};

static struct pollfd watched[WATCHED];
static int nwatched;
static struct sandboxes *pool;
static int nursery_end; /* of the socket; kept as a supervisor does */
static pid_t nursery;

static void watch(void *arg, int fd, unsigned events, bool known)
{
    int i = 0;
    (void)arg;
    (void)known;
    while (i < nwatched && watched[i].fd != fd)
        i++;
    if (!events) {
        if (i < nwatched)
            watched[i] = watched[--nwatched];
        return;
    }
    assert_true(i < WATCHED);
    nwatched += i == nwatched;
    watched[i] =
        (struct pollfd){.fd = fd, .events = (short)(POLLIN | (events & EPOLLOUT ? POLLOUT : 0))};
}

static void done(void *arg, enum shape_result result, const char *code, const char *text,
                 const void *bytes, size_t n, int64_t elapsed_us)
{
    struct outcome *o = arg;
    assert_false(o->done);
    *o = (struct outcome){.done = true, .result = result, .n = n, .elapsed_us = elapsed_us};
    snprintf(o->code, sizeof o->code, "%s", code);
    snprintf(o->text, sizeof o->text, "%s", text);
    if (bytes) {
        o->bytes = malloc(n + 1);
        assert_non_null(o->bytes);
        memcpy(o->bytes, bytes, n);
        o->bytes[n] = '\0';
    }
}

static const struct sandboxes_owner owner = {NULL, watch};

static void turn(void)
{
    struct pollfd now[WATCHED];
    int n = nwatched;
    int64_t wait = sandboxes_tick(pool, clock_ms()) - clock_ms();
    memcpy(now, watched, sizeof now);
    poll(now, (nfds_t)n, wait < 0 ? 0 : wait > 100 ? 100 : (int)wait);
    for (int i = 0; i < n; i++)
        if (now[i].revents)
            sandboxes_ready(pool, now[i].fd, clock_ms());
}

static void wait_for(const struct outcome *o)
{
    int64_t give_up = clock_ms() + PATIENCE_MS;
    while (!o->done && clock_ms() < give_up)
        turn();
    assert_true(o->done);
}

static void wait_available(void)
{
    int64_t give_up = clock_ms() + PATIENCE_MS;
    while (!sandboxes_available(pool) && clock_ms() < give_up)
        turn();
    assert_true(sandboxes_available(pool));
}

static void submit(struct outcome *o, int32_t project, const char *program, const char *payload)
{
    struct shaping s = {.project_id = project,
                        .transform = program,
                        .payload = payload,
                        .payload_len = strlen(payload),
                        .done = done,
                        .arg = o};
    o->done = false;
    assert_int_equal(sandboxes_submit(pool, &s, clock_ms()), 0);
}

/* Runs one program to its end; what it made is the caller's until the next call. */
static const struct outcome *shape(int32_t project, const char *program, const char *payload)
{
    static struct outcome o;
    free(o.bytes);
    o = (struct outcome){0};
    submit(&o, project, program, payload);
    wait_for(&o);
    return &o;
}

static void start(int count)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    nwatched = 0;
    nursery_end = pair[1];
    nursery = nursery_start(nursery_end, "text");
    assert_true(nursery > 0);
    pool = sandboxes_new(pair[0], count, &owner);
    assert_non_null(pool);
}

static int set_up(void **state)
{
    (void)state;
    start(2);
    wait_available();
    return 0;
}

/* The sender and the supervisor are gone: it has to end by itself. */
static void nursery_ends(void)
{
    int64_t give_up = clock_ms() + PATIENCE_MS;
    pid_t ended;
    sandboxes_free(pool);
    close(nursery_end);
    while ((ended = waitpid(nursery, NULL, WNOHANG)) == 0 && clock_ms() < give_up)
        usleep(2000);
    if (!ended)
        kill(nursery, SIGKILL);
    assert_int_equal(ended, nursery);
}

static int tear_down(void **state)
{
    (void)state;
    nursery_ends();
    return 0;
}

/* --- programs ----------------------------------------------------------------------------------------------------- */

static void makes(const char *program, const char *payload, const char *wanted)
{
    const struct outcome *o = shape(1, program, payload);
    if (o->result != SHAPE_OK || !o->bytes || strcmp(o->bytes, wanted) != 0)
        fail_msg("%s on %s: %s %s, %s instead of %s", program, payload, o->code, o->text,
                 o->bytes ? o->bytes : "nothing", wanted);
}

static void fails(const char *program, const char *payload, const char *code, const char *words)
{
    const struct outcome *o = shape(1, program, payload);
    if (o->result != SHAPE_TRANSFORM_FAILED || strcmp(o->code, code) != 0 ||
        !strstr(o->text, words))
        fail_msg("%s on %s: result %d, %s '%s' instead of %s '%s'", program, payload,
                 (int)o->result, o->code, o->text, code, words);
    assert_null(o->bytes);
}

static void programs_make_one_value(void **state)
{
    (void)state;
    makes(".", "{\"b\": 1, \"a\": [true, null]}", "{\"b\":1,\"a\":[true,null]}");
    makes("{id, name: .user.name}", "{\"id\":7,\"user\":{\"name\":\"\\u00e9\"},\"x\":0}",
          "{\"id\":7,\"name\":\"\xc3\xa9\"}");
    makes(".items | map(select(.n > 1)) | length", "{\"items\":[{\"n\":1},{\"n\":2},{\"n\":3}]}",
          "2");
    makes("# a comment\n.a\n# another", "{\"a\":\"x\"}", "\"x\"");
    makes("def f(x): x * 2; f(.a)", "{\"a\":21}", "42");
    makes(".s | test(\"B\"; \"i\")", "{\"s\":\"abc\"}", "true");
    makes(".t | todate", "{\"t\":0}", "\"1970-01-01T00:00:00Z\"");
    makes("0 | localtime | strftime(\"%H %Z\")", "{}", "\"00 UTC\"");
    makes("debug | stderr", "{\"a\":1}", "{\"a\":1}");
    makes("[.[] | tojson] | sort | @csv", "[3,1,2]", "\"\\\"1\\\",\\\"2\\\",\\\"3\\\"\"");
}

/* Nothing of jq's own library asks for what the wall refuses. */
static void the_library_of_jq_works_behind_the_wall(void **state)
{
    static const char *const programs[] = {
        "\"2015-03-05T23:51:47Z\" | strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime",
        "now | gmtime | todate",
        "now | localtime | strflocaltime(\"%A %c %Z\")",

        "\"2015-03-05T23:51:47Z\" | fromdate",
        "[\"a,b, c\" | splits(\", *\")]",
        "\"abc\" | gsub(\"(?<x>[a-b])\"; \"\\(.x)!\")",
        "\"xyz\" | capture(\"(?<y>y)\")",
        "\"\u00c9t\u00e9\" | ascii_downcase | test(\"\\\\p{L}+\"; \"xi\")",
        "[1, \"<&'\"] | @html, @uri, @sh, @base64, @text, @tsv | length | select(false) // 1",
        "\"aGk=\" | @base64d",
        "[[1, 2], [3]] | [tostream] | fromstream(.[])",
        "[3, 1, 2] | [sort, min, max, add, (map(pow(.; 2) | sqrt | log | floor))]",
        "{a: {b: 1}} | [paths, getpath([\"a\", \"b\"]), (walk(.) | tojson | fromjson)]",
        "[{a: 1}, {a: 2}] | [group_by(.a), INDEX(.a), (map(.a) | IN(1))]",
        "$__loc__",
        "[limit(3; range(10))] | [first, last, nth(1)] | combinations(1) | length | select(false) "
        "// 1",
        "[1, [2, [3]]] | [flatten, (.. | numbers)] | implode? // explode? // 1",
        "splits(\"a\")? // 1",
        "[\"a\", \"b\"] | [join(\"-\"), index(\"b\"), (.[0] | ltrimstr(\"a\"))]",
        "input_line_number? // 1",
        "[1.5 | significand, gamma, frexp, trunc, round, ceil, drem(.; 2), ldexp(.; 2)]",
        "[builtins | length, (\"1\" | tonumber), (1 | tostring)] | length",
        "try error(\"x\") catch .",
        "label $out | 1, break $out",
        "ltrimstr(1) | getpath([\"a\"])"};
    (void)state;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        const struct outcome *o = shape(1, programs[i], "{}");
        if (o->result != SHAPE_OK && strcmp(o->code, "transform_error") != 0 &&
            strcmp(o->code, "transform_many_outputs") != 0)
            fail_msg("%s: %s %s", programs[i], o->code, o->text);
    }
}

static void words_in_harmless_places_pass(void **state)
{
    (void)state;
    makes("{env: 1, import: 2, input: .input, a: .env, s: \"$ENV import\"} # $ENV",
          "{\"env\":3,\"input\":4}",
          "{\"env\":1,\"import\":2,\"input\":4,\"a\":3,\"s\":\"$ENV import\"}");
    assert_null(jq_words_refused(". as $ENVELOPE | $ENVELOPE"));
    assert_null(jq_words_refused("\"a\\\"$ENV\""));
    assert_non_null(jq_words_refused("$ # x\n ENV"));
    assert_non_null(jq_words_refused("\"\\($ENV)\""));
    assert_non_null(jq_words_refused("\"\\(\"x\" + ((1)|tostring))\" | $ENV"));
    assert_non_null(jq_words_refused("{$ENV}"));
}

static void what_a_transform_cannot_have_is_refused(void **state)
{
    (void)state;
    fails("$ENV", "{}", "transform_invalid", "$ENV is not available");
    fails("$ENV.PATH", "{}", "transform_invalid", "$ENV is not available");
    fails("env", "{}", "transform_error", "env is not available");
    fails("env.HOME // 1", "{}", "transform_error", "env is not available");
    fails("import \"a\" as a; .", "{}", "transform_invalid", "import is not available");
    fails("include \"a\"; .", "{}", "transform_invalid", "include is not available");
    fails("\"a\" | modulemeta", "{}", "transform_error", "modulemeta is not available");
    fails("input", "{}", "transform_error", "input is not available");
    fails("[inputs]", "{}", "transform_error", "inputs is not available");
    fails("input_filename", "{}", "transform_error", "input_filename is not available");
    fails("halt", "{}", "transform_error", "halt is not available");
    fails("\"x\" | halt_error", "{}", "transform_error", "halt_error is not available");
    fails("\"x\" | halt_error(3)", "{}", "transform_error", "halt_error is not available");
}

static void errors_are_told_in_the_words_of_jq(void **state)
{
    (void)state;
    fails(".a |", "{}", "transform_invalid", "syntax error, unexpected $end, line 1: .a |");
    fails(".\n| foo(1)", "{}", "transform_invalid", "foo/1 is not defined, line 2: | foo(1)");
    fails("$x", "{}", "transform_invalid", "$x is not defined");
    fails(".a.b", "{\"a\":\"s\"}", "transform_error", "Cannot index string with string \"b\"");
    fails("error(\"mine\")", "{}", "transform_error", "mine");
    fails("error({a: 1})", "{}", "transform_error", "{\"a\":1}");
    fails("error(\"two\\nlines\\u0001\")", "{}", "transform_error", "two lines");
}

static void exactly_one_value_is_wanted(void **state)
{
    (void)state;
    fails("empty", "{}", "transform_no_output", "no value");
    fails(".a, .b", "{}", "transform_many_outputs", "more than one");
    fails("repeat(1)", "{}", "transform_many_outputs", "more than one");
    fails("1, error(\"late\")", "{}", "transform_error", "late");
    makes("first(.a, .b)", "{\"a\":1}", "1");
}

static void numbers_pass_unaltered_or_not_at_all(void **state)
{
    (void)state;
    makes(".", "[1.10,0.1,1e2,-0,0.30000000000000004,5e-324,1.7976931348623157e308,100000]",
          "[1.1,0.1,100,-0,0.30000000000000004,5e-324,1.7976931348623157e+308,100000]");
    fails(".", "{\"n\":12345678901234567890}", "number_altered", "12345678901234567890");
    fails(".", "[1e400]", "number_altered", "1e400");
    fails(".", "[-1e-400]", "number_altered", "-1e-400");
    fails(".a", "{\"a\":1,\"b\":9007199254740993}", "number_altered", "9007199254740993");
    fails(".", "[0.1000000000000000055511151231257827]", "number_altered", "0.1000000000");
    fails("1 / 0.0", "{}", "transform_invalid", "Division by zero");
    fails("infinite", "{}", "not_a_number", "infinity");
    fails("[1, nan]", "{}", "not_a_number", "NaN");
    makes(".s", "{\"s\":\"12345678901234567890 \\\" 1e999\"}",
          "\"12345678901234567890 \\\" 1e999\"");
    makes(".n * 3", "{\"n\":0.1}", "0.30000000000000004");
}

static void numbers_are_judged_by_their_value(void **state)
{
    static const struct {
        const char *text;
        bool altered;
    } cases[] = {{"9007199254740992", false},
                 {"9007199254740993", true},
                 {"9007199254740994", false},
                 {"123456789012345678", true},
                 {"123456789012345680", false},
                 {"1e22", false},
                 {"1e23", false},
                 {"0.000", false},
                 {"0e999999999999", false},
                 {"1e-323", false},
                 {"3e-324", true},
                 {"2.2250738585072014e-308", false},
                 {"0.10000000000000001", true},
                 {"1000000000000000000000", false},
                 {"1.000000000000000000000", false}};
    struct json_slice n;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (jq_numbers_altered(cases[i].text, strlen(cases[i].text), &n) != cases[i].altered)
            fail_msg("%s", cases[i].text);
}

/* --- schemas ------------------------------------------------------------------------------------------------------ */

static const struct outcome *judged(const char *program, const char *schema, const char *payload)
{
    static struct outcome o;
    struct shaping s = {.project_id = 1,
                        .transform = program,
                        .schema = schema,
                        .payload = payload,
                        .payload_len = strlen(payload),
                        .done = done,
                        .arg = &o};
    free(o.bytes);
    o = (struct outcome){0};
    assert_int_equal(sandboxes_submit(pool, &s, clock_ms()), 0);
    wait_for(&o);
    return &o;
}

static void the_schema_judges_what_would_leave(void **state)
{
    static const char schema[] = "{\"type\":\"object\",\"required\":[\"id\"],"
                                 "\"properties\":{\"id\":{\"pattern\":\"^[a-z]+$\"}}}";
    (void)state;
    const struct outcome *o = judged(NULL, schema, "{\"id\":\"abc\"}");
    assert_string_equal(o->code, "ok");
    assert_null(o->bytes);
    assert_string_equal(judged("{id: .x}", schema, "{\"x\":\"abc\"}")->code, "ok");
    o = judged("{x: .id}", schema, "{\"id\":\"abc\"}");
    assert_int_equal(o->result, SHAPE_SCHEMA_REJECTED);
    assert_string_equal(o->code, "schema_rejected");
    assert_string_equal(o->bytes, "{\"x\":\"abc\"}");
    assert_string_equal(judged(NULL, schema, "{\"id\":\"ABC\"}")->code, "schema_rejected");
    assert_string_equal(judged(NULL, "{\"type\":7}", "{}")->code, "schema_invalid");
}

/* --- attacks ------------------------------------------------------------------------------------------------------ */

static void an_endless_program_is_killed_in_time(void **state)
{
    (void)state;
    static const char *const endless[] = {"def f: f; f", "[range(1e18)] | length",
                                          "last(repeat(1))", "until(false; .)",
                                          "[limit(1e12; repeat(1))]|length"};
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        const struct outcome *o = shape(1, endless[i], "{}");
        assert_int_equal(o->result, SHAPE_TRANSFORM_FAILED);
        if (strcmp(o->code, "transform_timeout") != 0)
            assert_string_equal(o->code, "transform_memory");
        assert_true(o->elapsed_us < 2000000);
    }
    fails("def f: f; f", "{}", "transform_timeout", "longer than 500 ms");
    makes(".a", "{\"a\":1}", "1"); /* and its successor serves */
}

static void a_memory_bomb_fails_alone(void **state)
{
    static const char *const bombs[] = {"reduce range(60) as $i (\"x\"; . + .) | length",
                                        "[range(1e9)] | length", "\"x\" * 1e9 | length",
                                        "reduce range(40) as $i ([0]; . + .) | length"};
    (void)state;
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        const struct outcome *o = shape(1, bombs[i], "{}");
        assert_int_equal(o->result, SHAPE_TRANSFORM_FAILED);
        if (strcmp(o->code, "transform_timeout") != 0 && !SANITIZED)
            assert_string_equal(o->code, "transform_memory");
    }
    if (!SANITIZED)
        fails("reduce range(60) as $i (\"x\"; . + .) | length", "{}", "transform_memory",
              "more memory");
    makes(".a", "{\"a\":1}", "1");
}

static void deep_recursion_fails_alone(void **state)
{
    static const char *const deep[] = {"def f: 1 + f; f", "def f: [f]; f",
                                       "reduce range(1e6) as $i (null; [.])"};
    (void)state;
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        const struct outcome *o = shape(1, deep[i], "{}");
        assert_int_equal(o->result, SHAPE_TRANSFORM_FAILED);
    }
    fails("reduce range(300) as $i (null; [.])", "{}", "transform_output_too_deep", "deeper than");
    makes(".a", "{\"a\":1}", "1");
}

static void a_large_result_is_refused(void **state)
{
    (void)state;
    fails("[range(100000) | \"\\u0001\"]", "{}", "transform_output_too_large",
          "more than 262144 bytes");
    fails("reduce range(20) as $i (\"aaaaaaaaaa\"; . + .)", "{}", "transform_output_too_large",
          "more than 262144 bytes");
    const struct outcome *o = shape(1, "reduce range(18) as $i (\"a\"; . + .) | .[2:]", "{}");
    assert_int_equal(o->result, SHAPE_OK);
    assert_int_equal(o->n, LIMIT_PAYLOAD_BYTES);
    fails("reduce range(18) as $i (\"a\"; . + .) | .[1:]", "{}", "transform_output_too_large",
          "more than 262144 bytes");
}

static void the_largest_payload_goes_through(void **state)
{
    static char payload[LIMIT_PAYLOAD_BYTES + 1];
    (void)state;
    if (SANITIZED)
        skip(); /* it takes longer than a request has */
    memset(payload, ' ', LIMIT_PAYLOAD_BYTES);
    payload[0] = '[';
    for (size_t i = 1; i + 3 < LIMIT_PAYLOAD_BYTES; i += 3)
        memcpy(payload + i, i == 1 ? " {}" : ",{}", 3);
    payload[LIMIT_PAYLOAD_BYTES - 1] = ']';
    const struct outcome *o = shape(1, "length", payload);
    assert_string_equal(o->bytes ? o->bytes : o->text, "87380");
    o = shape(1, ".", payload);
    assert_int_equal(o->result, SHAPE_OK);
}

/* --- the wall ----------------------------------------------------------------------------------------------------- */

static void opens(void)
{
    (void)!open("/etc/passwd", O_RDONLY);
}

static void connects(void)
{
    (void)!socket(AF_INET, SOCK_STREAM, 0);
}

static void executes(void)
{
    char *const none[] = {NULL};
    (void)!execve("/bin/true", none, none);
}

static void forks(void)
{
    (void)!fork();
}

static void kills(void)
{
    kill(getppid(), SIGTERM);
}

static void traces(void)
{
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void writes_elsewhere(void)
{
    (void)!write(1, "x", 1);
}

static void lives(void)
{
    syscall(SYS_exit_group, 7); /* what is around _exit() in a sanitizer would be refused */
}

static int status_behind_the_wall(void (*act)(void))
{
    int pair[2], status;
    char why[SHAPE_TEXT_MAX];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        sandbox_measure();
        if (sandbox_enter(pair[1], why))
            _exit(99);
        act();
        _exit(0);
    }
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void the_wall_kills_what_reaches_out(void **state)
{
    static void (*const acts[])(void) = {opens, connects, executes,        forks,
                                         kills, traces,   writes_elsewhere};
    (void)state;
    int status = status_behind_the_wall(lives);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        status = status_behind_the_wall(acts[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("act %zu: status %x", i, (unsigned)status);
    }
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

/* The children of a process, from /proc. */
static int children_of(pid_t parent, pid_t *out, int max)
{
    char path[64], line[256] = "";
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (!fgets(line, sizeof line, f))
        line[0] = '\0';
    fclose(f);
    for (char *p = line, *end; n < max; p = end) {
        long pid = strtol(p, &end, 10);
        if (end == p)
            break;
        out[n++] = (pid_t)pid;
    }
    return n;
}

static bool gone(pid_t pid)
{
    char path[64], line[256], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return true;
    if (fgets(line, sizeof line, f) && strrchr(line, ')'))
        state = strrchr(line, ')')[2];
    fclose(f);
    return state == 'Z' || state == 'X'; /* dead; whoever inherited it may not have looked yet */
}

static void wait_gone(pid_t pid)
{
    int64_t give_up = clock_ms() + PATIENCE_MS;
    while (!gone(pid) && clock_ms() < give_up)
        usleep(2000);
    assert_true(gone(pid));
}

static void a_sandbox_has_no_descriptor_but_its_own(void **state)
{
    pid_t pids[8];
    char path[64], command[512];
    (void)state;
    makes(".", "1", "1");
    int n = children_of(nursery, pids, 8);
    assert_int_equal(n, 2);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "/proc/%d/status", (int)pids[i]);
        FILE *f = fopen(path, "r");
        bool filtered = false;
        assert_non_null(f);
        while (fgets(command, sizeof command, f))
            filtered = filtered || strcmp(command, "Seccomp:\t2\n") == 0;
        fclose(f);
        assert_true(filtered);
    }
}

static void a_sandbox_is_replaced_before_it_serves_another_project(void **state)
{
    pid_t before[8], after[8];
    (void)state;
    assert_string_equal(shape(1, ".", "1")->code, "ok");
    assert_string_equal(shape(2, ".", "1")->code, "ok");
    assert_string_equal(shape(1, ".", "1")->code, "ok"); /* its own is still there */
    assert_int_equal(children_of(nursery, before, 8), 2);
    assert_string_equal(shape(3, ".", "1")->code, "ok");
    int n = children_of(nursery, after, 8), kept = 0;
    assert_int_equal(n, 2);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++)
            kept += after[i] == before[k];
    assert_int_equal(kept, 1);
}

static void while_others_wait_no_project_has_more_than_half(void **state)
{
    struct outcome both[2] = {{0}}, hog[4] = {{0}}, quick = {0};
    (void)state;
    for (int i = 0; i < 2; i++) /* each has a sandbox: nobody else waits */
        submit(&both[i], 1, "[range(400000)] | length", "{}");
    for (int i = 0; i < 2; i++) {
        wait_for(&both[i]);
        free(both[i].bytes);
    }
    for (int i = 0; i < 4; i++)
        submit(&hog[i], 1, "def f: f; f", "{}");
    submit(&quick, 2, ".", "1");
    wait_for(&quick);
    assert_string_equal(quick.code, "ok");
    assert_false(hog[0].done); /* it had not to wait for one of them */
    free(quick.bytes);
    for (int i = 0; i < 4; i++) {
        wait_for(&hog[i]);
        assert_string_equal(hog[i].code, "transform_timeout");
    }
}

static void the_neighbour_of_a_crash_is_served(void **state)
{
    struct outcome bad = {0}, good[20] = {{0}};
    (void)state;
    submit(&bad, 1, "def f: [f]; f", "{}");
    for (int i = 0; i < 20; i++)
        submit(&good[i], 2, ".", "[1]");
    for (int i = 0; i < 20; i++) {
        wait_for(&good[i]);
        assert_string_equal(good[i].code, "ok");
        free(good[i].bytes);
    }
    wait_for(&bad);
    assert_int_equal(bad.result, SHAPE_TRANSFORM_FAILED);
}

static void the_queue_is_bounded(void **state)
{
    static struct outcome many[600];
    struct shaping s = {
        .project_id = 1, .transform = ".", .payload = "1", .payload_len = 1, .done = done};
    int taken = 0;
    (void)state;
    memset(many, 0, sizeof many);
    for (int i = 0; i < 600; i++) {
        s.arg = &many[i];
        if (sandboxes_submit(pool, &s, clock_ms()))
            break;
        taken++;
    }
    assert_int_equal(taken, 256);
    for (int i = 0; i < taken; i++) {
        wait_for(&many[i]);
        assert_string_equal(many[i].code, "ok");
        free(many[i].bytes);
    }
}

static void a_killed_sandbox_fails_its_request_only(void **state)
{
    struct outcome o = {0};
    pid_t pids[8];
    (void)state;
    submit(&o, 1, "def f: f; f", "{}");
    while (!sandboxes_busy(pool))
        turn();
    int n = children_of(nursery, pids, 8);
    for (int i = 0; i < n; i++)
        kill(pids[i], SIGKILL);
    wait_for(&o);
    assert_string_equal(o.code, "transform_memory"); /* who else kills */
    makes(".", "1", "1");
}

static void the_sandboxes_of_a_dead_nursery_die_and_another_takes_over(void **state)
{
    pid_t pids[8];
    int status;
    (void)state;
    makes(".", "1", "1");
    int n = children_of(nursery, pids, 8);
    assert_int_equal(n, 2);
    kill(nursery, SIGKILL);
    assert_int_equal(waitpid(nursery, &status, 0), nursery);
    for (int i = 0; i < n; i++)
        wait_gone(pids[i]);
    nursery = nursery_start(nursery_end, "text");
    makes(".", "2", "2");
}

/* The parent of a nursery, and what hangs on it, killed at once. */
static void nothing_outlives_a_dead_supervisor(void **state)
{
    int report[2];
    pid_t sandboxes[8], there = 0;
    (void)state;
    assert_int_equal(pipe(report), 0);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        start(2);
        wait_available();
        (void)!write(report[1], &nursery, sizeof nursery);
        for (;;)
            pause();
    }
    assert_int_equal(read(report[0], &there, sizeof there), sizeof there);
    int n = children_of(there, sandboxes, 8);
    assert_true(n > 0);
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    wait_gone(there);
    for (int i = 0; i < n; i++)
        wait_gone(sandboxes[i]);
    close(report[0]);
    close(report[1]);
}

static void nothing_outlives_a_pool_that_was_given_up(void **state)
{
    pid_t pids[8];
    (void)state;
    start(2);
    wait_available();
    int n = children_of(nursery, pids, 8);
    assert_true(n > 0);
    nursery_ends();
    for (int i = 0; i < n; i++)
        wait_gone(pids[i]);
}

/* A kernel, or a service manager, that refuses filters: here it is a filter that does. */
static void without_a_wall_nothing_runs(void **state)
{
    struct outcome o = {0};
    int status;
    (void)state;
    pid_t host = fork();
    if (host == 0) {
        scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
        seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0);
        seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
                         SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
        if (seccomp_load(f))
            _exit(2);
        start(2);
        submit(&o, 1, ".", "1");
        wait_for(&o);
        _exit(o.result == SHAPE_UNAVAILABLE && !sandboxes_available(pool) ? 0 : 1);
    }
    assert_int_equal(waitpid(host, &status, 0), host);
    assert_int_equal(status, 0);
}

static void without_sandboxes_everything_is_unavailable(void **state)
{
    struct outcome o = {0};
    (void)state;
    nwatched = 0;
    pool = sandboxes_new(-1, 2, &owner);
    assert_false(sandboxes_available(pool));
    submit(&o, 1, ".", "1");
    wait_for(&o);
    assert_int_equal(o.result, SHAPE_UNAVAILABLE);
    assert_string_equal(o.code, "transforms_unavailable");
    sandboxes_free(pool);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strncmp(argv[1], "--" NURSERY_OPTION "=", strlen("--" NURSERY_OPTION "=")) == 0)
        nursery_main("text");
    const struct CMUnitTest served[] = {
        cmocka_unit_test(programs_make_one_value),
        cmocka_unit_test(the_library_of_jq_works_behind_the_wall),
        cmocka_unit_test(words_in_harmless_places_pass),
        cmocka_unit_test(what_a_transform_cannot_have_is_refused),
        cmocka_unit_test(errors_are_told_in_the_words_of_jq),
        cmocka_unit_test(exactly_one_value_is_wanted),
        cmocka_unit_test(numbers_pass_unaltered_or_not_at_all),
        cmocka_unit_test(numbers_are_judged_by_their_value),
        cmocka_unit_test(the_schema_judges_what_would_leave),
        cmocka_unit_test(an_endless_program_is_killed_in_time),
        cmocka_unit_test(a_memory_bomb_fails_alone),
        cmocka_unit_test(deep_recursion_fails_alone),
        cmocka_unit_test(a_large_result_is_refused),
        cmocka_unit_test(the_largest_payload_goes_through),
        cmocka_unit_test(a_sandbox_has_no_descriptor_but_its_own),
        cmocka_unit_test(a_sandbox_is_replaced_before_it_serves_another_project),
        cmocka_unit_test(while_others_wait_no_project_has_more_than_half),
        cmocka_unit_test(the_neighbour_of_a_crash_is_served),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(a_killed_sandbox_fails_its_request_only),
        cmocka_unit_test(the_sandboxes_of_a_dead_nursery_die_and_another_takes_over),
    };
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(the_wall_kills_what_reaches_out),
        cmocka_unit_test(nothing_outlives_a_dead_supervisor),
        cmocka_unit_test(nothing_outlives_a_pool_that_was_given_up),
        cmocka_unit_test(without_a_wall_nothing_runs),
        cmocka_unit_test(without_sandboxes_everything_is_unavailable),
    };
    return cmocka_run_group_tests(served, set_up, tear_down) +
           cmocka_run_group_tests(alone, NULL, NULL);
}
