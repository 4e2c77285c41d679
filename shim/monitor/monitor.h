// The monitor: starts both versions, serves their agents (attaching at execve, site tables, the
// report), watches for deaths the agents cannot see (SIGKILL), and ends with the program's status.
//
// One thread runs everything but the futex wait for messages, because
// ptrace belongs to a thread; the waiting thread first puts the
// follower on its way, while the other one does that with the leader.
#pragma once
#include <sys/types.h>

#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shim/monitor/arena.h"
#include "shim/monitor/checkpoints.h"
#include "shim/monitor/control.h"
#include "shim/monitor/crash.h"
#include "shim/monitor/follower_watch.h"
#include "shim/monitor/handover.h"
#include "shim/monitor/launch.h"
#include "shim/monitor/options.h"
#include "shim/monitor/process_watch.h"
#include "shim/monitor/recoveries.h"
#include "shim/monitor/report.h"
#include "shim/monitor/rules.h"
#include "shim/monitor/site_service.h"
#include "shim/monitor/standstill.h"
#include "shim/monitor/transplants.h"
#include "shim/monitor/want_of_memory.h"
#include "shim/operator/state.h"

namespace mx::monitor {

class Monitor {
 public:
  explicit Monitor(const Options& options);
  ~Monitor();
  /// Runs the program to its end. Returns mx's exit status. Throws Error.
  int run();

 private:
  void fill_settings();
  void settle();
  void start();
  int remind();  ///< returns when again, in milliseconds; -1: nobody has to take over
  VersionSpec spec_of(stream::Version v) const;
  void started(stream::Version v, const Departure& launched);
  void warn_if_no_takeover();
  /// `failed`: why it could not start, null: it has.
  void follower_arrived(const Departure* arrived, std::exception_ptr failed);
  void go_without(stream::Version follower, const Error& why);
  bool left_behind();
  void watch();
  bool watch_on();
  void open_events();
  void on_message(const stream::Message& m);
  void on_crash(const stream::Message& m);
  void on_failover(const stream::Message& m);
  void on_dropped(const stream::Message& m);
  bool on_crash_of_copy(const stream::Message& m);
  void write_crash(const Crash& crash, nlohmann::ordered_json& line);
  void on_looked_at(pid_t victim);
  void await_crash_folders();
  void take_messages();
  void take_message(stream::Message& from);
  void mend_mailbox();
  void tell_of_damage(const char* where);
  bool root_is_sane() const;
  void look_for_damage();
  void on_child(pid_t pid, int status, double used = 0);  // `used`: seconds of processor
  pid_t next_child();
  // Processes other than the first (child_ends.cpp).
  void on_orphan_end(pid_t pid, int status);
  void on_child_of_program_end(pid_t pid);
  void on_sudden_end(pid_t pid, int signal);
  void on_sudden_end_of(stream::Process& p, stream::Version v, int signal);
  bool program_hears(pid_t pid) const;
  void end_stand_ins(stream::Process& p, int status) const;
  void declare_killed_leader(pid_t pid);
  void on_root_end(stream::Version v, int status);
  void on_trace_stop(pid_t pid, int status);
  void attach_for_exec(const stream::Message& m);
  void detach_after_exec(const stream::Message& m);
  void forward_signal(int sig, int code, pid_t sender);
  void kill_version(stream::Version v);
  void drop_root_follower(stream::Version v, const char* reason);
  void drop_follower_of(uint32_t process, stream::Version v, const char* reason);
  // The operator's side (operator.cpp).
  void open_state();
  void make_state();
  void appear();  ///< from now on `mx ps` shows the run
  void grow_up();
  int until_grown_ms() const;
  void open_control();
  void on_request(ControlSocket::Peer peer, const op::Request& request);
  nlohmann::ordered_json status() const;
  nlohmann::ordered_json version_status(stream::Version v) const;
  void promote(ControlSocket::Peer peer, stream::Version v, op::Verb verb);
  bool comes_back(stream::Version v);
  void continue_postponed();
  void drop(ControlSocket::Peer peer, stream::Version v);
  void drop_follower(stream::Version v, const char* reason);
  double handover_limit() const;
  void continue_handover();
  void finish_handover(bool done);
  void serve_events(int timeout_ms);
  // Recovery (recovering.cpp).
  void prepare_transplants();
  void start_recovery(uint32_t process, Failed f);
  void tell_of_no_recovery(const stream::Process& p, stream::Version v, pid_t pid);
  void report_recovery_start();
  void keep_bundle(uint32_t process);
  void on_copy_end(PairRecovery& r);
  void end_replaced(pid_t victim);
  void watch_children();
  void continue_recovery();
  void roll_back_sharers(stream::Version v);
  void part_sharers(stream::Version v);
  bool can_replay(const stream::Process& p, stream::Version v);
  bool replay_follower(stream::Process& p, stream::Version v, const Failed& f);
  bool recover_killed_follower(stream::Process& p, stream::Version v);
  void drop_hung_followers();
  bool recover_hung_follower(stream::Process& p, stream::Version v, pid_t pid);
  void on_strayed(uint32_t process, stream::Version v, pid_t pid, const std::string& how);
  void end_recoveries();
  void finish();
  void wait_for_others();
  void kill_keepers();
  void kill_followers();
  bool others_lead() const;
  bool others_to_come() const;
  bool awaits_leader(const stream::Process& p) const;
  int exit_code() const;
  stream::Process& root() const { return arena_.control().processes[0]; }
  stream::Version leader() const { return static_cast<stream::Version>(root().leader.load() & 1); }

