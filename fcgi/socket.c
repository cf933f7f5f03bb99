/* See socket.h. Must never take the place of a socket that somebody still serves. A crash leaves the file. */
#include "fcgi/socket.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

static int complain(char *why, size_t whylen, const char *what, const char *path)
{
    snprintf(why, whylen, "cannot %s '%s': %s", what, path, strerror(errno));
    return -1;
}

static int make_directory(const char *path, gid_t gid, char *why, size_t whylen)
{
    char copy[sizeof((struct sockaddr_un *)0)->sun_path];
    snprintf(copy, sizeof copy, "%s", path);
    const char *dir = dirname(copy);
    if (mkdir(dir, 0750) < 0)
        return errno == EEXIST ? 0 : complain(why, whylen, "make the directory", dir);
    if (gid != (gid_t)-1 && chown(dir, (uid_t)-1, gid) < 0)
        return complain(why, whylen, "give its group the directory", dir);
    return 0;
}

static bool somebody_serves(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0;
    if (fd >= 0)
        close(fd);
    return yes;
}

static int bind_and_listen(const struct sockaddr_un *addr, gid_t gid, char *why, size_t whylen)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return complain(why, whylen, "make a socket for", addr->sun_path);
    mode_t old = umask(0117);
    int rc = bind(fd, (const struct sockaddr *)addr, sizeof *addr);
    umask(old);
    if (rc == 0 && gid != (gid_t)-1)
        rc = chown(addr->sun_path, (uid_t)-1, gid);
    if (rc == 0)
        rc = listen(fd, BACKLOG);
    if (rc == 0)
        return fd;
    complain(why, whylen, "listen on", addr->sun_path);
    close(fd);
    return -1;
}

int socket_listen(const char *path, const char *group, char *why, size_t whylen)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    gid_t gid = (gid_t)-1;
    if (strlen(path) >= sizeof addr.sun_path) {
        snprintf(why, whylen, "the socket's path is longer than %zu bytes: '%s'",
                 sizeof addr.sun_path - 1, path);
        return -1;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (group[0]) {
        const struct group *gr = getgrnam(group);
        if (!gr) {
            snprintf(why, whylen, "there is no group '%s'", group);
            return -1;
        }
        gid = gr->gr_gid;
    }
    if (make_directory(path, gid, why, whylen) < 0)
        return -1;
    if (somebody_serves(&addr)) {
        snprintf(why, whylen, "another process serves '%s'", path);
        return -1;
    }
    if (unlink(path) < 0 && errno != ENOENT)
        return complain(why, whylen, "replace", path);
    return bind_and_listen(&addr, gid, why, whylen);
}
