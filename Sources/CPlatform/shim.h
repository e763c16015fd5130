// What Swift's Glibc module lacks. No logic here.
#ifndef ROLLOUT_CPLATFORM_SHIM_H
#define ROLLOUT_CPLATFORM_SHIM_H
#include <linux/filter.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

// These need _GNU_SOURCE, which Swift's Glibc module is built without; defining it here would give
// the two modules different ideas of the same structs.
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int pthread_setname_np(pthread_t, const char *);
extern int sched_getaffinity(pid_t, size_t, void *);
extern char *program_invocation_name;

// Where the arguments begin in memory. A variable of C's is shared state, to Swift.
static inline const char *cp_program_name(void) { return program_invocation_name; }
// Where the path stands that was executed, behind the environment; 0 where nobody says.
static inline size_t cp_program_path(void) { return (size_t)getauxval(AT_EXECFN); }

// The flags of epoll, eventfd and sockets are C enums, which Swift imports as distinct types.
static inline int cp_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }
static inline int cp_eventfd_create(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }
// A counter whose reading waits until it is not zero, and takes one.
static inline int cp_semaphore_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE); }
static inline int cp_accept(int fd, struct sockaddr *address, socklen_t *length) {
  return accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
// Has a listener ignore those who begin to connect, and go on with those who are at it: segments with
// SYN are dropped, whose flags are their 14th byte. The macros are no expressions.
static inline int cp_ignore_new(int listener) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x02, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  struct sock_fprog program = {sizeof code / sizeof code[0], code};
  return setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}
static inline int cp_socket(int family, int type, int protocol) {
  return socket(family, type | SOCK_CLOEXEC, protocol);
}
// Processors this process may run on, which a container or taskset may have made fewer; 0 when
// nobody knows. The macros that count them need _GNU_SOURCE too.
static inline int cp_processors(void) {
  unsigned long mask[128] = {0};
  if (sched_getaffinity(0, sizeof mask, mask) != 0) return 0;
  int count = 0;
  for (size_t i = 0; i < sizeof mask / sizeof mask[0]; i++) count += __builtin_popcountl(mask[i]);
  return count;
}
static const unsigned int cp_epoll_in = EPOLLIN;
static const unsigned int cp_epoll_out = EPOLLOUT;
static const unsigned int cp_epoll_err = EPOLLERR;
static const unsigned int cp_epoll_hup = EPOLLHUP;
static const unsigned int cp_epoll_rdhup = EPOLLRDHUP;
static const unsigned int cp_epoll_et = EPOLLET;
#endif
