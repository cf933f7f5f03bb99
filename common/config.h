/*
 * The configuration file, read with libconfuse. conf/dlo.conf.sample is its reference.
 *
 * Every program reads the whole file; what it does not need it ignores. A file that cannot be read, an unknown option
 * or a value out of range is one clear line on stderr and -1. Strings are owned by the struct until config_release().
 * A process that runs may read the file again: what is wrong with it is then a line of the log.
 */
#ifndef DLO_COMMON_CONFIG_H
#define DLO_COMMON_CONFIG_H

struct config {
    char *dsn_owner;     /* migrations, the command line */
    char *dsn_api;       /* dlo.fcgi; empty: dsn_owner */
    char *dsn_worker;    /* dlo-worker; empty: dsn_owner */
    char *public_url;    /* links are made from it, never from Host */
    char *intake_socket; /* unix socket paths */
    char *desk_socket;
    char *socket_group; /* group of the sockets; empty: the process's own */
    char *
        web_server_user; /* the only other user that may connect; empty: anybody the mode lets in */
    char *worker_user;   /* user to become when started as root; empty: stay */
    char *host_name;     /* how this host is called among the senders; empty: its own name */
    char *key_file;      /* keyring for secrets at rest, mode 0600 */
    char *allow_nets;    /* the operator's allow list of non-public networks */
    char *dns_servers;   /* "ip[:port], …" to ask instead of the system's */
    char *ca_file;       /* CA bundle for receivers */
    char *log_format;
    char *log_level;
    long intake;           /* responder processes for events */
    long desk;             /* responder processes for the rest */
    long senders;          /* sender processes */
    long sandboxes;        /* processes that run transforms, for each sender; 0: none */
    long breaker_requests; /* a circuit opens when, of at least so many requests (0: never) ... */
    long breaker_percent;  /* ... this share failed ... */
    long breaker_window;   /* ... within so many seconds; */
    long breaker_cooldown; /* the first pause, in seconds */
    long address_concurrency; /* requests at once from a project to one address; 0: no cap */
    long address_rate;        /* a second; 0: no cap */
    int address_caps_allowed; /* addresses in allow_nets as well (0 or 1) */
};

int config_load(const char *path, struct config *out);
void config_release(struct config *c);

/*
 * Reads the file again into `c`, if `check` (NULL: nobody) finds nothing wrong with it; it says what it finds. Strings
 * named in `fixed` (ended by NULL) cannot change while the process runs: they are kept, and a line says so. -1: the file
 * was refused, the log says why, and `c` is as it was.
 */
int config_reload(const char *path, struct config *c, int (*check)(const struct config *fresh),
                  const char *const fixed[]);

#endif
