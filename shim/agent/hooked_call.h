// A call of a function whose entry is hooked (lock_entries.cpp). What serves it runs on the
// program's stack, as a part of the program, and enters the agent by steps.
#pragma once
#include "shim/agent/code_map.h"
#include "shim/sites/lock_entries.h"

/// Enters the agent as a rewritten site does (entry.S); lock_step() serves it.
extern "C" long mx_lock_step(long step, long a, long b, long c);

namespace mx::agent {

enum HookStep : long {
  kAcquired = 0x6d780000,  ///< leader: function, result, errno or the lock's address
  kOthersFirst,  ///< leader: address of a lock that others of its version are to have first
  kAwait,        ///< follower: function; the answer is a Plan
  kDone,         ///< follower: the lock is held (or will not be): passes the turn
  kYield,  ///< follower: somebody still holds it, after this many tries; kAlone: it cannot be had
  kMade,   ///< leader: a Made, what it has made
  kTakeMade,  ///< follower: a Made, to be replaced by the leader's; 1 if it was
};

enum Plan : long {
  kTake,       ///< the leader's event is there, its result in Thread::lock_event
  kAlone,      ///< the leader has no such event: in no particular order
  kLookAgain,  ///< of a wait for a condition: nor has it, and the thread looks again
};

/// By index in sites::kLockFunctions; 0: not known.
extern uint64_t lock_function_address[sites::kLockFunctionCount];

/// Calls a function of the program's libc, whose address is known. On the program's stack.
inline long call_function(uint32_t function, uint64_t a) {
  return reinterpret_cast<long (*)(uint64_t)>(lock_function_address[function])(a);
}

using HookedFunction = long (*)(uint64_t, uint64_t, uint64_t, uint64_t);

struct HookedCall {
  uint64_t args[4];
  HookedFunction original;
  uint32_t function;
  sites::LockKind kind;
  CodeKind caller;
  long run() const { return original(args[0], args[1], args[2], args[3]); }
};

}  // namespace mx::agent
