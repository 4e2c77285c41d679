#include "shim/replay/replay.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "recovery/stack_walk.h"
#include "shim/monitor/clock.h"
#include "shim/monitor/crash_details.h"
#include "shim/monitor/events.h"
#include "shim/monitor/proc_stat.h"
#include "shim/monitor/report.h"
#include "shim/monitor/site_service.h"
#include "shim/replay/restore.h"
#include "shim/stream/history.h"

namespace mx::replay {

using namespace stream;
using monitor::Error;
using monitor::hex;
using monitor::seconds;

namespace {

constexpr size_t kMostFrames = 64;
constexpr double kIdle = 2;  // seconds in which the program does nothing: it waits for more log
constexpr int kLookMs = 50;

bool exists(const std::string& path) {
  struct stat s;
  return stat(path.c_str(), &s) == 0;
}

// The same addresses mean the same code only in the same files.
void check_files(const Bundle& b, const RootTree& tree) {
  for (const MappedFile& m : b.modules) {
    struct stat s;
    const std::string path = tree.here(m.path).value_or(m.path);
    const bool there = stat(path.c_str(), &s) == 0;
    const std::string id = there ? build_id_of(path) : "";
    if (!there || id != m.build_id || (id.empty() && static_cast<uint64_t>(s.st_size) != m.size))
      throw Error(
          path +
          (there ? " is not the file that the program had mapped"
                 : ", which the program had mapped, is gone") +
          (m.build_id.empty() ? "" : " (build id " + m.build_id + ")") +
          (tree.is_ours() ? "; of a container: give the root tree of its image by --root" : ""));
  }
}

struct Activity {
  char state = 'X';
  uint64_t ticks = 0;
  pid_t tracer = 0;
};

Activity activity_of(pid_t pid) {
  Activity a;
  const monitor::ProcStat s = monitor::proc_stat(pid);
  if (!s.state) return a;
  a.state = s.state;
  a.ticks = s.ticks;
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string key; status >> key;)
    if (key == "TracerPid:") status >> a.tracer;
  return a;
}

/// Serves the agent, as the monitor does, until the program crashes.
class Stage {
 public:
  Stage(const Bundle& b, const monitor::Arena& arena, pid_t pid)
      : bundle_(b), arena_(arena), pid_(pid), sites_(arena, false, -1) {}

  void wake() {
    Witness& w = arena_.control().processes[bundle_.process].recovery.witness;
    w.state.store(static_cast<uint32_t>(WitnessState::kWoken));
    monitor::futex_wake(w.state);
  }
  /// Sleeps until the agent tells something, or for a while, and serves it.
  void serve() {
    Control& c = arena_.control();
    const uint32_t seen = c.monitor_wake.load();
    if (c.mailbox_head.load() == c.mailbox_tail.load()) {
      const timespec limit{0, kLookMs * 1'000'000};
      syscall(SYS_futex, &c.monitor_wake, FUTEX_WAIT, seen, &limit, nullptr, 0);
    }
    for (uint64_t at; (at = c.mailbox_head.load()) != c.mailbox_tail.load();) {
      Message& m = c.mailbox[at % kMailboxSlots];
      if (!m.ready.load(std::memory_order_acquire)) return;
      on_message(m);
      m.ready.store(0);
      c.mailbox_head.store(at + 1);
    }
  }
  bool crashed() const { return crashed_; }
  bool ended() {
    int status;
    if (!ended_ && waitpid(pid_, &status, WNOHANG | __WALL) == pid_) ended_ = true;
    return ended_;
  }
  /// It has done nothing for some time: it waits for what comes after the log.
  bool waits() {
    const Activity a = activity_of(pid_);
    const double now = seconds();
    if (a.state != 'S' || a.ticks != ticks_ || since_ == 0) since_ = now;
    ticks_ = a.ticks;
    return now - since_ > kIdle;
  }
  Outcome judge() const {
    if (!crashed_) return Outcome::kNoCrash;
    const bool same =
        signal_ == bundle_.crash.signal && (signal_ == 0 || hex(address_) == bundle_.crash.address);
    return same ? Outcome::kSamePlace : Outcome::kElsewhere;
  }
  void print() const;

 private:
  void on_message(const Message& m) {
    if (m.kind == MessageKind::kSites) {
      sites_.serve(static_cast<uint32_t>(m.number[0]), pid_, static_cast<uint64_t>(m.number[1]));
    } else if (m.kind == MessageKind::kCrash && !crashed_) {
      crashed_ = true;
      signal_ = static_cast<int>(m.number[0]);
      address_ = static_cast<uint64_t>(m.number[2]);
      fault_address_ = static_cast<uint64_t>(m.number[3]);
      lane_ = m.number[4] - 1;
    } else if (m.kind == MessageKind::kDivergence) {
      puts("(here it goes another way than the version that survived)");
    }
  }
  void print_stack() const;

