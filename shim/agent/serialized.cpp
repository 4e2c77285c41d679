#include "shim/agent/serialized.h"

#include "shim/agent/hooked_call.h"
#include "shim/agent/kernel.h"
#include "shim/agent/lane.h"

namespace mx::agent {

/// A pthread_mutex_t of either libc, as PTHREAD_MUTEX_INITIALIZER makes it.
struct SerialMutex {
  alignas(64) uint32_t word[16];
};

namespace {

SerialMutex log_mutex, random_mutex;

bool orders(const Thread* t) {
  return t->role != Role::kSolo && t->proc->multi_threaded &&
         lock_function_address[sites::kMutexLock] && lock_function_address[sites::kMutexUnlock];
}

// How many words at `at` are there to be copied.
uint32_t words_there(uint64_t at) {
  constexpr uint64_t kWords = 24;  // SERIALIZED_WORDS in entry.S
  const uint64_t next = (at | (stream::kPage - 1)) + 1;
  uint8_t resident;
  const bool all = at + kWords * 8 <= next || sys(__NR_mincore, next, 1, &resident) != kEnomem;
  return all ? kWords : static_cast<uint32_t>((next - at) / 8);
}

}  // namespace

void leave_serial(Thread* t) {
  constexpr int kGlibcLock = 0, kMuslLock = 1, kGlibcOwner = 2, kGlibcUsers = 3;
  SerialMutex* held = t->serial_held;
  if (!held) return;
  t->serial_held = nullptr;
  if (held->word[kGlibcLock]) held->word[kGlibcOwner] = held->word[kGlibcUsers] = 0;
  for (const int lock : {kMuslLock, kGlibcLock}) {
    auto* word = reinterpret_cast<Word*>(&held->word[lock]);
    word->store(0);
    futex_wake(word, 1);
  }
}

void free_serials(Thread* t) {
  log_mutex = random_mutex = {};
  t->serial_held = nullptr;
  t->serials = 0;
}

}  // namespace mx::agent

using namespace mx::agent;

// On the program's stack, as a part of the program, around the function.
extern "C" uint32_t mx_serialized_begin(uint32_t function, uint64_t stack_arguments) {
  Thread* t = this_thread();
  if (t->serials++ == 0 && orders(t)) {
    SerialMutex* mutex = function < mx::sites::kDraw ? &log_mutex : &random_mutex;
    call_function(mx::sites::kMutexLock, reinterpret_cast<uint64_t>(mutex));
    t->serial_held = mutex;
  }
  return words_there(stack_arguments);
}

extern "C" void mx_serialized_end() {
  Thread* t = this_thread();
  SerialMutex* mutex = t->serial_held;
  if (--t->serials || !mutex) return;
  t->serial_held = nullptr;
  call_function(mx::sites::kMutexUnlock, reinterpret_cast<uint64_t>(mutex));
}
