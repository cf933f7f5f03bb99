/*
 * ceiling_fcgi: the least a durable intake could be, the upper bound for single-event POSTs: N
 * processes on one FastCGI socket, each reading the body and committing it with one prepared INSERT
 * on its own connection before it answers 202. No parsing, no authentication, no fan-out.
 *
 *   ceiling_fcgi --socket PATH --dsn CONNINFO [--workers 8]
 *
 * makes table ceiling_events if it is not there, prints `ready` and runs until SIGTERM. Owns the
 * socket and its children, which die with it. A crash leaves the socket file and committed rows.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcgiapp.h>
#include <libpq-fe.h>

#define BODY_CAP (1u << 20)

static const char insert_sql[] =
    "INSERT INTO ceiling_events(id, type, body) VALUES (gen_random_uuid(), "
    "$1, $2)";

static PGconn *connect_db(const char *dsn)
{
    PGconn *db = PQconnectdb(dsn);
    if (PQstatus(db) == CONNECTION_OK)
        return db;
    fprintf(stderr, "ceiling_fcgi: cannot connect to '%s': %s", dsn, PQerrorMessage(db));
    exit(1);
}

static void must(PGconn *db, PGresult *res)
{
    if (PQresultStatus(res) != PGRES_COMMAND_OK) {
        fprintf(stderr, "ceiling_fcgi: %s", PQerrorMessage(db));
        exit(1);
    }
    PQclear(res);
}

static int insert(PGconn *db, const char *body, int len)
{
    const char *values[2] = {"order.paid", body};
    const int lengths[2] = {10, len}, formats[2] = {0, 1};
    PGresult *res = PQexecPrepared(db, "insert", 2, values, lengths, formats, 1);
    int ok = PQresultStatus(res) == PGRES_COMMAND_OK ? 0 : -1;
    PQclear(res);
    return ok;
}

static void answer(FCGX_Request *r, int stored)
{
    const char *status = stored < 0 ? "503 Service Unavailable" : "202 Accepted";
    const char *text = stored < 0 ? "{\"status\":\"failed\"}" : "{\"status\":\"accepted\"}";
    (void)FCGX_FPrintF(
        r->out, "Status: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
        status, (int)strlen(text), text);
}

static void serve(int listen_fd, const char *dsn)
{
    static char body[BODY_CAP];
    FCGX_Request r;
    PGconn *db = connect_db(dsn);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(db, PQprepare(db, "insert", insert_sql, 0, NULL));
    if (FCGX_Init() != 0 || FCGX_InitRequest(&r, listen_fd, 0) != 0)
        exit(1);
    while (FCGX_Accept_r(&r) == 0) {
        int len = FCGX_GetStr(body, sizeof(body), r.in);
        answer(&r, insert(db, body, len));
        FCGX_Finish_r(&r);
    }
    exit(1);
}

static void prepare_table(const char *dsn)
{
    PGconn *db = connect_db(dsn);
    must(db, PQexec(db, "SET client_min_messages = warning"));
    must(db, PQexec(db, "CREATE TABLE IF NOT EXISTS ceiling_events(id uuid PRIMARY KEY, type text, "
                        "body bytea, created_at timestamptz NOT NULL DEFAULT now())"));
    PQfinish(db);
}

static void usage(void)
{
    fprintf(stderr, "usage: ceiling_fcgi --socket PATH --dsn CONNINFO [--workers N]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"socket", 1, NULL, 's'},
                                          {"dsn", 1, NULL, 'd'},
                                          {"workers", 1, NULL, 'w'},
                                          {NULL, 0, NULL, 0}};
    const char *path = NULL, *dsn = NULL;
    unsigned long workers = 8;
    int which;
    while ((which = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (which) {
        case 's':
            path = optarg;
            break;
        case 'd':
            dsn = optarg;
            break;
        case 'w':
            workers = strtoul(optarg, NULL, 10);
            break;
        default:
            usage();
        }
    }
    if (!path || !dsn || workers == 0 || workers > 64)
        usage();
    prepare_table(dsn);
    int fd = FCGX_OpenSocket(path, 1024);
    (void)chmod(path, 0600);
    for (unsigned long i = 0; i < workers; i++)
        if (fork() == 0)
            serve(fd, dsn);
    printf("ready\n");
    (void)fflush(stdout);
    (void)wait(NULL); /* one that ends is an error: the others die with us */
    fprintf(stderr, "ceiling_fcgi: a worker ended\n");
    return 1;
}
