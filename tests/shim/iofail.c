/* Records and fails the file calls of a process under one directory. For tests only; never shipped.
 *
 * Loaded with LD_PRELOAD. Environment:
 *   ORDERLY_IO_DIR   absolute directory whose files are watched
 *   ORDERLY_IO_LOG   file outside of it that the recording is appended to
 *   ORDERLY_IO_FAIL  optional: KIND:NTH:ERRNO[:sticky], KIND one of open write sync truncate unlink rename any
 *
 * What is written to a watched file named MARKS is a note of the program: it goes into the recording only.
 * What is written to one named FAULT is a new order to fail, as in ORDERLY_IO_FAIL, and counts anew; "off" ends it,
 * and the file then holds how many calls failed.
 * Calls are serialised, so the order of the recording is the order of what happened.
 *
 * Recording, little-endian: op u8, failed u8, 0 u16, file u32, offset u64, length u64, length bytes.
 * op: 1 create (bytes: path), 2 open (path), 3 write, 4 truncate (offset: size), 5 sync, 6 sync of a directory (path),
 *     7 unlink (path), 8 rename (two paths, each with its 0), 9 mark.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, OPEN, WRITE, TRUNCATE, SYNC, SYNCDIR, UNLINK, RENAME, MARK };
enum { UNKNOWN, OTHER, FILE_, DIR_, MARKS, FAULT };
#define FDS 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ready, log_fd = -1;
static char root[4096];
static size_t root_len;
static char fail_kind[16];
static long fail_nth, fail_count, fail_fired;
static int fail_errno, fail_sticky;
static struct { unsigned char kind; uint32_t file; } fds[FDS];


static void order(const char *fail) {
    char sticky[16] = "";
    fail_nth = fail_count = fail_fired = 0;
    sscanf(fail, "%15[a-z]:%ld:%d:%15s", fail_kind, &fail_nth, &fail_errno, sticky);
    fail_sticky = !strcmp(sticky, "sticky");
}

static void start(void) {
    if (ready) return;
    ready = 1;
    const char *dir = getenv("ORDERLY_IO_DIR"), *log = getenv("ORDERLY_IO_LOG"), *fail = getenv("ORDERLY_IO_FAIL");
    if (!dir || !log || !realpath(dir, root)) return;
    root_len = strlen(root);
    log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fail) order(fail);
}

static void enter(void) { pthread_mutex_lock(&lock); start(); }
static void leave(void) { int e = errno; pthread_mutex_unlock(&lock); errno = e; }

static void put(const void *bytes, size_t n) {
    const char *p = bytes;
    while (n > 0) {
        ssize_t done = syscall(SYS_write, log_fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) abort(); /* a recording with a hole would prove nothing */
        p += done;
        n -= done;
    }
}

static void record(int op, int failed, uint32_t file, uint64_t offset, const void *bytes, uint64_t length) {
    int e = errno;
    unsigned char head[24] = {op, failed, 0, 0};
    memcpy(head + 4, &file, 4);
    memcpy(head + 8, &offset, 8);
    memcpy(head + 16, &length, 8);
    put(head, sizeof head);
    if (length) put(bytes, length);
    errno = e;
}

/* Whether this call is one that was ordered to fail; sets errno. */
static int fails(const char *kind) {
    if (!fail_nth || (strcmp(fail_kind, "any") && strcmp(fail_kind, kind))) return 0;
    fail_count++;
    if (fail_count == fail_nth || (fail_sticky && fail_count > fail_nth)) {
        fail_fired++;
        errno = fail_errno;
        return 1;
    }
    return 0;
}

