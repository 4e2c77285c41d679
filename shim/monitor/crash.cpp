#include "shim/monitor/crash.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "recovery/stack_walk.h"
#include "shim/monitor/crash_core.h"
#include "shim/monitor/crash_details.h"
#include "shim/monitor/report.h"
#include "shim/stream/history.h"
#include "shim/syscalls/format.h"

namespace mx::monitor {

using namespace stream;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {
constexpr unsigned kMostFolders = 16;  // of one run: the first and the latest
constexpr unsigned kReaderSeconds = 20, kBundleSeconds = 60;
constexpr size_t kMostReaders =
    2;  // at a time that have the crash explained: half a second of processor each
constexpr int kReaderNice = 10;  // the service, and the recovery, come first
// Seconds that a folder waits to be filled: at least (the failover may be under way, and the
// recovery yet to begin), and at most.
constexpr double kSoonest = 0.02, kLatest = 0.3;

std::string recovery_for_people(const ordered_json& line) {
  std::string text = line.value("version", "") + ": " + line.value("result", "");
  if (line.contains("reason")) text += ", " + line["reason"].get<std::string>();
  text += "\n";
  for (const char* part : {"timeline", "steps"}) {
    if (!line.contains(part)) continue;
    text += part == std::string("steps")
                ? "\nBringing in the other version's code, in microseconds:\n"
                : "\nMicroseconds after the crash:\n";
    for (const auto& [step, microseconds] : line[part].items())
      text += "  " + microseconds.dump() + "  " + step + "\n";
  }
  if (line.contains("functions") && !line["functions"].empty()) {
    text += "\nFunctions of the other version that ran instead of its own:\n";
    for (const auto& f : line["functions"]) text += "  " + f.get<std::string>() + "\n";
  }
  return text;
}
}  // namespace

std::shared_ptr<const Past> past_of(const Arena& arena, int64_t lane) {
  if (lane < 0 || lane >= static_cast<int64_t>(kMaxLanes)) return nullptr;
  const auto of = [&](int version) {
    return reinterpret_cast<const History*>(
        arena.at(history_offset(static_cast<uint32_t>(lane), version)));
  };
  auto past = std::make_shared<Past>();
  for (const int version : {0, 1}) (*past)[version] = *of(version);
  return past;
}

SavedRegisters Crash::registers_of(Version v) const {
  return past ? (*past)[static_cast<int>(v)].registers : SavedRegisters{};
}

ordered_json last_calls(const Crash& crash, Version v) {
  ordered_json list = ordered_json::array();
  if (!crash.past) return list;
  const History& h = (*crash.past)[static_cast<int>(v)];
  const uint64_t n = std::min<uint64_t>(h.count, kPastCalls);
  for (uint64_t i = 0; i < n; i++) {
    const PastCall& c = h.calls[(h.count - n + i) % kPastCalls];
    list.push_back(sys::format_call(sys::describe(static_cast<long>(c.nr)), c.args, c.result,
                                    sys::read_nothing));
  }
  return list;
}

void add_symbol(ordered_json& line, pid_t pid, uint64_t address) {
  auto space = recovery::address_space(pid);
  const recovery::Module* m = space ? space.value().module_at(address) : nullptr;
  if (!m || !m->elf) return;
  const uint64_t inside = address - m->bias;
  line["symbol"] = symbol_text(*m->elf, m->path, inside);
  line["module"] = printable(m->path.data(), m->path.size());
  line["module_address"] = hex(inside);
}

std::string CrashFolders::open(const Crash& crash, const ordered_json& line, double now) {
  if (base_.empty()) return {};
  mkdir(base_.c_str(), 0700);
  // A version that crashes again and again: the oldest but the first make room.
  if (count_ >= kMostFolders) {
    std::error_code ignored;
    fs::remove_all(
        base_ + "/" + std::to_string(getpid()) + "-" + std::to_string(count_ - kMostFolders + 2),
        ignored);
  }
  const std::string folder =
      base_ + "/" + std::to_string(getpid()) + "-" + std::to_string(++count_);
  if (mkdir(folder.c_str(), 0700) != 0) return {};
  if (folders_.size() >= kMostFolders) folders_.clear();
  folders_[crash.pid] = {folder,
                         {crash.signal, line.value("address", ""), line.value("symbol", "")}};
  waiting_.push_back({crash, line, folder, now});
  return folder;
}

void CrashFolders::fill(const Waiting& one) {
  const bool explain = readers_.size() < kMostReaders;
  const pid_t child = start_reader(core_ ? kBundleSeconds : kReaderSeconds, [&] {
    write_details(one.crash, one.line, one.folder, explain);
    if (core_ && one.crash.stands) write_crash_core(one.crash, one.folder);
  });
  if (child > 0) readers_[child] = one.crash.stands ? one.crash.pid : 0;
}

void CrashFolders::fill(double now, bool recovers) {
  std::erase_if(waiting_, [&](const Waiting& one) {
    if (now - one.since < (recovers ? kLatest : kSoonest)) return false;
    fill(one);
    return true;
  });
}

void CrashFolders::fill_all() {
  for (const Waiting& one : waiting_) fill(one);
  waiting_.clear();
}

// Nothing there may outlast the run by much, or end with the monitor's signals.
template <typename F>
pid_t CrashFolders::start_reader(unsigned seconds, F&& work) {
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setpriority(PRIO_PROCESS, 0, kReaderNice);
  signal(SIGALRM, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  alarm(seconds);
  int status = 1;
  try {
    work();
    status = 0;
  } catch (const std::exception&) {
  }
  _exit(status);
}

void CrashFolders::add_bundle(pid_t crashed, const ReplayOrigin& origin) {
  const auto found = folders_.find(crashed);
  const pid_t child = found == folders_.end() ? -1 : start_reader(kBundleSeconds, [&] {
    save_replay_bundle(arena_, origin, found->second.place, found->second.path);
  });
  if (child > 0)
    readers_[child] = 0;
  else
    end_witness(arena_, origin.process);
}

void CrashFolders::add_no_bundle(pid_t crashed, const std::string& why) const {
  if (const auto found = folders_.find(crashed); found != folders_.end())
    std::ofstream(found->second.path + "/replay.txt") << "no replay bundle: " << why << "\n";
}

void CrashFolders::add_recovery(pid_t crashed, const ordered_json& line) const {
  const auto found = folders_.find(crashed);
  if (found == folders_.end()) return;
  std::ofstream(found->second.path + "/recovery.json")
      << line.dump(2, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  std::ofstream(found->second.path + "/recovery.txt") << recovery_for_people(line);
}

void CrashFolders::end_all() const {
  for (const auto& [child, victim] : readers_) kill(child, SIGKILL);
}

bool CrashFolders::looks_at(pid_t pid) const {
  for (const Waiting& one : waiting_)
    if (one.crash.stands && one.crash.pid == pid) return true;
  for (const auto& [child, victim] : readers_)
    if (victim == pid) return true;
  return false;
}

pid_t CrashFolders::finished(pid_t child) {
  auto it = readers_.find(child);
  if (it == readers_.end()) return 0;
  const pid_t victim = it->second;
  readers_.erase(it);
  return victim ? victim : child;
}

}  // namespace mx::monitor
