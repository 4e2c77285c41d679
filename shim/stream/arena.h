// The arena: one memfd per run, mapped shared at kArenaBase into every process of both versions and
// into the monitor. It holds the agent's image, the tables of process pairs and lanes, the rings,
// and the mailbox from agents to the monitor.
//
// Trust: the versions can scribble over it. The monitor reads it as hostile input (indices are
// checked, strings are bounded); what a damaged arena may cost is the follower, never the leader.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shim/stream/flight.h"
#include "shim/stream/joint.h"
#include "shim/stream/layout.h"
#include "shim/stream/mapped_files.h"
#include "shim/stream/recovery.h"

namespace mx::stream {

enum class Version : uint8_t { kOld = 0, kNew = 1 };
inline constexpr Version other(Version v) {
  return v == Version::kOld ? Version::kNew : Version::kOld;
}

using Word = std::atomic<uint32_t>;  ///< a futex word; never FUTEX_PRIVATE
static_assert(Word::is_always_lock_free);

/// What the leader's thread is doing; written by the leader, read by who judges a hang.
enum class Activity : uint32_t {
  kUser = 0,
  kEventCall = 1,
  kLocalCall = 2,
  kParked = 3,
  kGone = 4,
  kAwaitsVerdict = 5  ///< it has failed, or ends with an error: does the follower, too?
};

enum class Verdict : uint32_t { kNone = 0, kAgreed = 1, kLeaderFailed = 2, kFollowerDropped = 3 };

inline constexpr uint32_t kWaitsForTail = 1;  ///< for space, or until all is consumed
inline constexpr uint32_t kWaitsForAck = 2;   ///< for an intent's agreement

/// The event stream of one thread pair: one producer (the leader's thread), one consumer.
/// What one side writes at every event stands on a cache line of its own: a line that both cores
/// write costs each of them about as much as the rest of the event.
struct alignas(64) Lane {
  // Written by the producer at every event, read by the consumer.
  std::atomic<uint64_t> head;  ///< bytes published since the lane was opened
  // Written by the producer, read by who judges a hang or a death.
  alignas(64) uint64_t
      first_unread_tsc;  ///< when the oldest event that nobody was woken for was published
  uint64_t events;
  Word activity;  ///< enum Activity
  Word call;      ///< number of the call in progress
  alignas(64) Flight flight;
  uint64_t io[2];   ///< bytes this thread read and wrote since the image began (first lane: the
                    ///< process before, too)
  uint64_t queued;  ///< signals the agent has taken and not published yet
  std::atomic<uint64_t>
      waited_ticks;  ///< that the producer has waited for space, of the time-stamp counter
  // Written by the consumer at every event.
  alignas(64) std::atomic<uint64_t> tail;  ///< bytes consumed
  std::atomic<uint64_t> acked;             ///< end of the last intent agreed to (full lockstep)
  uint64_t follower_events;
  /// follower: its thread is in a futex(2) wait of its own: others may have to go before it, see
  /// agent/order.cpp
  Word waits_alone;
  // Written when the consumer falls asleep, read by the producer at every event.
  alignas(64) Word consumer_waits;  ///< 1: the consumer sleeps on this word
  // Both.
  alignas(64) Word
      producer_waits;  ///< not 0: the producer sleeps on this word, kWaitsForTail or kWaitsForAck
  Word verdict;        ///< enum Verdict, for kFault / kExit
  Word in_use;
  uint64_t log_size;             ///< of its log: a power of two, at most kLog; 0: it has none
  std::atomic<uint64_t> logged;  ///< what is before this is in the log, what is behind in the ring
  std::atomic<uint64_t> checkpoint[2][2];  ///< by Version: places of its sleepers
  /// where a version that comes back began to catch up; 0: the producer need not wait for it
  uint64_t catch_up_head, catch_up_tail;
  Word users;        ///< versions that still have a thread on it
  uint32_t process;  ///< index of the Process it belongs to
  int32_t vtid;
  int32_t real_tid[2];
};

inline constexpr uint32_t kTurnSlots = 64;
inline constexpr uint32_t kOrderLanes = 1024;

enum class PairState : uint32_t {
  kFree = 0,
  kPaired = 1,    ///< both versions run
  kSolo = 2,      ///< one version runs, nothing is published
  kFailover = 3,  ///< the follower is taking over: descriptors are being carried over
  kEnded = 4,
};

/// What the program's first process has left that of whoever started it (Process::on_its_own).
enum OnItsOwn : uint32_t { kOwnGroup = 1, kOwnSession = 2 };

/// What the leader's threads are to know of its end.
enum Failing : uint32_t {
  kNotFailing,
  kIsFailing,  ///< they park at the next boundary
  kExecutes,   ///< one of them is about to replace the image: what another one's fault would do is
               ///< undone by that
  /// the follower has come to a fault of the leader's, and looks whether that was undone so
  kIsDecided,
};

/// What both versions' images of a program have in common: payload of EventKind::kExec.
struct Image {
  uint8_t at_random[16];   ///< AT_RANDOM
  uint64_t inherited[64];  ///< descriptors that were open when it began, a bit each
};

/// One process of the program: a pair of real processes.
struct alignas(64) Process {
  Word state;    ///< enum PairState
  Word leader;   ///< enum Version
  int32_t vpid;  ///< the pid that the program sees: the first leader's real one
  int32_t vppid;
  int32_t real_pid[2];  ///< by Version; 0: none (yet)
  Word alive[2];
  Word threads;              ///< of the leader
  Word look_up[2];           ///< by Version, bits: kWantCheckpoint, kStandStill, kWantKeeper
  Word failing;              ///< futex: enum Failing
  Word images[2];            ///< by Version: programs that it has executed
  Word parked;               ///< how many have
  Word handover;             ///< futex: enum HandoverState
  Word husk;                 ///< 1: serve descriptors, 2: exit with husk_status
  Word to_reap;              ///< pid of a child of the husk's that the program has waited for
  int32_t husk_status;       ///< wait(2) status the husk shall end with
  Word descriptors_taken;    ///< 1: the survivor has them, 2: the husk has closed its own
  int32_t keeper_pid;        ///< real pid of the descriptor keeper, 0: none
  uint32_t keeper_is_young;  ///< it shares the leader's memory: see start_young_keeper()
  int32_t spare_keeper;      ///< of the follower's table, for the time when it leads, 0: none
  uint32_t survivor_uid, survivor_gid;  ///< who asks the keeper
  Word keeper_wake;                     ///< futex: counts reasons for the keeper to look up
  Word keeper_left;                     ///< futex: pid of the keeper that let go of the table last
  Word keeper_apart[2];  ///< by Version, futex: pid of the keeper that gave its memory back last
  Word exec_state[2];    ///< handshake with the monitor before execve, see ExecState
  uint64_t failure_tsc;
  uint32_t lane[2];                   ///< by Version: of the current image's first thread
  Image image[2];                     ///< by Version: the leader may be some execve ahead
  Word max_fd;                        ///< highest descriptor number the leader ever got
  std::atomic<uint64_t> io_ended[2];  ///< Lane::io of threads that have ended
  std::atomic<uint64_t> first_io[2];  ///< the kernel's count of the first thread, less its Lane::io
  Word first_io_known;                ///< since there are others
  LastWords last_words;
  uint64_t exec_vmask[2];  ///< signal mask carried over execve, by Version
  uint64_t exec_sent[2];   ///< signals that the program has sent itself and blocks, likewise
  /// 0 nobody; 2 * Version + 2: a thread of the survivor carries the descriptors over; + 1: done
  Word taker;
  Word fd_list_state;     ///< descriptor hand-over: 0 idle, 1 asked for, 3 being written, 2 ready
  uint32_t fd_list_lane;  ///< whose scratch takes the list
  uint32_t fd_count;
  int32_t fd_socket;  ///< where they come from, a number in the holder's table; -1: nowhere
  uint32_t is_root;
  Word on_its_own;        ///< of the root, bits: enum OnItsOwn
  uint32_t adopts;        ///< PR_SET_CHILD_SUBREAPER
  uint32_t death_signal;  ///< PR_SET_PDEATHSIG
  Word gives_way;  ///< threads of the follower run while a processor is idle only, see agent/pace.h
  /// the program has chosen how it is scheduled: what is not SCHED_OTHER is its own
  Word own_policy;
  std::atomic<uint64_t> paced_tsc;  ///< when the leader last wanted that to end
  Word trapped[2];                  ///< system calls served by SIGSYS
  Word rewritten[2];                ///< sites rewritten
  std::atomic<uint64_t> event_count[2];
  Checkpoint checkpoint[2];  ///< by Version
  Word maps_files[2];        ///< by Version, 1: it may have entries in mapped_files
  Word sharing[2];    ///< by Version, 1: it maps memory that can be inherited by fork only, see
                      ///< joint.h
  Word maps_from[2];  ///< by Version, + 1: the process from which it has inherited files mapped
                      ///< shared; 0: none, see agent/copied_maps.h
  /// by Version, + 1: the copy that its shared memory is, since it came back; 0: none
  Word shared_slot[2];
  Recovery recovery;
  /// + 1: where the leader failed, for the thread that takes over; 0: it was killed
  uint32_t crash_lane;
  uint64_t crash_position, crash_end;  ///< see Recovery
  // On lines of their own, as in Lane: with several threads each event changes them.
  std::atomic<uint64_t>
      gaps_before;  ///< places in the order below this that a former leader took may be empty
  alignas(64) std::atomic<uint64_t> order;  ///< next event's position (leader)
  alignas(64) std::atomic<uint64_t> turn;   ///< next position to be consumed (follower)
  /// by position modulo kTurnSlots: 1 if somebody sleeps until it is its turn
  Word turn_slots[kTurnSlots];
  std::atomic<uint16_t>
      order_lane[kOrderLanes];  ///< by position: index + 1 of the lane that holds the event
};

/// A planned change of leader (monitor/handover.h).
enum class HandoverState : uint32_t {
  kNone = 0,
  kAsked = 1,      ///< by the monitor: the leader's threads stop at the next boundary
  kCommitted = 2,  ///< by the leader: all have, the follower takes over
  kCancelled = 3,  ///< by the monitor: they go on as before
};

enum class ExecState : uint32_t { kIdle = 0, kRequested = 1, kAttached = 2, kRefused = 3 };

/// What an agent tells the monitor. Text is not NUL-terminated.
enum class MessageKind : uint32_t {
  kNone = 0,
  kDivergence,
  kCrash,
  kHang,
  kFailover,
  kDropped,
  kRefused,
  kExecAttach,    ///< number = real tid; answer in Process::exec_state
  kSites,         ///< number = index of the SiteEntry, an address where the file is mapped
  kProcess,       ///< a new process of `version` registered (number = real pid)
  kKillFollower,  ///< drop the follower's tree
  kProcessEnd,
  kNote,
  kRecovery,  ///< a copy has reached the stage in number[0]
  kExecDone,  ///< a failed execve: detach (number = real tid)
  kStrayed,   ///< a follower that stands still and could come back went another way (number = real
              ///< pid)
  /// number[0] = a real pid: its threads give way no more; policy and slice of number[1], [2]
  kPace,
};

struct Message {
  Word ready;  ///< 1: filled
  MessageKind kind;
  uint32_t process;
  Version version;
  uint8_t pad[3];
  int64_t number[12];
  uint32_t text_size;
  char text[3 * 128 + 512];
};

/// Table of rewritable sites of one file (a sites::SiteTable), found by the monitor on request.
struct SiteEntry {
  Word state;  ///< 0 free, 1 asked for, 2 there, 3 there is none
  uint32_t size;
  uint64_t device, inode;
  uint64_t offset;  ///< in the sites area
};

inline constexpr uint32_t kOwnMounts = 64;

struct Settings {
  uint32_t full_lockstep;
  uint32_t serial_threads;   ///< one thread of a process runs at a time, see agent/baton.h
  uint32_t hang_timeout_ms;  ///< 0: off
  uint32_t recovery;
  uint32_t has_aes;       ///< the processor has AES instructions
  uint32_t may_give_way;  ///< the monitor may end what Process::gives_way says
  uint64_t
      log_size;  ///< of a lane of the first process, at most kLog: a power of two, more than kLag
  int32_t
      apart;  ///< process group and session that the follower was put into to begin with; 0: none
  int32_t first_group, first_session;  ///< … in place of these, the leader's
  uint32_t reserved_fd;                ///< the arena's descriptor number in every process
  uint32_t cpus;
  uint32_t fault_kind;  ///< injected for tests: 0 none, else see agent/fault_injection
  uint64_t fault_event;
  Word fault_done;  ///< it happens once
  uint64_t cookie;
  uint64_t agent_text_size, agent_data_offset, agent_data_size, agent_bss_end;
  uint64_t agent_start;
  uint32_t memory_is_limited;  ///< by a control group: see agent/memory_holder.h
  uint64_t address_space[2];   ///< by what the soft and the hard RLIMIT_AS are raised, for the
                               ///< arena: the program sees neither
  int32_t monitor_pid;
  uint32_t different_roots;
  uint32_t root_is_own;  ///< different roots: they are not one folder, mounted twice
  uint32_t own_mount_count[2];
  /// by Version: ids of mounts that the other root does not have, see monitor/own_mounts.h
  uint64_t own_mounts[2][kOwnMounts];
  char canonical_program[512];  ///< the path that both versions see
  char program[2][512];         ///< where each version's program really is
  char root[2][512];            ///< "" = /
  char broker_name[64];         ///< abstract unix socket of the monitor's descriptor broker
};

inline constexpr uint64_t kLogOfChild = 8 * kLag;  ///< at most: there may be many

/// Of each lane of a process, if recovery is on.
inline uint64_t log_size_of(const Settings& s, const Process& p) {
  return p.is_root || s.log_size < kLogOfChild ? s.log_size : kLogOfChild;
}

inline constexpr uint32_t kWrittenSlots = 16384;

/// Digests of the names that a version has written on its own root (agent/written_names.h): a hash
/// table that only grows.
struct WrittenNames {
  Word count;
  std::atomic<uint64_t> slot[kWrittenSlots];
};

inline constexpr uint32_t kMostSegments = 64;

/// A System V segment that the program knows as `id`,
/// and what a version has for it (agent/segments.h).
struct OwnSegment {
  Word id;  ///< + 1; 0: none
  Word own;
  /// in the arena's file: processes that have come back have that memory instead; 0: none
  std::atomic<uint64_t> place;
  std::atomic<uint64_t> size;  ///< bytes, likewise
};

struct Control {
  uint64_t magic;
  uint32_t version;
  Settings settings;
  Word monitor_wake;                   ///< futex: counts messages
  std::atomic<uint64_t> mailbox_tail;  ///< next slot to be taken by an agent
  std::atomic<uint64_t> mailbox_head;  ///< next slot the monitor will read
  std::atomic<uint64_t> mailbox_lost;
  Word next_lane_hint, next_process_hint;
  Word lanes_end, processes_end;  ///< one beyond the highest index ever taken, see lanes_taken()
  std::atomic<uint64_t> written_paths[256];  ///< digests: files of the image that were written
  Word shutting_down;
  SiteEntry sites[kMaxSiteTables];
  // The first lane and the first process, which every run
  // has, stand within 2 MiB of the beginning: see layout.h.
  Lane lanes[kMaxLanes];
  Process processes[kMaxProcesses];
  Message mailbox[kMailboxSlots];
  Joint joint[2];                         ///< by Version
  OwnSegment segments[2][kMostSegments];  ///< by Version
  MappedFile mapped_files[2][kMostMappedFiles];
  SharedLock shared_locks[kSharedLocks];
  WrittenNames written[2];  ///< by Version, if the versions have different roots
};
static_assert(kStagingInLane + sizeof(Staging) <= kRingInLane);
static_assert(kRingInLane + kLag + kLaneScratch <= kLaneStride);
static_assert(kControlOffset + sizeof(Control) <= kLanesOffset);
static_assert(offsetof(Control, processes) + sizeof(Process) <= (2 << 20));

/// A part of a table, for `for`.
template <typename T>
struct Span {
  T* first;
  T* last;
  T* begin() const { return first; }
  T* end() const { return last; }
};

/// The lanes and process pairs that were ever taken. The tables are large and sparse: who walks
/// over all of them touches, and so allocates, a hundred pages.
inline Span<Lane> lanes_taken(Control& c) {
  uint32_t n = c.lanes_end.load();
  return {c.lanes, c.lanes + (n < kMaxLanes ? n : kMaxLanes)};
}
inline Span<Process> processes_taken(Control& c) {
  uint32_t n = c.processes_end.load();
  return {c.processes, c.processes + (n < kMaxProcesses ? n : kMaxProcesses)};
}
/// Counts index `i` as taken (`end` is lanes_end or processes_end).
inline void note_taken(Word& end, uint32_t i) {
  uint32_t now = end.load();
  while (now < i + 1 && !end.compare_exchange_weak(now, i + 1)) {
  }
}

}  // namespace mx::stream