/* The path below the watched directory, without following a last link; 0 when it is elsewhere. */
static int watched(int at, const char *path, char *out) {
    char dir[4096], full[4096];
    if (log_fd < 0 || !path) return 0;
    if (path[0] == '/') dir[0] = 0;
    else if (at == AT_FDCWD) { if (!getcwd(dir, sizeof dir)) return 0; }
    else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t n = readlink(link, dir, sizeof dir - 1);
        if (n < 0) return 0;
        dir[n] = 0;
    }
    if (snprintf(full, sizeof full, "%s%s%s", dir, dir[0] ? "/" : "", path) >= (int)sizeof full) return 0;
    char *slash = strrchr(full, '/');
    char parent[4096];
    if (!slash) return 0;
    *slash = 0;
    if (!realpath(full[0] ? full : "/", parent)) return 0;
    if (snprintf(out, 4096, "%s/%s", parent, slash + 1) >= 4096) return 0;
    return !strncmp(out, root, root_len) && out[root_len] == '/';
}

static int is_named(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    return slash && !strcmp(slash + 1, name);
}

static int is_ours(const char *path) { return is_named(path, "MARKS") || is_named(path, "FAULT"); }

static int kind_of(int fd) {
    if (log_fd < 0 || fd < 0 || fd >= FDS) return OTHER;
    if (fds[fd].kind == UNKNOWN) {
        char link[64], path[4096];
        struct stat st;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        fds[fd].kind = OTHER;
        if (n > 0 && !fstat(fd, &st)) {
            path[n] = 0;
            int in = !strncmp(path, root, root_len) && (path[root_len] == '/' || path[root_len] == 0);
            if (in && S_ISDIR(st.st_mode)) fds[fd].kind = DIR_;
            else if (in && S_ISREG(st.st_mode))
                fds[fd].kind = is_named(path, "MARKS") ? MARKS : is_named(path, "FAULT") ? FAULT : FILE_;
            fds[fd].file = st.st_ino;
        }
    }
    return fds[fd].kind;
}

