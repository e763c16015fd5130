// Preloaded into the server: makes reading and writing files fail on demand, and sets its wall clock. The
// control file is a page of numbers shared with the test: see `Shim` in harness.py. Sockets and
// standard error are left alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
  // The error that the call gets, 0 for none, and how often (0: until told otherwise).
  uint32_t sync_errno, sync_left, write_errno, write_left;
  // What was asked for since the control file was made.
  uint32_t syncs, writes, failed, unused;
  // Seconds that the wall clock is ahead of the machine's.
  int64_t ahead;
  // As for writes; counted among what has failed only.
  uint32_t read_errno, read_left, reads;
};

static struct control *control;

__attribute__((constructor)) static void open_control(void) {
  const char *path = getenv("FAULTS_CONTROL");
  int descriptor = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (descriptor < 0) return;
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (page != MAP_FAILED) control = page;
}

static int is_file(int descriptor) {
  struct stat status;
  return descriptor > 2 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

static int fails(uint32_t *count, uint32_t *error, uint32_t *left) {
  __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
  uint32_t code = __atomic_load_n(error, __ATOMIC_SEQ_CST);
  if (!code) return 0;
  uint32_t rest = __atomic_load_n(left, __ATOMIC_SEQ_CST);
  if (rest == 1) __atomic_store_n(error, 0, __ATOMIC_SEQ_CST);
  if (rest) __atomic_sub_fetch(left, 1, __ATOMIC_SEQ_CST);
  __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
  errno = (int)code;
  return 1;
}

static int sync_fails(int descriptor) {
  return control && is_file(descriptor) &&
         fails(&control->syncs, &control->sync_errno, &control->sync_left);
}

static int write_fails(int descriptor) {
  return control && is_file(descriptor) &&
         fails(&control->writes, &control->write_errno, &control->write_left);
}

static int read_fails(int descriptor) {
  return control && is_file(descriptor) &&
         fails(&control->reads, &control->read_errno, &control->read_left);
}

#define REAL(type, name, ...)                              \
  static type (*real)(__VA_ARGS__);                        \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

int fsync(int descriptor) {
  REAL(int, "fsync", int);
  return sync_fails(descriptor) ? -1 : real(descriptor);
}

int fdatasync(int descriptor) {
  REAL(int, "fdatasync", int);
  return sync_fails(descriptor) ? -1 : real(descriptor);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  REAL(ssize_t, "write", int, const void *, size_t);
  return write_fails(descriptor) ? -1 : real(descriptor, bytes, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
  return write_fails(descriptor) ? -1 : real(descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  return write_fails(descriptor) ? -1 : real(descriptor, bytes, count, offset);
}

ssize_t pread(int descriptor, void *bytes, size_t count, off_t offset) {
  REAL(ssize_t, "pread", int, void *, size_t, off_t);
  return read_fails(descriptor) ? -1 : real(descriptor, bytes, count, offset);
}

ssize_t pread64(int descriptor, void *bytes, size_t count, off64_t offset) {
  REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
  return read_fails(descriptor) ? -1 : real(descriptor, bytes, count, offset);
}

int ftruncate(int descriptor, off_t size) {
  REAL(int, "ftruncate", int, off_t);
  return write_fails(descriptor) ? -1 : real(descriptor, size);
}

int ftruncate64(int descriptor, off64_t size) {
  REAL(int, "ftruncate64", int, off64_t);
  return write_fails(descriptor) ? -1 : real(descriptor, size);
}

int fallocate(int descriptor, int mode, off_t offset, off_t size) {
  REAL(int, "fallocate", int, int, off_t, off_t);
  return write_fails(descriptor) ? -1 : real(descriptor, mode, offset, size);
}

int posix_fallocate(int descriptor, off_t offset, off_t size) {
  REAL(int, "posix_fallocate", int, off_t, off_t);
  return write_fails(descriptor) ? errno : real(descriptor, offset, size);
}

// The wall clock, and no other. libfaketime 0.9.10 will not do: it moves the absolute times of
// timers on CLOCK_MONOTONIC and CLOCK_BOOTTIME as well (timerfd_settime gets them an hour late, or
// below zero), so that every sleep of the server ends late or never. No real clock does that.
static time_t ahead(void) {
  return control ? (time_t)__atomic_load_n(&control->ahead, __ATOMIC_SEQ_CST) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *found) {
  REAL(int, "clock_gettime", clockid_t, struct timespec *);
  int result = real(clock, found);
  int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
  if (result == 0 && is_wall) found->tv_sec += ahead();
  return result;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone) {
  REAL(int, "gettimeofday", struct timeval *restrict, void *restrict);
  int result = real(found, zone);
  if (result == 0) found->tv_sec += ahead();
  return result;
}

time_t time(time_t *found) {
  REAL(time_t, "time", time_t *);
  time_t now = real(NULL) + ahead();
  if (found) *found = now;
  return now;
}
