// The journal of a folder: what each call on its files changed, with what was there before. Written by the processes
// that were started with the shim, all at once; read by journal.ts after their end.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What journal.ts reads: this, then the text, then the bytes that were there before. All of it little endian.
struct record {
  uint64_t kind;
  uint64_t inode;
  uint64_t offset;
  uint64_t length;
  uint64_t size_before;
  uint64_t token;
  uint64_t text_length;
  uint64_t old_length;
};

enum kind {
  CHANGE = 'w',     // bytes at an offset written, or the file made longer
  CUT = 't',        // the file cut at an offset
  CREATE = 'c',     // a name given; text: path
  MAKE = 'm',       // a folder made; text: path
  RENAME = 'r',     // text: from, to, the link that holds the file which was there; parted by \n
  UNLINK = 'u',     // text: path, the link that holds the file; parted by \n
  REMOVE = 'x',     // a folder removed; text: path
  MAP = 'p',        // mapped for shared writing: what comes of it is not seen
  SYNC_FILE = 'b',  // what stands before it is being synced; text: path
  SYNC_FOLDER = 'd',  // its names are being synced; text: path
  SYNCED = 'e',     // the sync of this token has come to its end
};

// Whether this process was started to be watched. The first call reads the environment.
int journal_is_open(void);
// Whether it is the watched folder or lies in it.
int journal_watches(const char *path);
// One call at a time, in all processes. Where the power is off this does not return.
void journal_lock(void);
void journal_unlock(void);
// Whether the power is to go while this file is synced now: POWER_CUT_AT=name:nth.
int journal_cuts_at(const char *path);
// Under the lock. Does not return, in any process.
void journal_cut(void);
// Under the lock.
void journal_append(struct record record, const char *text, const void *old);
// A number that no other call has.
uint64_t journal_token(void);
// The path of a link that keeps what is taken away.
void journal_held_path(char *path, size_t size, uint64_t token);
