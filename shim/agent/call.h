// One system call of the program, on its way through the agent.
#pragma once
#include "shim/agent/lane.h"
#include "shim/agent/state.h"

namespace mx::agent {

/// Of execute(): not the kernel's answer. The thread is in a copy of its process now and follows,
/// see rest.h.
inline constexpr long kFollowsNow = -5000;

struct Call {
  Thread* t;
  Regs* r;
  const mx::sys::Desc* d;
  uint64_t nr;         ///< of the system call; a follower's may become another one, see form.h
  uint64_t args[6];    ///< as the program passed them
  uint64_t exec[6];    ///< as the kernel gets them (hooks may differ, e.g. epoll's user data)
  uint32_t before[6];  ///< size words before the call (SizeRule::kValueAt, kSelf)
  long ret;
  uint64_t scratch[4];  ///< for hooks
  bool consumed;        ///< follower: the event's results are in place
  uint64_t blob;        ///< results that the table does not describe (ioctl, fcntl): address …
  uint64_t blob_size;   ///< … and size; set by Hooks::measure
  bool may_rest;        ///< the caller of execute() understands kFollowsNow
  bool kept_out;        ///< a signal came before the kernel had begun with it: its result is EINTR
  bool on_own;          ///< follower: the leader has no such call, this version made it
  bool names_new;       ///< creates a new name: the leader's counts, see adopt_name
  uint64_t time[2];     ///< a timeout in another form (form.h) …
  uint64_t time_at;     ///< … and the program's own, for what is left of it; 0: there is none
  /// `time` is a struct timespec, the program's a struct timeval; else the other way
  bool time_in_ns;
  uint32_t began;    ///< leader: kBegun has its place in the order; follower: into which pair, + 1,
                     ///< see own_words.h
  bool keeps_baton;  ///< leader: it will not wait, see baton.h
  bool ran_apart;    ///< leader: … it has waited: another event tells when the thread runs again
  uint64_t done;     ///< bytes of a write that have gone already, see remainder.h
};

/// Hand-written parts of an irregular call; any may be null.
struct Hooks {
  /// Replaces everything: returns the result.
  long (*run)(Call&);
  /// Every role, before anything: sets blob and blob_size.
  void (*measure)(Call&);
  /// Leader, alone: before the kernel gets the call; may change exec[]. Follower: not called.
  void (*prepare)(Call&);
  /// Leader, alone: executes instead of execute(); sets results in the program's memory.
  long (*perform)(Call&);
  /// Every role, after the results are in the program's memory in canonical form: makes them this
  /// version's own (epoll data), and updates the agent's tables.
  void (*localise)(Call&);
  /// Follower, instead of localise: before another thread comes to the
  /// events after this one (what it changes they go by). Also for a
  /// call that the former leader's kernel has executed, see settle.h.
  void (*in_turn)(Call&);
};
const Hooks* hooks_of(long nr);

/// Executes one intercepted call; the result goes to r->rax. May redirect r (signal delivery).
void dispatch(Thread* t, Regs* r);

/// Executes c in the kernel with exec[], minding signals if it may block.
long execute(Call& c);
/// The same for a call that never blocks and needs no more: straight to the kernel.
long execute_plain(const Call& c);
/// The same with another call of the kernel (which moves bytes as `nr` does).
long enter_kernel(Call& c, long nr, const uint64_t args[6]);
/// Leader: executes and publishes. Follower: matches and takes the results. Alone: executes.
long run_event(Call& c);
/// Both versions execute it on their own; it is still an event, and the leader's result counts.
long run_both(Call& c);
/// Executes in this version only; no event.
long run_local(Call& c);
long run_query(Call& c);

// Parts of run_event, for handlers that need them.

/// Leader: announces the call and, in full lockstep, waits for the follower's agreement.
void leader_begin(Call& c);
/// Leader: writes the event of a finished call.
void publish(Call& c, EventKind kind, uint8_t flags);
/// Leader: an event without arguments or payload beyond `payload`.
void publish_plain(Thread* t, EventKind kind, uint8_t flags, uint16_t nr, int64_t result,
                   const void* payload, uint32_t size);
enum class Match : uint8_t {
  kMatched,     ///< the header of the matching event was read; call follower_take
  kTakeover,    ///< this thread has become the leader: execute
  kRedirected,  ///< a signal handler of the program runs first; registers are set
  kOnOwn,       ///< the leader has no such call: harmless, execute without an event
};
/// Follower: waits for the event that matches c (delivering signals, skipping what may be skipped).
Match follower_match(Call& c, EventHeader& header);
/// Follower, full lockstep: the leader's intent matches c; compares and lets the leader go on.
void follower_agree(Call& c, const EventHeader& header);
/// Follower: bookkeeping at the end of any consumed event.
void finish_event(Thread* t, const EventHeader& header);
/// Follower: compares the arguments and copies the results of the matched event.
void follower_take(Call& c, const EventHeader& header);

/// Which calls may wait long for the outside, given what is known of their descriptor.
bool may_block(const Call& c);

uint64_t digest_inputs(const Call& c);
bool inputs_were_read(const Call& c, long ret);

}  // namespace mx::agent
