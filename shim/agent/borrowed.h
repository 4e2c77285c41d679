// Numbers of descriptors that the agent uses for a moment.
//
// Of a follower's numbers most are free that the program takes for open: what the agent opens for
// itself gets the lowest of them. A thread that takes the leader's descriptors over puts them
// there, and may meet with no other file.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// While it lives, this thread may have a file of the agent's under any
/// number; waits first while another thread of the process puts descriptors
/// in place. May be held within another one. Must not live while this thread
/// waits for another one or for an event: what it has then it puts aside().
class BorrowsNumber {
 public:
  explicit BorrowsNumber(Thread* t);
  ~BorrowsNumber() { give_back(); }
  BorrowsNumber(const BorrowsNumber&) = delete;
  BorrowsNumber& operator=(const BorrowsNumber&) = delete;
  /// Earlier than at its end.
  void give_back();

 private:
  Thread* thread_;
};

/// While it lives, no other thread of this process begins to borrow a number, and none has one: it
/// waits for those that do, but not for ever (300 ms), for a thread may be stopped. By a thread
/// that puts a file under a given number.
class OwnsAllNumbers {
 public:
  explicit OwnsAllNumbers(Thread* t);
  ~OwnsAllNumbers();
  OwnsAllNumbers(const OwnsAllNumbers&) = delete;
  OwnsAllNumbers& operator=(const OwnsAllNumbers&) = delete;

 private:
  Thread* thread_;
};

/// In a new process: none of the others' threads is here.
void forget_borrowed(Thread* t);

/// Moves a descriptor of the agent's to a number that no program comes to, just below the arena's;
/// where there is none (RLIMIT_NOFILE) it stays. Returns its number.
int aside(int fd);

}  // namespace mx::agent
