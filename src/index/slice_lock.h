// index/slice_lock: the reader-writer lock between the apply strand and its readers.
//
// A waiting writer goes before readers that come later: glibc's default prefers readers, and
// loops that read without a pause would keep the strand out for ever. Not recursive: whoever
// holds it shared must not ask for it again.
//
// Thread: any. Meets std::unique_lock and std::shared_lock.
#pragma once

#include <pthread.h>

#include "base/check.h"

namespace alfheim::index {

class SliceLock {
 public:
  SliceLock() {
    pthread_rwlockattr_t attributes;
    ALF_CHECK(pthread_rwlockattr_init(&attributes) == 0);
    ALF_CHECK(pthread_rwlockattr_setkind_np(&attributes,
                                            PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
    ALF_CHECK(pthread_rwlock_init(&lock_, &attributes) == 0);
    ALF_CHECK(pthread_rwlockattr_destroy(&attributes) == 0);
  }
  ~SliceLock() { ALF_CHECK(pthread_rwlock_destroy(&lock_) == 0); }
  SliceLock(const SliceLock&) = delete;
  SliceLock& operator=(const SliceLock&) = delete;

  void lock() { ALF_CHECK(pthread_rwlock_wrlock(&lock_) == 0); }
  void unlock() { ALF_CHECK(pthread_rwlock_unlock(&lock_) == 0); }
  void lock_shared() { ALF_CHECK(pthread_rwlock_rdlock(&lock_) == 0); }
  void unlock_shared() { ALF_CHECK(pthread_rwlock_unlock(&lock_) == 0); }

 private:
  pthread_rwlock_t lock_;
};

}  // namespace alfheim::index