  Options options_;
  WantOfMemory want_of_memory_;
  Arena arena_;
  Rules rules_;
  Report report_;
  SiteService sites_;
  std::unique_ptr<op::StateFolder> state_;
  ControlSocket control_{
      [this](ControlSocket::Peer peer, const op::Request& r) { on_request(peer, r); }};
  Handover handover_{arena_};
  CrashFolders crashes_{arena_};
  struct Asked {
    ControlSocket::Peer peer = 0;
    op::Verb verb = op::Verb::kStatus;
  } asked_;  ///< the operator's request that `handover_` serves
  struct Postponed {
    ControlSocket::Peer peer;
    op::Verb verb;
    stream::Version to;
    double until;
  };
  std::optional<Postponed> postponed_;  ///< … that waits for a version to come back
  double started_ = 0, next_reminder_ = 0;
  bool reminds_ = false;  ///< somebody has yet to take over
  bool hidden_ = false;   ///< no state folder yet
  /// A run of a few milliseconds (a command in a script) does without what costs it more than it
  /// takes itself: a state folder, scores for want of memory.
  bool young_ = true;
  double grown_at_ = 0;
  FollowerWatch follower_watch_;
  Transplants transplants_;
  Checkpoints checkpoints_;
  Recoveries recoveries_{arena_, report_, transplants_, crashes_};
  uint64_t mailbox_at_ = 0;  ///< next slot to be read; the arena's mailbox_head is for the agents
  uint32_t sane_leader_ = 0;
  std::set<std::string> told_of_damage_;
  std::set<pid_t> told_;  ///< of which processes it has been said that they do not come back
  std::optional<uint32_t> start_failed_;  ///< the process whose recovery could not begin
  bool rolls_back_[2] = {};  ///< by Version: those who share memory with one that goes back are to
  ProcessWatch process_watch_;
  std::vector<pid_t> ended_;  ///< of `process_watch_`, until the messages have been read
  bool prepared_ = false;     ///< the analysis of what differs has been started
  int epoll_ = -1, signals_ = -1, wake_ = -1;
  struct Root {
    pid_t pid = 0;
    bool ended = false;
    bool was_dropped = false;
    bool declared_dead = false;  ///< as a leader, before it was taken away
    bool out_of_memory = false;  ///< the kernel has killed it: it is not brought back
    int status = 0;
  } roots_[2];
  struct Traced {
    uint32_t process;
    stream::Version version;
  };
  std::map<pid_t, Traced> traced_;
  std::map<long, uint64_t> refused_;
  bool program_ended_ = false;
  stream::Version final_version_ = stream::Version::kOld;
  double deadline_ = 0;
  Standstill last_steps_;  // of what is left when the program has ended
  double next_look_ = 0;   // when to look for followers that hang
};

}  // namespace mx::monitor
