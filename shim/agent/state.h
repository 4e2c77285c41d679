// The agent's private state: one LocalProcess per process, one Thread per thread. Both live in the
// agent's heap (private memory), so fork copies them; a vfork child gets a LocalProcess of its own.
// A thread finds its own Thread through the gs base, which no x86-64 Linux libc uses.
#pragma once
#include "shim/agent/kernel.h"
#include "shim/stream/arena.h"
#include "shim/stream/event.h"
#include "shim/stream/history.h"
#include "shim/syscalls/syscalls.h"

namespace mx::agent {

struct SerialMutex;

using stream::Activity;
using stream::Control;
using stream::EventHeader;
using stream::EventKind;
using stream::Lane;
using stream::PairState;
using stream::Process;
using stream::Verdict;
using stream::Version;
using stream::Word;

/// The program's registers at a system call. The order is known to entry.S.
struct Regs {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  uint64_t nr;  ///< rax at entry
  uint64_t rip;
  uint64_t eflags;
  uint64_t rsp;
  uint64_t call_arg(int i) const {
    switch (i) {
      case 0:
        return rdi;
      case 1:
        return rsi;
      case 2:
        return rdx;
      case 3:
        return r10;
      case 4:
        return r8;
      default:
        return r9;
    }
  }
};

enum class Role : uint8_t {
  kSolo,  ///< nothing is published, nobody follows
  kLeader,
  kFollower,
};

/// What the agent knows of one descriptor number.
enum FdBits : uint16_t {
  kFdPrivate = 1,  ///< each version has its own open file at this number
  kFdCloexec = 2,
  kFdNonblock = 4,     ///< a hint only: who else shares the description may change it
  kFdRegular = 8,      ///< a regular file or directory: never blocks for long
  kFdClassified = 16,  ///< kFdRegular is valid
  kFdSocket = 32,      ///< valid as kFdRegular is
  kFdEpoll = 64,
  kFdOwned = 128,  ///< F_SETOWN names this process
  kFdSignalfd = 256,
  kFdTouched = 512,      ///< kFdOpen is valid; else see Process::inherited
  kFdOpen = 1024,        ///< open in the leader
  kFdLocked = 2048,      ///< the program has set record locks through it
  kFdLeaderOnly = 8192,  ///< the follower has not opened it, see looks.h
  kFdPidfd = 4096,
  kFdMemory = 32768,  ///< private, of memfd_create(2): what changes it is made by each version, too
  kFdPair = 16384,    ///< of pipe(2) or socketpair(2): see own_words.h
};
inline constexpr int kMaxFds = 1 << 20;

struct EpollEntry {
  int32_t epfd;  ///< -1: free
  int32_t fd;
  uint64_t data;
};
inline constexpr int kExtraEpoll = 4096;

struct SignalAction {
  uint64_t handler, flags, restorer, mask;
};

struct Thread;
struct Call;
struct Repeats;

struct TimerRecord {
  uint64_t used;
  int32_t clock;
  int32_t signo;
  int32_t notify;
  int32_t tid;
  uint64_t value;     ///< this version's sigev_value
  uint64_t spec[4];   ///< as last set
  int64_t set_at[2];  ///< CLOCK_MONOTONIC when set
  int32_t absolute;
  int32_t id;         ///< as the program knows it
  int32_t kernel_id;  ///< in this process's kernel tables: another one after a failover
};
inline constexpr int kMaxTimers = 256;

/// A child of a version that follows, or followed when it was born: see children.h.
struct Child {
  int32_t vpid, real;
  uint32_t told;  ///< follower: its leader has had the SIGCHLD of its end
};
inline constexpr uint32_t kMaxChildren = 1024;

/// What the leader was told of a child, see polls.h.
struct KeptAnswer {
  int32_t vpid, status;
};
inline constexpr uint32_t kMaxKept = 256;

struct LocalProcess {
  Process* shared;
  Version version;
  uint8_t multi_threaded;
  uint8_t exits_locked;     ///< threads hold a lock of libc when they end (musl), see processes.cpp
  Word stand_in;            ///< its real_pid when a thread stands, or may soon stand, for it: see
                            ///< becomes_stand_in()
  Word borrowers, placing;  ///< see borrowed.h
  /// Who runs (lane + 1), how often it was taken, how many wait for it, who gave it away last: see
  /// baton.h
  Word baton, baton_taken, baton_waiters, baton_left, baton_standing, baton_broken;
  uint8_t promoted;  ///< this version took over: its kernel ids differ from what the program sees
  uint32_t index;    ///< which LocalProcess block this is
  std::atomic<int32_t> threads;
  uint8_t is_vfork_child;
  uint8_t no_copies;     ///< it shares memory that can be written: no checkpoints
  uint8_t has_memfd;     ///< to seal one, nobody else may have it mapped: see keep_if_wanted()
  uint8_t astray;        ///< see astray.h
  uint32_t passed_over;  ///< calls at which a checkpoint that was asked for was not made
  uint32_t stray_calls;
  uint64_t stray_position;  ///< in the lane of the thread that left the leader's way
  int64_t stray_since;      ///< CLOCK_MONOTONIC, nanoseconds
  int32_t vpid;
  int32_t real_pid;
  int32_t max_fd;
  uint32_t n_unreaped;
  /// follower: signals the leader sent itself and has not been seen to take, see sent.h
  uint32_t n_sent;
  Siginfo sent[32];
  int32_t sent_to[32];  ///< the thread that each is for; 0: any; negative: it is about to be sent
  /// Follower: RLIMIT_NPROC and RLIMIT_NOFILE as the
  /// program set them; both 0: it has not. See special.cpp.
  uint64_t process_limit[2], file_limit[2];
  SignalAction actions[65];
  TimerRecord timers[kMaxTimers];
  int64_t itimer_deadline[3][4];  ///< value and interval as last set, and when
  uint32_t n_children;
  Child children[kMaxChildren];
  int32_t unreaped[kMaxChildren];
  uint32_t n_kept;
  KeptAnswer kept[kMaxKept];
  uint32_t n_former;
  Child former[64];  ///< the last that were waited for: groups may still be called after them
  EpollEntry extra_epoll[kExtraEpoll];
  uint64_t program_brk;
  uint16_t fds[kMaxFds];
  EpollEntry epoll[kMaxFds];  ///< by fd: its first registration
};

enum Saw : uint32_t { kSawNothing, kSawCall, kSawInput, kSawWait };

struct PendingSignal {
  Siginfo info;
};
inline constexpr int kMaxPending = 32;
inline constexpr int kQueryCache = 64;
struct CachedQuery {
  uint16_t nr;
  uint16_t size;
  uint32_t arg;
  int64_t result;
  uint8_t bytes[400];
};

/// A thread that has taken over: where the former leader's thread stood.
enum Inherited : uint32_t {
  kNoCall,
  kStoppedCall,  ///< before a call, or between two parts of a write
  kKilledCall,   ///< perhaps in a call, of which the kernel's last words tell
};

/// Whether a thread that has taken over has come to
/// the call in which its leader's thread was killed.
enum AtFlight : uint32_t {
  kNotThere,
  kThere,
  kRegisters,  ///< … and what that registers at an epoll set is noted
};

/// How often something was tried while the lane stood at one and the same place.
struct Attempts {
  uint64_t at;  ///< that place + 1
  uint32_t count;

