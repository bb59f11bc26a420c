// For LD_PRELOAD: watches what a program does to the files of one folder, and writes it into the journal before it is
// done, so that it can be undone up to the last sync. Every call goes through to the real file.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "journal.h"

// The call behind ours, looked up at its first use.
#define REAL(name) \
  static __typeof__(name) *real; \
  if (real == NULL) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

// Whether the file of this number is watched. No table of them: it would have to follow every dup and fork.
static int is_watched(int fd) {
  char link[32], path[PATH_MAX];
  if (fd < 0 || !journal_is_open()) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = '\0';
  return journal_watches(path);
}

// The absolute path of a name, if it is watched.
static int resolve(int at, const char *name, char path[PATH_MAX]) {
  if (!journal_is_open()) return 0;
  char base[PATH_MAX] = "";
  if (name[0] != '/') {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t length = readlink(at == AT_FDCWD ? "/proc/self/cwd" : link, base, sizeof base - 2);
    if (length <= 0) return 0;
    base[length] = '/';
    base[length + 1] = '\0';
  }
  while (strncmp(name, "./", 2) == 0) name += 2;
  if (snprintf(path, PATH_MAX, "%s%s", base, name) >= PATH_MAX) return 0;
  return journal_watches(path);
}

static int is_zero(const char *bytes, size_t length) {
  return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

// What stands there; undefined bytes are never read: NULL stands for zeros.
static char *read_old(int fd, off_t offset, size_t length) {
  if (length == 0) return NULL;
  char link[32], *bytes = malloc(length);
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int again = openat(AT_FDCWD, link, O_RDONLY | O_CLOEXEC); // it may be open for writing only
  size_t done = 0;
  for (ssize_t got; bytes != NULL && again >= 0 && done < length; done += (size_t)got) {
    got = pread(again, bytes + done, length - done, offset + (off_t)done);
    if (got <= 0) break;
  }
  if (again >= 0) close(again);
  if (done < length) {
    dprintf(2, "power: what is overwritten cannot be read: %s\n", strerror(errno));
    abort();
  }
  if (!is_zero(bytes, length)) return bytes;
  free(bytes);
  return NULL;
}

// Under the lock. Bytes at an offset are about to change; a gap that opens behind the end belongs to them.
static void note_change(int fd, const struct stat *file, off_t offset, size_t length) {
  off_t size = file->st_size, end = offset + (off_t)length;
  off_t start = offset < size ? offset : size;
  if (end <= start) return;
  size_t old_length = (size_t)((end < size ? end : size) - start);
  char *old = read_old(fd, start, old_length);
  struct record record = {.kind = CHANGE, .inode = file->st_ino, .offset = (uint64_t)start,
    .length = (uint64_t)(end - start), .size_before = (uint64_t)size, .old_length = old_length};
  journal_append(record, NULL, old);
  free(old);
}

// Under the lock.
static void note_size(int fd, const struct stat *file, off_t size) {
  if (size >= file->st_size) return note_change(fd, file, file->st_size, (size_t)(size - file->st_size));
  size_t length = (size_t)(file->st_size - size);
  char *old = read_old(fd, size, length);
  struct record record = {.kind = CUT, .inode = file->st_ino, .offset = (uint64_t)size,
    .length = length, .size_before = (uint64_t)file->st_size, .old_length = length};
  journal_append(record, NULL, old);
  free(old);
}

static void note_name(enum kind kind, ino_t inode, const char *text) {
  journal_append((struct record){.kind = kind, .inode = inode}, text, NULL);
}

// Under the lock. A second name for what is about to be taken away; empty if there is no file.
static void hold(const char *path, char held[PATH_MAX]) {
  struct stat file;
  held[0] = '\0';
  if (lstat(path, &file) != 0 || !S_ISREG(file.st_mode)) return;
  REAL(linkat);
  journal_held_path(held, PATH_MAX, journal_token());
  if (real(AT_FDCWD, path, AT_FDCWD, held, 0) == 0) return;
  dprintf(2, "power: %s cannot be kept: %s\n", path, strerror(errno));
  abort();
}

static ssize_t watched_write(int fd, const struct iovec *parts, int count, off_t offset) {
  REAL(pwritev);
  struct stat file;
  size_t length = 0;
  for (int part = 0; part < count; part += 1) length += parts[part].iov_len;
  journal_lock();
  int flags = fcntl(fd, F_GETFL), isInOrder = offset < 0;
  if (fstat(fd, &file) != 0 || flags < 0) memset(&file, 0, sizeof file);
  if (isInOrder) offset = (flags & O_APPEND) ? file.st_size : lseek(fd, 0, SEEK_CUR);
  if (S_ISREG(file.st_mode)) note_change(fd, &file, offset, length);
  ssize_t written = real(fd, parts, count, offset);
  int error = errno;
  if (isInOrder && written > 0) lseek(fd, offset + written, SEEK_SET);
  if (written >= 0 && (flags & O_DSYNC)) {
    uint64_t token = journal_token();
    journal_append((struct record){.kind = SYNC_FILE, .inode = file.st_ino, .token = token}, NULL, NULL);
    journal_append((struct record){.kind = SYNCED, .token = token}, NULL, NULL);
  }
  journal_unlock();
  errno = error;
  return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  REAL(write);
  if (!is_watched(fd)) return real(fd, bytes, length);
  return watched_write(fd, &(struct iovec){(void *)bytes, length}, 1, -1);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(writev);
  return is_watched(fd) ? watched_write(fd, parts, count, -1) : real(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  REAL(pwrite);
  if (!is_watched(fd)) return real(fd, bytes, length, offset);
  return watched_write(fd, &(struct iovec){(void *)bytes, length}, 1, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  REAL(pwritev);
  return is_watched(fd) ? watched_write(fd, parts, count, offset) : real(fd, parts, count, offset);
}

int ftruncate(int fd, off_t size) {
  REAL(ftruncate);
  if (!is_watched(fd)) return real(fd, size);
  struct stat file;
  journal_lock();
  if (size >= 0 && fstat(fd, &file) == 0) note_size(fd, &file, size);
  int result = real(fd, size);
  journal_unlock();
  return result;
}

int truncate(const char *name, off_t size) {
  REAL(truncate);
  char path[PATH_MAX];
  if (!resolve(AT_FDCWD, name, path)) return real(name, size);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return fd;
  int result = ftruncate(fd, size), error = errno;
  close(fd);
  errno = error;
  return result;
}

int posix_fallocate(int fd, off_t offset, off_t length) {
  REAL(posix_fallocate);
  if (!is_watched(fd)) return real(fd, offset, length);
  struct stat file;
  journal_lock();
  if (fstat(fd, &file) == 0 && offset + length > file.st_size) note_size(fd, &file, offset + length);
  int result = real(fd, offset, length);
  journal_unlock();
  return result;
}

// While it is under way nothing of it is promised, so it is told at its beginning and at its end.
static int watched_sync(int fd, int (*real)(int)) {
  struct stat file;
  char link[32], path[PATH_MAX] = "";
  uint64_t token = journal_token();
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  journal_lock();
  if (fstat(fd, &file) != 0) file.st_ino = 0;
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length > 0 ? length : 0] = '\0';
  enum kind kind = S_ISDIR(file.st_mode) ? SYNC_FOLDER : SYNC_FILE;
  journal_append((struct record){.kind = kind, .inode = file.st_ino, .token = token}, path, NULL);
  if (journal_cuts_at(path)) journal_cut();
  journal_unlock();
  int result = real(fd), error = errno;
  journal_lock();
  if (result == 0) journal_append((struct record){.kind = SYNCED, .token = token}, NULL, NULL);
  journal_unlock();
  errno = error;
  return result;
}

int fsync(int fd) {
  REAL(fsync);
  return is_watched(fd) ? watched_sync(fd, real) : real(fd);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return is_watched(fd) ? watched_sync(fd, real) : real(fd);
}

static int watched_open(const char *path, int flags, mode_t mode, int (*real)(int, const char *, int, ...)) {
  struct stat file;
  journal_lock();
  int isThere = stat(path, &file) == 0;
  if (isThere && (flags & O_TRUNC) && !(flags & O_EXCL) && S_ISREG(file.st_mode) && file.st_size > 0) {
    int old = real(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (old >= 0) {
      note_size(old, &file, 0);
      close(old);
    }
  }
  int fd = real(AT_FDCWD, path, flags, mode), error = errno;
  if (fd >= 0 && !isThere && fstat(fd, &file) == 0) note_name(CREATE, file.st_ino, path);
  journal_unlock();
  errno = error;
  return fd;
}

#define NEEDS_MODE(flags) (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE)

int openat(int at, const char *name, int flags, ...) {
  REAL(openat);
  va_list rest;
  va_start(rest, flags);
  mode_t mode = NEEDS_MODE(flags) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  char path[PATH_MAX];
  if (!(flags & (O_CREAT | O_TRUNC)) || !resolve(at, name, path)) return real(at, name, flags, mode);
  return watched_open(path, flags, mode, real);
}

int open(const char *name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = NEEDS_MODE(flags) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat(AT_FDCWD, name, flags, mode);
}

int renameat(int from_at, const char *from_name, int to_at, const char *to_name) {
  REAL(renameat);
  char from[PATH_MAX], to[PATH_MAX], held[PATH_MAX], text[3 * PATH_MAX];
  int isFrom = resolve(from_at, from_name, from), isTo = resolve(to_at, to_name, to);
  if (!isFrom || !isTo) return real(from_at, from_name, to_at, to_name);
  struct stat file = {0};
  journal_lock();
  lstat(from, &file);
  hold(to, held);
  int result = real(from_at, from_name, to_at, to_name), error = errno;
  snprintf(text, sizeof text, "%s\n%s\n%s", from, to, held);
  if (result == 0) note_name(RENAME, file.st_ino, text);
  journal_unlock();
  errno = error;
  return result;
}

int rename(const char *from, const char *to) {
  return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
  REAL(linkat);
  char path[PATH_MAX];
  if (!resolve(to_at, to, path)) return real(from_at, from, to_at, to, flags);
  struct stat file = {0};
  journal_lock();
  int result = real(from_at, from, to_at, to, flags), error = errno;
  if (result == 0 && lstat(path, &file) == 0) note_name(CREATE, file.st_ino, path);
  journal_unlock();
  errno = error;
  return result;
}

int link(const char *from, const char *to) {
  return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int at, const char *name, int flags) {
  REAL(unlinkat);
  char path[PATH_MAX], held[PATH_MAX], text[2 * PATH_MAX];
  if (!resolve(at, name, path)) return real(at, name, flags);
  struct stat file = {0};
  journal_lock();
  lstat(path, &file);
  hold(path, held);
  int result = real(at, name, flags), error = errno;
  snprintf(text, sizeof text, "%s\n%s", path, held);
  if (result == 0 && S_ISREG(file.st_mode)) note_name(UNLINK, file.st_ino, text);
  if (result == 0 && S_ISDIR(file.st_mode)) note_name(REMOVE, file.st_ino, path);
  journal_unlock();
  errno = error;
  return result;
}

int unlink(const char *name) {
  return unlinkat(AT_FDCWD, name, 0);
}

int rmdir(const char *name) {
  return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int mkdirat(int at, const char *name, mode_t mode) {
  REAL(mkdirat);
  char path[PATH_MAX];
  if (!resolve(at, name, path)) return real(at, name, mode);
  struct stat file = {0};
  journal_lock();
  int result = real(at, name, mode), error = errno;
  if (result == 0 && lstat(path, &file) == 0) note_name(MAKE, file.st_ino, path);
  journal_unlock();
  errno = error;
  return result;
}

int mkdir(const char *name, mode_t mode) {
  return mkdirat(AT_FDCWD, name, mode);
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
  REAL(mmap);
  struct stat file;
  if ((flags & MAP_SHARED) && (protection & PROT_WRITE) && is_watched(fd) && fstat(fd, &file) == 0) {
    journal_lock();
    journal_append((struct record){.kind = MAP, .inode = file.st_ino}, NULL, NULL);
    journal_unlock();
  }
  return real(at, length, protection, flags, fd, offset);
}

// The same calls under the names that programs with large files know them by: where off_t has 64 bits they are one.
_Static_assert(sizeof(off_t) == 8, "needs a machine of 64 bits");
#define SAME(name) __attribute__((alias(#name), visibility("default")))
ssize_t pwrite64(int, const void *, size_t, off64_t) SAME(pwrite);
ssize_t pwritev64(int, const struct iovec *, int, off64_t) SAME(pwritev);
int ftruncate64(int, off64_t) SAME(ftruncate);
int truncate64(const char *, off64_t) SAME(truncate);
int posix_fallocate64(int, off64_t, off64_t) SAME(posix_fallocate);
int open64(const char *, int, ...) SAME(open);
int openat64(int, const char *, int, ...) SAME(openat);
void *mmap64(void *, size_t, int, int, int, off64_t) SAME(mmap);
