// What agents report, as lines of the report.
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "shim/monitor/clock.h"
#include "shim/monitor/events.h"
#include "shim/monitor/monitor.h"
#include "shim/monitor/own_processes.h"
#include "shim/monitor/pace.h"
#include "shim/syscalls/syscalls.h"

namespace mx::monitor {

using namespace stream;
using nlohmann::ordered_json;

namespace {

std::string text_of(const Message& m) {
  return printable(m.text, std::min<size_t>(m.text_size, sizeof m.text));
}

// Calibrated once, against the monotonic clock.
double tsc_per_microsecond() {
  static const double value = [] {
    timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    uint64_t t0 = __builtin_ia32_rdtsc();
    do clock_gettime(CLOCK_MONOTONIC, &b);
    while ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec) < 2e6);
    uint64_t t1 = __builtin_ia32_rdtsc();
    double us = (b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3;
    return (t1 - t0) / us;
  }();
  return value;
}

// The arguments of a call that are compared by value (descriptors, sizes, flags; no pointers).
template <typename F>
ordered_json values(int64_t nr, F&& value) {
  ordered_json list = ordered_json::array();
  const sys::Desc& d = sys::describe(nr);
  for (int i = 0; i < d.nargs; i++) list.push_back(value(d, i));
  return list;
}

ordered_json compared_values(int64_t nr, const char* bytes) {
  return values(nr, [bytes](const sys::Desc&, int i) {
    int64_t v;
    memcpy(&v, bytes + 8 * i, sizeof v);
    return v;
  });
}

ordered_json own_values(const Message& m) {
  uint64_t args[6];
  for (int i = 0; i < 6; i++) args[i] = static_cast<uint64_t>(m.number[6 + i]);
  return values(m.number[1], [&args](const sys::Desc& d, int i) {
    return static_cast<int64_t>(sys::compared_value(d, i, args));
  });
}

ordered_json divergence_fields(const Message& m) {
  ordered_json f{{"version", name(m.version)},
                 {"call", call_name(m.number[1])},
                 {"site", hex(m.number[2])},
                 {"position", m.number[3]}};
  switch (m.number[0]) {
    case 1:
      f["kind"] = "argument";
      f["argument"] = m.number[4];
      f["leader"] = m.number[5];
      f["follower"] = m.number[6 + std::clamp<int64_t>(m.number[4], 0, 5)];
      break;
    case 2: {
      size_t a = std::min<size_t>(m.number[4], 128), b = std::min<size_t>(m.number[5], 128);
      size_t first = 0;
      while (first < a && first < b && m.text[first] == m.text[a + first]) first++;
      f["kind"] = "bytes";
      f["first_difference"] = first;
      if (first == a && first == b) f["beyond_sample"] = true;
      f["leader"] = printable(m.text, a);
      f["follower"] = printable(m.text + a, b);
      break;
    }
    case 3:
      f["kind"] = "result";
      f["leader"] = m.number[4];
      f["follower"] = m.number[5];
      break;
    default:
      f["kind"] = "sequence";
      f["leader"] = m.number[5] == 1 || m.number[5] == 2 ? call_name(m.number[4])
                                                         : "event " + std::to_string(m.number[5]);
      f["follower"] = call_name(m.number[1]);
      if (m.text_size == 48) {
        f["leader_arguments"] = compared_values(m.number[4], m.text);
        f["follower_arguments"] = own_values(m);
      }
  }
  return f;
}

}  // namespace

double ticks_to_microseconds(int64_t ticks) { return ticks / tsc_per_microsecond(); }

// A version that fails once more on its way back: the end of that recovery, no crash of its own.
// True if it was that.
bool Monitor::on_crash_of_copy(const Message& m) {
  const auto pid = static_cast<pid_t>(m.number[1]);
  if (recoveries_.was_given_up(pid)) return true;
  PairRecovery* recovery = recoveries_.of_copy(pid);
  if (!recovery || arena_.control().processes[m.process].state.load() ==
                       static_cast<uint32_t>(PairState::kFailover))
    return false;
  ordered_json where = ordered_json::object();  // stays empty where nothing is known of the address
  if (m.number[0]) add_symbol(where, pid, static_cast<uint64_t>(m.number[2]));
  recovery->failed("it failed again on the way: " +
                   (m.number[0] ? "signal " + std::to_string(m.number[0]) + " at " +
                                      where.value("symbol", hex(m.number[2]))
                                : "exit with status " + std::to_string(m.number[2])));
  drop_follower_of(m.process, m.version, "it could not be recovered");
  return true;
}

void Monitor::on_crash(const Message& m) {
  if (on_crash_of_copy(m)) return;
  Crash crash;
  crash.past = past_of(arena_, m.number[4] - 1);
  if (m.number[4] > 0 && m.number[4] <= static_cast<int64_t>(kMaxLanes))
    crash.tid = arena_.control().lanes[m.number[4] - 1].real_tid[static_cast<int>(m.version)];
  // Else it has ended meanwhile, or the number is rubbish: it would be stopped, and looked at.
  const bool stands = is_own_process(static_cast<pid_t>(m.number[1]));
  start_recovery(m.process, {static_cast<pid_t>(m.number[1]), stands});
  ordered_json f{{"version", name(m.version)}, {"signal", m.number[0]}, {"pid", m.number[1]}};
  crash.version = m.version;
  crash.pid = static_cast<pid_t>(m.number[1]);
  crash.signal = static_cast<int>(m.number[0]);
  crash.lane = m.number[4] - 1;
  crash.stands = stands;
  crash.survivor =
      arena_.control().processes[m.process].real_pid[static_cast<int>(other(m.version))];
  if (m.number[0]) {
    f["address"] = hex(m.number[2]);
    f["fault_address"] = hex(m.number[3]);
    if (stands) add_symbol(f, crash.pid, static_cast<uint64_t>(m.number[2]));
  } else {
    f["reason"] = "wrong exit";
    f["status"] = m.number[2];
  }
  write_crash(crash, f);
  keep_bundle(m.process);
  report_recovery_start();
  if (m.number[5]) tell_of_no_recovery(arena_.control().processes[m.process], m.version, crash.pid);
  // Nobody looks at it: it has no folder.
  if (recoveries_.was_replaced(crash.pid) && !crashes_.looks_at(crash.pid)) on_looked_at(crash.pid);
}