static int do_open(int at, const char *path, int flags, mode_t mode) {
    char full[4096];
    enter();
    int fd;
    if (!watched(at, path, full) || is_ours(full) || (flags & O_DIRECTORY)) {
        fd = syscall(SYS_openat, at, path, flags, mode);
        if (fd >= 0 && fd < FDS) fds[fd].kind = UNKNOWN;
        leave();
        return fd;
    }
    if (fails("open")) { leave(); return -1; }
    struct stat st;
    int existed = !fstatat(at, path, &st, 0);
    fd = syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && fd < FDS) {
        fds[fd].kind = UNKNOWN;
        if (kind_of(fd) == FILE_) {
            record(existed ? OPEN : CREATE, 0, fds[fd].file, 0, full, strlen(full));
            if (existed && (flags & O_TRUNC)) record(TRUNCATE, 0, fds[fd].file, 0, NULL, 0);
        }
    }
    leave();
    return fd;
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | __O_TMPFILE)) { va_list a; va_start(a, flags); mode = va_arg(a, mode_t); va_end(a); }
int open(const char *path, int flags, ...) { MODE return do_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return do_open(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return do_open(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return do_open(at, path, flags, mode); }
int creat(const char *path, mode_t mode) { return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
    enter();
    if (fd >= 0 && fd < FDS) fds[fd].kind = UNKNOWN;
    int done = syscall(SYS_close, fd);
    leave();
    return done;
}

/* `at` below 0: at the file's own position. */
static ssize_t do_write(int fd, const void *bytes, size_t n, int64_t at) {
    enter();
    int kind = kind_of(fd);
    if (kind == MARKS) {
        record(MARK, 0, 0, 0, bytes, n);
        leave();
        return n;
    }
    if (kind == FAULT) {
        char text[64] = "";
        memcpy(text, bytes, n < sizeof text ? n : sizeof text - 1);
        if (strcmp(text, "off")) order(text);
        else {
            int length = snprintf(text, sizeof text, "%ld", fail_fired);
            fail_nth = 0;
            if (syscall(SYS_ftruncate, fd, 0) || syscall(SYS_pwrite64, fd, text, length, 0L) != length) abort();
        }
        leave();
        return n;
    }
    if (kind != FILE_) {
        leave(); /* sockets and pipes may block */
        return at < 0 ? syscall(SYS_write, fd, bytes, n) : syscall(SYS_pwrite64, fd, bytes, n, at);
    }
    ssize_t done;
    if (fails("write")) {
        /* Half of it is written, as a full disk does. */
        int e = errno;
        int64_t from = at < 0 ? lseek(fd, 0, SEEK_CUR) : at;
        done = syscall(SYS_pwrite64, fd, bytes, n / 2, from);
        if (done > 0) record(WRITE, 1, fds[fd].file, from, bytes, done);
        errno = e;
        leave();
        return -1;
    }
    int64_t from = at;
    if (at < 0) {
        int append = fcntl(fd, F_GETFL) & O_APPEND;
        from = lseek(fd, 0, append ? SEEK_END : SEEK_CUR);
        done = syscall(SYS_write, fd, bytes, n);
    } else done = syscall(SYS_pwrite64, fd, bytes, n, at);
    if (done > 0) record(WRITE, 0, fds[fd].file, from, bytes, done);
    leave();
    return done;
}

ssize_t write(int fd, const void *bytes, size_t n) { return do_write(fd, bytes, n, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) { return do_write(fd, bytes, n, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) { return do_write(fd, bytes, n, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    enter();
    int kind = kind_of(fd);
    leave();
    if (kind != FILE_ && kind != MARKS && kind != FAULT) return syscall(SYS_writev, fd, parts, count);
    ssize_t all = 0;
    for (int i = 0; i < count; i++) {
        ssize_t done = do_write(fd, parts[i].iov_base, parts[i].iov_len, -1);
        if (done < 0) return all ? all : -1;
        all += done;
        if ((size_t)done < parts[i].iov_len) break;
    }
    return all;
}

static int do_sync(int fd, long number) {
    enter();
    int kind = kind_of(fd), done;
    if (kind != FILE_ && kind != DIR_) {
        done = kind == MARKS ? 0 : syscall(number, fd);
        leave();
        return done;
    }
    done = fails("sync") ? -1 : syscall(number, fd);
    if (kind == DIR_) {
        char link[64], path[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path);
        record(SYNCDIR, done < 0, 0, 0, path, n < 0 ? 0 : n);
    } else record(SYNC, done < 0, fds[fd].file, 0, NULL, 0);
    leave();
    return done;
}
int fsync(int fd) { return do_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return do_sync(fd, SYS_fdatasync); }

static int do_truncate(int fd, off_t size) {
    enter();
    int watched_file = kind_of(fd) == FILE_;
    int done = watched_file && fails("truncate") ? -1 : syscall(SYS_ftruncate, fd, size);
    if (watched_file && !done) record(TRUNCATE, 0, fds[fd].file, size, NULL, 0);
    leave();
    return done;
}
int ftruncate(int fd, off_t size) { return do_truncate(fd, size); }
int ftruncate64(int fd, off64_t size) { return do_truncate(fd, size); }

static int do_unlink(int at, const char *path, int flags) {
    char full[4096];
    enter();
    int in = !(flags & AT_REMOVEDIR) && watched(at, path, full);
    int done = in && !is_ours(full) && fails("unlink") ? -1 : syscall(SYS_unlinkat, at, path, flags);
    if (in && !done && !is_ours(full)) record(UNLINK, 0, 0, 0, full, strlen(full));
    leave();
    return done;
}
int unlink(const char *path) { return do_unlink(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return do_unlink(at, path, flags); }

static int do_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    char pair[8200], second[4096];
    enter();
    int in = watched(from_at, from, pair) && watched(to_at, to, second);
    int done = in && fails("rename") ? -1 : syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    if (in && !done) {
        size_t first = strlen(pair) + 1;
        strcpy(pair + first, second);
        record(RENAME, 0, 0, 0, pair, first + strlen(second) + 1);
    }
    leave();
    return done;
}
int rename(const char *from, const char *to) { return do_rename(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return do_rename(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned f) { return do_rename(a, from, b, to, f); }