  const Bundle& bundle_;
  const monitor::Arena& arena_;
  pid_t pid_;
  monitor::SiteService sites_;
  bool crashed_ = false, ended_ = false;
  int signal_ = 0;
  uint64_t address_ = 0, fault_address_ = 0;
  int64_t lane_ = -1;
  double since_ = 0;
  uint64_t ticks_ = 0;
};

void Stage::print_stack() const {
  if (lane_ < 0 || lane_ >= static_cast<int64_t>(kMaxLanes)) return;
  const SavedRegisters r =
      reinterpret_cast<const History*>(
          arena_.at(history_offset(static_cast<uint32_t>(lane_), bundle_.version)))
          ->registers;
  const auto space = recovery::address_space(pid_);
  if (!r.valid || !space) return;
  int n = 0;
  for (const recovery::StackFrame& f :
       recovery::walk_stack(pid_, {r.rip, r.rsp, r.rbp, r.rbx, r.r12, r.r13, r.r14, r.r15},
                            space.value(), {}, kMostFrames)) {
    const recovery::Module* m = space.value().module_at(f.address);
    const std::string symbol =
        m && m->elf ? monitor::symbol_text(*m->elf, m->path, f.in_module, n > 0) : "?";
    printf("  #%-2d %s  %s%s%s\n", n++, hex(f.address).c_str(), symbol.c_str(), m ? "  " : "",
           m ? m->path.c_str() : "");
  }
}

void Stage::print() const {
  if (!crashed_) return;
  if (signal_)
    printf("signal %d (%s) at %s, fault address %s\n", signal_, strsignal(signal_),
           hex(address_).c_str(), hex(fault_address_).c_str());
  else
    printf("a wrong exit, status %lu\n", address_);
  print_stack();
}

void print_beginning(const Bundle& b, const Restored& process) {
  uint64_t log = 0;
  for (const LanePlace& l : b.lanes) log += l.to - l.from;
  printf("%s (%s version), process %d: from the checkpoint through %lu bytes of log\n",
         b.program.c_str(), b.version ? "new" : "old", process.pid(), log);
  for (const std::string& r : process.remarks()) printf("note: %s\n", r.c_str());
  fflush(stdout);
}

pid_t start_debugger(const Bundle& b, const RootTree& tree, pid_t pid, bool interactive) {
  std::vector<std::string> words{"gdb",  "-q",
                                 "-iex", "set pagination off",
                                 "-iex", "set debuginfod enabled off",
                                 "-iex", "set sysroot " + (tree.is_ours() ? "" : tree.now()),
                                 "-ex",  "handle SIGSYS nostop noprint pass",
                                 "-ex",  "continue",
                                 "-ex",  "backtrace"};
  if (!interactive) words.insert(words.end(), {"-batch", "-ex", "info registers"});
  words.insert(words.end(), {"-p", std::to_string(pid), tree.here(b.program).value_or(b.program)});
  const pid_t child = fork();
  if (child != 0) return child;
  signal(SIGINT, SIG_DFL);
  std::vector<char*> argv;
  for (std::string& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  execvp("gdb", argv.data());
  fprintf(stderr, "mx: cannot execute gdb: %s\n", std::strerror(errno));
  _exit(127);
}

void run_debugger(const Bundle& b, const RootTree& tree, Stage& stage, pid_t pid,
                  bool interactive) {
  signal(SIGINT, SIG_IGN);  // the debugger's
  const pid_t debugger = start_debugger(b, tree, pid, interactive);
  if (debugger < 0) throw monitor::system_error("fork");
  bool woken = false;
  for (int status;;) {
    stage.serve();
    if (!woken && activity_of(pid).tracer) {
      stage.wake();
      woken = true;
    }
    if (waitpid(debugger, &status, WNOHANG) == debugger) {
      if (!woken) throw Error("gdb could not attach to the process");
      break;
    }
  }
  signal(SIGINT, SIG_DFL);
}

}  // namespace

Outcome replay(const ReplayOptions& options) {
  const std::string inner = options.folder + "/replay";
  const std::string folder = exists(inner + "/bundle.json") ? inner : options.folder;
  const Bundle b = read_bundle(folder);
  const RootTree tree(
      b.tree, options.root.empty() ? b.tree : std::filesystem::canonical(options.root).string());
  check_files(b, tree);
  furnish(tree);
  const monitor::Arena arena;
  arena.put_agent_in();
  load_arena(b, folder, arena);
  Restored process(b, folder, tree, arena);
  print_beginning(b, process);
  Stage stage(b, arena, process.pid());
  if (options.debugger)
    run_debugger(b, tree, stage, process.pid(), options.interactive);
  else
    stage.wake();
  const double end = seconds() + options.limit;
  while (!stage.crashed() && !stage.ended() && !stage.waits() && seconds() < end) stage.serve();
  stage.print();
  return stage.judge();
}

}  // namespace mx::replay
