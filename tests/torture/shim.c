/* Lies to one process, as a control file says: errors of its store's file, and the wall clock.
 *
 * Preloaded. The control file is mapped: int64 offset of CLOCK_REALTIME [ns]; int32 errno of writes, 0 for none;
 * int32 errno of syncs; int32 whether to answer adjtimex at all; int32 whether the clock is said to be synchronised;
 * int32 errno of reads; int32 nothing; int64 offset of CLOCK_BOOTTIME [ns].
 * Only files whose path begins with TORTURE_PATH fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t offset_ns;
    int32_t write_error;
    int32_t sync_error;
    int32_t tells_sync;
    int32_t synchronised;
    int32_t read_error;
    int32_t unused;
    int64_t uptime_offset_ns;
};

static struct control none;
static volatile struct control *control = &none;
static const char *prefix;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("TORTURE_CONTROL");
    prefix = getenv("TORTURE_PATH");
    int fd = file ? open(file, O_RDONLY) : -1;
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) control = map;
}

static int concerned(const char *path) { return prefix && *prefix && strncmp(path, prefix, strlen(prefix)) == 0; }

static int failing(int fd, int error) {
    char name[64], path[PATH_MAX];
    if (!error) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!concerned(path)) return 0;
    errno = error;
    return 1;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return failing(fd, control->write_error) ? -1 : real(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return failing(fd, control->write_error) ? -1 : real(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return failing(fd, control->write_error) ? -1 : real(fd, data, size, at);
}
ssize_t read(int fd, void *data, size_t size) {
    REAL(ssize_t, "read", int, void *, size_t);
    return failing(fd, control->read_error) ? -1 : real(fd, data, size);
}
ssize_t pread(int fd, void *data, size_t size, off_t at) {
    REAL(ssize_t, "pread", int, void *, size_t, off_t);
    return failing(fd, control->read_error) ? -1 : real(fd, data, size, at);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
    return failing(fd, control->read_error) ? -1 : real(fd, data, size, at);
}
int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", int, off_t);
    return failing(fd, control->write_error) ? -1 : real(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    return failing(fd, control->write_error) ? -1 : real(fd, size);
}
int fsync(int fd) {
    REAL(int, "fsync", int);
    return failing(fd, control->sync_error) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return failing(fd, control->sync_error) ? -1 : real(fd);
}

/* A read-only file system refuses to open for writing and to create, rename or remove. */
static int refused(const char *path, int flags) {
    char whole[PATH_MAX];
    if (control->write_error != EROFS || (flags & (O_WRONLY | O_RDWR | O_CREAT)) == 0) return 0;
    if (*path != '/') {
        if (!getcwd(whole, sizeof whole - strlen(path) - 2)) return 0;
        strcat(strcat(whole, "/"), path);
        path = whole;
    }
    if (!concerned(path)) return 0;
    errno = EROFS;
    return 1;
}
#define MODE(flags, mode) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    REAL(int, "open", const char *, int, ...);
    return refused(path, flags) ? -1 : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    REAL(int, "open64", const char *, int, ...);
    return refused(path, flags) ? -1 : real(path, flags, mode);
}
int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return refused(from, O_RDWR) ? -1 : real(from, to);
}
int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    return refused(path, O_RDWR) ? -1 : real(path);
}

static void shift(struct timespec *moment, int64_t offset) {
    if (!offset) return;
    int64_t ns = moment->tv_sec * 1000000000LL + moment->tv_nsec + offset;
    if (ns < 0) ns = 0;
    moment->tv_sec = ns / 1000000000LL;
    moment->tv_nsec = ns % 1000000000LL;
}
int clock_gettime(clockid_t clock, struct timespec *moment) {
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    int answer = real(clock, moment);
    if (!answer && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(moment, control->offset_ns);
    if (!answer && clock == CLOCK_BOOTTIME) shift(moment, control->uptime_offset_ns);
    return answer;
}
int gettimeofday(struct timeval *moment, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    moment->tv_sec = now.tv_sec;
    moment->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
static int told(struct timex *answer, int (*real)(struct timex *)) {
    if (!control->tells_sync) return real(answer);
    memset(answer, 0, sizeof *answer);
    answer->status = control->synchronised ? STA_PLL : STA_UNSYNC;
    return control->synchronised ? TIME_OK : TIME_ERROR;
}
int adjtimex(struct timex *answer) {
    REAL(int, "adjtimex", struct timex *);
    return told(answer, real);
}
int ntp_adjtime(struct timex *answer) {
    REAL(int, "ntp_adjtime", struct timex *);
    return told(answer, real);
}
