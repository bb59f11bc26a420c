#define _GNU_SOURCE
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sigset_t signals_before;
static char watched[PATH_MAX];
static char folder[PATH_MAX];
static size_t watched_length;
static int journal = -1;
static volatile const char *is_off;
static char cut_name[NAME_MAX];
static unsigned cut_nth;
static atomic_uint tokens, syncs;

static void fail(const char *what) {
  dprintf(2, "power: %s: %s\n", what, strerror(errno));
  abort();
}

// The calls of this library are the shim's own, so the kernel is asked without them.
static int open_file(const char *name, int flags) {
  char path[PATH_MAX + 32];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
  if (fd < 0) fail(path);
  return fd;
}

static void open_journal(void) {
  const char *from = getenv("POWER_FOLDER"), *to = getenv("POWER_JOURNAL");
  if (from == NULL || to == NULL) return;
  snprintf(watched, sizeof watched, "%s", from);
  snprintf(folder, sizeof folder, "%s", to);
  watched_length = strlen(watched);
  const char *cut_at = getenv("POWER_CUT_AT");
  if (cut_at != NULL) sscanf(cut_at, "%254[^:]:%u", cut_name, &cut_nth);
  int power = open_file("switch", O_RDONLY);
  is_off = (const char *)syscall(SYS_mmap, NULL, 1, PROT_READ, MAP_SHARED, power, 0);
  if (is_off == MAP_FAILED) fail("switch");
  syscall(SYS_close, power);
  // Far from the numbers that a program counts its own files by.
  int low = open_file("journal", O_WRONLY | O_APPEND);
  journal = fcntl(low, F_DUPFD_CLOEXEC, 900);
  if (journal < 0) fail("journal");
  syscall(SYS_close, low);
}

int journal_is_open(void) {
  pthread_once(&once, open_journal);
  return journal >= 0;
}

int journal_watches(const char *path) {
  return strncmp(path, watched, watched_length) == 0 && (path[watched_length] == '/' || path[watched_length] == '\0');
}

static void lock_file(short type) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
  while (fcntl(journal, F_SETLKW, &lock) != 0)
    if (errno != EINTR) fail("lock");
}

static void die(void) {
  for (;;) kill(getpid(), SIGKILL);
}

void journal_lock(void) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); // a handler that writes would wait for itself
  pthread_mutex_lock(&mutex);
  signals_before = before;
  lock_file(F_WRLCK); // of the process: it goes with it, and no fork has it too
  if (*is_off != '0') die();
}

void journal_unlock(void) {
  sigset_t before = signals_before;
  lock_file(F_UNLCK);
  pthread_mutex_unlock(&mutex);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int journal_cuts_at(const char *path) {
  if (cut_name[0] == '\0') return 0;
  const char *name = strrchr(path, '/');
  return name != NULL && strcmp(name + 1, cut_name) == 0 && atomic_fetch_add(&syncs, 1) + 1 == cut_nth;
}

void journal_cut(void) {
  int power = open_file("switch", O_WRONLY);
  if (syscall(SYS_write, power, "1", 1) != 1) fail("switch");
  die();
}

void journal_append(struct record record, const char *text, const void *old) {
  record.text_length = text == NULL ? 0 : strlen(text);
  if (old == NULL) record.old_length = 0;
  struct iovec parts[] = {
      {&record, sizeof record}, {(void *)text, record.text_length}, {(void *)old, record.old_length}};
  ssize_t length = (ssize_t)(sizeof record + record.text_length + record.old_length);
  if (syscall(SYS_writev, journal, parts, 3) != length) fail("append");
}

uint64_t journal_token(void) {
  return (uint64_t)getpid() << 32 | atomic_fetch_add(&tokens, 1);
}

void journal_held_path(char *path, size_t size, uint64_t token) {
  snprintf(path, size, "%s/held/%llx", folder, (unsigned long long)token);
}
