#include "shim/agent/borrowed.h"

#include "shim/agent/kernel.h"
#include "shim/agent/lane.h"

namespace mx::agent {

BorrowsNumber::BorrowsNumber(Thread* t) : thread_(t) {
  constexpr int kLookMs = 50;
  if (t->borrows++) return;
  LocalProcess* p = t->proc;
  for (;;) {
    p->borrowers.fetch_add(1);
    if (!p->placing.load()) return;
    p->borrowers.fetch_sub(1);
    futex_wake(&p->borrowers, 1);
    futex_wait(&p->placing, 1, kLookMs);
  }
}

void BorrowsNumber::give_back() {
  if (!thread_) return;
  Thread* t = thread_;
  thread_ = nullptr;
  if (--t->borrows) return;
  t->proc->borrowers.fetch_sub(1);
  if (__builtin_expect(t->proc->placing.load(), 0)) futex_wake(&t->proc->borrowers, 1);
}

OwnsAllNumbers::OwnsAllNumbers(Thread* t) : thread_(t) {
  constexpr int kStepMs = 10, kSteps = 30;
  LocalProcess* p = t->proc;
  while (p->placing.exchange(1)) futex_wait(&p->placing, 1, kStepMs);
  uint32_t others;
  for (int i = 0; i < kSteps && (others = p->borrowers.load()) != 0; i++)
    futex_wait(&p->borrowers, others, kStepMs);
  t->borrows++;  // what it opens itself
}

OwnsAllNumbers::~OwnsAllNumbers() {
  thread_->borrows--;
  thread_->proc->placing.store(0);
  futex_wake(&thread_->proc->placing, 1 << 30);
}

void forget_borrowed(Thread* t) {
  t->borrows = 0;
  t->proc->borrowers.store(0);
  t->proc->placing.store(0);
}

int aside(int fd) {
  constexpr long kBelow = 48;
  const long reserved = control()->settings.reserved_fd;
  const long moved = sys(__NR_fcntl, fd, kDupfdCloexec, reserved > kBelow ? reserved - kBelow : 0);
  if (is_error(moved)) return fd;
  sys(__NR_close, fd);
  return static_cast<int>(moved);
}

}  // namespace mx::agent