void Monitor::write_crash(const Crash& crash, ordered_json& line) {
  line["last_calls"] = last_calls(crash, crash.version);
  appear();  // the crash has a folder
  std::string folder = crashes_.open(crash, line, seconds());
  // In a container: relative to the report, which has another path for everybody but this process.
  const std::string own = options_.state_folder + "/";
  if (options_.container && folder.starts_with(own)) folder.erase(0, own.size());
  if (!folder.empty()) line["directory"] = folder;
  report_.write("crash", line);
}

void Monitor::on_failover(const Message& m) {
  Process& p = arena_.control().processes[m.process];
  const Root failed = roots_[1 - static_cast<int>(m.version)];
  const pid_t failed_pid = &p == &root() ? failed.pid : p.real_pid[1 - static_cast<int>(m.version)];
  if (handover_.took_over(m.process, m.number[0], m.number[1])) {
    const bool along = asked_.peer == 0;  // see roll_back_sharers()
    if (asked_.verb != op::Verb::kDrop)
      start_recovery(m.process, {.pid = failed_pid, .stands = true, .along = along});
    return;
  }
  report_.write("failover",
                {{"version", name(m.version)},
                 {"from", name(other(m.version))},
                 {"to", name(m.version)},
                 {"pid", p.real_pid[static_cast<int>(m.version)]},
                 {"descriptors", m.number[0]},
                 {"microseconds", static_cast<int64_t>(ticks_to_microseconds(m.number[1]))}});
  start_recovery(m.process,
                 {failed_pid, &p == &root() ? !failed.ended : !p.last_words.known.load()});
  keep_bundle(m.process);
  report_recovery_start();
  // (Its line may have come first, and begun the recovery.)
  if (!recoveries_.of(p).active()) tell_of_no_recovery(p, other(m.version), failed_pid);
  handover_.begin_below(p, m.version, handover_limit());
}

namespace {

// A follower that went another way: with threads, they may have run in another order.
bool may_want_serial(const Control& c, const Process& p, const std::string& reason) {
  const bool strayed = reason.find("sequences of system calls") != std::string::npos ||
                       reason.find("waited for each other") != std::string::npos;
  return strayed && p.threads.load() > 1 && !c.settings.serial_threads;
}

}  // namespace

void Monitor::on_dropped(const Message& m) {
  const Process& p = arena_.control().processes[m.process];
  if (recoveries_.was_given_up(static_cast<pid_t>(m.number[0]))) return;
  if (PairRecovery& r = recoveries_.of(p); r.active() && r.version() == m.version)
    r.failed(text_of(m));
  ordered_json line{{"version", name(m.version)}, {"pid", m.number[0]}, {"reason", text_of(m)}};
  if (may_want_serial(arena_.control(), p, text_of(m)))
    line["hint"] = "threads that decide by memory who does what want --threads serial";
  report_.write("dropped", line);
  if (&p == &root()) {
    roots_[static_cast<int>(m.version)].was_dropped = true;
    if (!crashes_.looks_at(roots_[static_cast<int>(m.version)].pid)) kill_version(m.version);
  } else if (m.number[0] > 1 && !crashes_.looks_at(static_cast<pid_t>(m.number[0]))) {
    signal_own(static_cast<pid_t>(m.number[0]), SIGKILL);
  }
}

void Monitor::on_message(const Message& m) {
  if (m.process >= kMaxProcesses || static_cast<uint32_t>(m.version) > 1) return;
  Process& p = arena_.control().processes[m.process];
  switch (m.kind) {
    case MessageKind::kExecAttach:
      attach_for_exec(m);
      break;
    case MessageKind::kExecDone:
      detach_after_exec(m);
      break;
    case MessageKind::kSites:
      sites_.serve(static_cast<uint32_t>(m.number[0]), p.real_pid[static_cast<int>(m.version)],
                   m.number[1]);
      break;
    case MessageKind::kDivergence:
      if (ordered_json fields = divergence_fields(m); !rules_.expected(fields))
        report_.write("divergence", fields);
      break;
    case MessageKind::kCrash:
      on_crash(m);
      break;
    case MessageKind::kRecovery:
      continue_recovery();
      break;
    case MessageKind::kHang:
      report_.write("hang", {{"version", name(m.version)}, {"pid", m.number[0]}});
      break;
    case MessageKind::kFailover:
      on_failover(m);
      break;
    case MessageKind::kDropped:
      on_dropped(m);
      break;
    case MessageKind::kStrayed:
      on_strayed(m.process, m.version, static_cast<pid_t>(m.number[0]), text_of(m));
      break;
    case MessageKind::kRefused:
      if (refused_[m.number[0]]++ == 0)
        report_.write(
            "refused",
            {{"version", name(m.version)}, {"call", call_name(m.number[0])}, {"count", 1}});
      break;
    case MessageKind::kPace:
      set_pace(static_cast<pid_t>(m.number[0]), static_cast<int>(m.number[1]),
               static_cast<uint64_t>(m.number[2]));
      break;
    case MessageKind::kNote:
      report_.write("note", {{"version", name(m.version)}, {"reason", text_of(m)}});
      break;
    default:
      break;
  }
}

}  // namespace mx::monitor