  /// @return how often before.
  uint32_t before(uint64_t pos) const { return at == pos + 1 ? count : 0; }
  void add(uint64_t pos) {
    count = before(pos) + 1;
    at = pos + 1;
  }
};

/// Where a thread stands that can be made anew in a copy of its process (rest.h). The order is
/// known to entry.S.
struct Resting {
  uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
  uint8_t vectors[512];  ///< fxsave64: at an aligned address
};

struct Thread {
  Thread* self;        // gs:0
  uint64_t user_rsp;   // gs:8
  uint64_t stack_top;  // gs:16
  uint32_t pending;    // gs:24  number of queued signals (checked by the blocking gate)
  uint32_t kicked;     // gs:28  another thread wants this one to park
  uint64_t go_on;      // gs:32  where mx_counter_entry leaves the agent to
  LocalProcess* proc;
  Lane* lane;
  Role role;
  uint32_t is_husk;
  uint32_t in_vdso;  ///< the vDSO runs; a system call now is its own, see vdso.h
  uint32_t lane_index;
  int32_t tid, vtid;
  uint32_t borrows;  ///< see borrowed.h
  Regs* regs;        ///< of the system call in progress; null while the program runs
  Ucontext* trap;    ///< the kernel's frame, if the call came by SIGSYS
  uint64_t restart;  ///< where to go to repeat a call that came by SIGSYS
  const mx::sys::Desc* desc;
  uint64_t vmask;         ///< signal mask as the program sees it
  uint64_t suspend_mask;  ///< mask to be restored after sigsuspend/ppoll…, valid if in_suspend
  uint32_t in_suspend;
  uint32_t defer_timer;  ///< kernel timer id + 1 for deferred signals
  /// follower: where its leader's lane ended when it was kicked; what is before may be a signal
  uint64_t kick_at;
  KernelStack altstack;  ///< as the program set it
  uint64_t clear_tid;
  // lane cursor of this thread's role
  uint64_t pos;    ///< producer: next byte to write; consumer: next byte to read
  uint64_t limit;  ///< cached tail + ring (producer) or cached head (consumer)
  uint64_t last_publish_tsc;
  uint64_t events;
  // Checkpoints.
  alignas(16) Resting rest;
  Word at_rest;         ///< `rest` is valid; the thread does not leave it while others make a copy
  uint32_t replays;     ///< a copy that catches up, see rejoin.h
  uint64_t replay_end;  ///< of its lane when the copy was woken: what is before may be history
  Saw saw_call;         ///< … and has consumed the event of a call since it last looked
  uint64_t fs_base;     ///< as the program set it
  uint64_t robust_list[2], rseq[4];  ///< arguments of set_robust_list and rseq
  uint64_t block;                    ///< number of this thread's memory block
  // What mx_thread_start needs to know (clone.cpp).
  uint32_t start_process, start_lane;
  int32_t start_vpid;
  uint64_t start_mask, start_ctid, start_ptid, start_tls;
  std::atomic<uint32_t> started;
  Word released;            ///< leader: the event of its creation is published, it may begin
  struct Call* start_call;  ///< vfork: the suspended parent's call, published by the child
  uint32_t intents;
  // A call of a lock function in progress, see locks.cpp.
  uint64_t lock_sp;  ///< stack pointer at its entry; what is called from there is not hooked again
  EventHeader lock_event;    ///< follower: its event, if lock_taken
  SerialMutex* serial_held;  ///< see serialized.h
  uint32_t serials;          ///< such functions under way, one inside the other
  uint64_t condition;        ///< leader: it waits for this one, really
  uint32_t lock_taken;       ///< the turn is held until the lock is
  uint32_t of_allocator;     ///< an allocator's own thread: has waited for a condition of its
  uint32_t waits_for_lock;   ///< follower: waits for the event of a lock, which may be hours away
  /// follower: for a condition that its leader's thread has not waited for: a lock that stands in
  /// its lane holds up nobody
  Word waits_elsewhere;
  Attempts early;       ///< follower: waits too early, see waits.h
  uint32_t early_vain;  ///< … how often in vain, before a lock
  Attempts alone;       ///< follower: answers to questions of its own, see query.cpp
  uint32_t busy;  ///< waits in a row that may still be worth a short look first, see epoll.cpp
  uint32_t looks_still;  ///< follower: how often in a row all others stood still, see locks.cpp
  uint32_t stray_lane;   ///< + 1: whose lock was given up last, see order.cpp
  uint64_t stray_tail;   ///< … and where its consumer stood
  /// Follower: in a lane all that stands before `at` has a turn before `order`, see order.cpp.
  struct SeenLane {
    uint32_t lane;  ///< index + 1
    int32_t vtid;   ///< of whose lane it was
    uint64_t order, at;
  };
  static constexpr uint32_t kSeenLanes = 8;
  SeenLane seen[kSeenLanes];
  /// follower: an event is consumed, and what it changes here (descriptors) has yet to be noted
  Word localises;
  uint32_t passed_baton;  ///< the thread waits, or is about to run again: see baton.h
  uint64_t baton_since;   ///< leader: when it got the baton (tsc)
  uint64_t owed_turn;     ///< follower: to be passed with the baton; 0: none
  uint64_t followed;      ///< follower: the place of the last event for which it waited, + 1
  uint64_t ticket;        ///< reserved place in the order of events + 1, see order.h
  uint32_t gives_way;     ///< it is SCHED_IDLE by mx' doing, see pace.h
  uint64_t looked_tsc, looked_events;  ///< when that was last thought of
  uint32_t die_after;  ///< injected fault: SIGKILL when the kernel has executed the call
  Word at_flight;      ///< survivor: enum AtFlight
  uint32_t inherits;   ///< enum Inherited: what became of the former leader's call, see settle.h
  uint32_t signal_follows;  ///< follower: a kSignal event belongs to the end of this call
  uint32_t regs_redirected;
  uint32_t build_frame;     ///< the next SIGSYS from oneself builds a frame, see frame.cpp
  uint32_t building_frame;  ///< a fault now is the program's stack overflow
  uint32_t fast_frame;
  Regs* frame_regs;
  Siginfo frame_info;
  stream::History* history;  ///< null without a lane
  uint64_t guard;  ///< stack pointer to recover at if the agent faults now, see mx_try; 0: none
  uint32_t vectors_borrowed;  ///< what stands in `vectors` is not in the registers, see bulk.h
  uint8_t vectors[16][16];    ///< the program's xmm0 to xmm15
  uint32_t announced;  ///< leader: queued signals that the last event said to belong to its end
  /// follower: interrupted_as_leader() has had glibc's cancellation handler entered
  uint32_t cancel_early;
  uint32_t
      at_sigreturn;  ///< the next SIGSYS from oneself delivers signals at the end of rt_sigreturn
  uint64_t
      held;  ///< pending signals that the program blocks and the kernel must not (kNeverBlocked)
  Siginfo held_info[32];  ///< by signal number
  PendingSignal queue[kMaxPending];
  CachedQuery cache[kQueryCache];
  Repeats* repeats;                 ///< null: nothing has come again yet, see repeats.h
  uint32_t sightings[32];           ///< leader: of large results that it has seen once
  uint64_t window_from, window_to;  ///< a copy that catches up: what `window` holds of its lane
  char own_path[128];         ///< a path that names a process of the program, see own_proc_path
  uint8_t window[16 * 1024];  ///< see log.h; not touched by others
};

/// Where the last answer of a query is kept, for a follower that asks once more than the leader.
inline CachedQuery* query_slot(Thread* t, uint16_t nr, uint32_t arg) {
  return &t->cache[(nr * 7 + arg) % kQueryCache];
}

inline Control* control() {
  return reinterpret_cast<Control*>(stream::kArenaBase + stream::kControlOffset);
}
inline uint8_t* lane_ring(uint32_t index) {
  return reinterpret_cast<uint8_t*>(stream::kArenaBase + stream::ring_offset(index));
}
inline uint8_t* lane_scratch(uint32_t index) { return lane_ring(index) + stream::kLag; }
inline stream::Staging* staging(uint32_t lane) {
  return reinterpret_cast<stream::Staging*>(stream::kArenaBase + stream::staging_offset(lane));
}
inline stream::History* history_of(uint32_t lane, Version v) {
  return reinterpret_cast<stream::History*>(stream::kArenaBase +
                                            stream::history_offset(lane, static_cast<int>(v)));
}
inline Thread* this_thread() {
  Thread* t;
  asm volatile("mov %%gs:0, %0" : "=r"(t));
  return t;
}
inline uint64_t tsc() {
  uint32_t lo, hi;
  asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
  return (uint64_t{hi} << 32) | lo;
}
inline void pause() { asm volatile("pause"); }

}  // namespace mx::agent
