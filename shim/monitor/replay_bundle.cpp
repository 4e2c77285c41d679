#include "shim/monitor/replay_bundle.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "recovery/target.h"
#include "shim/monitor/events.h"
#include "shim/monitor/proc_text.h"
#include "shim/replay/core_file.h"
#include "shim/stream/event.h"
#include "shim/stream/lane_log.h"

namespace mx::monitor {

using namespace stream;
namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMostMemory = 512 << 20;
constexpr time_t kPatience = 5;  // seconds until the witness sleeps

Witness& witness(const Arena& arena, uint32_t process) {
  return arena.control().processes[process].recovery.witness;
}

std::string proc(pid_t pid, const std::string& file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

std::string link_of(const std::string& path) {
  std::error_code ignored;
  return fs::read_symlink(path, ignored).string();
}

// Throws if it cannot be read.
void read_published(const Arena& arena, uint32_t lane, uint64_t position, void* to, uint64_t size) {
  auto read = [&arena](void* bytes, uint64_t n, uint64_t offset) {
    return pread(arena.fd(), bytes, n, static_cast<off_t>(offset));
  };
  if (!read_lane(arena.control().lanes[lane], lane, position, to, size, read))
    throw std::runtime_error("the log cannot be read");
}

// A leader that crashed: where it told so. What stands from there on is the survivor's.
uint64_t failure_of_leader(const Arena& arena, uint32_t lane, uint64_t from, uint64_t end) {
  for (uint64_t at = from; at < end;) {
    EventHeader h;
    read_published(arena, lane, at, &h, sizeof h);
    const uint64_t next = at + sizeof h + padded(h.size);
    if (next >= end) return at;
    at = next;
  }
  return from;
}

// --- the arena -------------------------------------------------------------------------------

// Only what was ever written: looking at a page of the arena makes it.
template <typename F>
void each_written(const Arena& arena, uint64_t offset, uint64_t size, F f) {
  const auto end = static_cast<off_t>(offset + size);
  for (auto at = static_cast<off_t>(offset); at < end;) {
    at = lseek(arena.fd(), at, SEEK_DATA);
    if (at < 0 || at >= end) return;
    const off_t hole = std::min(end, lseek(arena.fd(), at, SEEK_HOLE));
    f(static_cast<uint64_t>(at), static_cast<uint64_t>(hole - at));
    at = hole;
  }
}

// What the checkpoint shares stands in a part of the file that nobody here maps.
std::vector<ReplayOrigin::Bytes> shared_memory_of(const Arena& arena, const ReplayOrigin& o) {
  std::vector<ReplayOrigin::Bytes> shared;
  const auto version = static_cast<uint32_t>(o.version);
  if (!o.round) return shared;
  each_written(arena, shared_copy_offset(version, o.shared_slot), kSharedSize,
               [&](uint64_t at, uint64_t n) {
                 ReplayOrigin::Bytes part{at, std::vector<char>(n)};
                 if (pread(arena.fd(), part.bytes.data(), n, static_cast<off_t>(at)) ==
                     static_cast<ssize_t>(n))
                   shared.push_back(std::move(part));
               });
  return shared;
}

class ArenaCopy {
 public:
  ArenaCopy(const Arena& arena, const std::string& path)
      : arena_(arena), out_(path, std::ios::binary) {}
  void add(uint64_t offset, uint64_t size) {
    if (!size) return;
    out_.write(reinterpret_cast<const char*>(arena_.at(offset)),
               static_cast<std::streamsize>(size));
    parts_.push_back({offset, size});
  }
  void add_written(uint64_t offset, uint64_t size) {
    each_written(arena_, offset, size, [this](uint64_t at, uint64_t n) { add(at, n); });
  }
  void add_bytes(uint64_t offset, const std::vector<char>& bytes) {
    out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    parts_.push_back({offset, bytes.size()});
  }
  /// All of it where the log is. Throws if it has been written over meanwhile.
  void add_log(const replay::LanePlace& l) {
    const Lane& lane = arena_.control().lanes[l.lane];
    const uint64_t length = lane.log_size ? lane.log_size : kLog;
    for (uint64_t at = l.from; at < l.to;) {
      std::vector<char> bytes(
          std::min({l.to - at, length - (at & (length - 1)), uint64_t{1} << 20}));
      read_published(arena_, l.lane, at, bytes.data(), bytes.size());
      out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      parts_.push_back({log_offset(l.lane) + (at & (length - 1)), bytes.size()});
      at += bytes.size();
    }
    if (lane.head.load() > l.from + length)
      throw std::runtime_error("the log was written over before it was saved");
  }
  std::vector<replay::ArenaPart> finish() {
    if (!out_.flush()) throw std::runtime_error("the log cannot be written");
    return parts_;
  }

 private:
  const Arena& arena_;
  std::ofstream out_;
  std::vector<replay::ArenaPart> parts_;
};

// --- the process -----------------------------------------------------------------------------

// As proc_pid_stat(5) counts; 0 is the pid.
std::vector<uint64_t> statistics_of(pid_t pid) {
  const std::string text = proc_text(proc(pid, "stat"));
  std::istringstream in(text.substr(std::min(text.size(), text.rfind(')') + 2)));
  std::vector<uint64_t> fields(2);
  for (std::string word; in >> word;) fields.push_back(std::strtoull(word.c_str(), nullptr, 10));
  fields.resize(52);
  return fields;
}

// start_code end_code start_data end_data start_brk brk start_stack arg_start arg_end env_start
// env_end, as in struct prctl_mm_map.
std::vector<uint64_t> layout_of(pid_t pid, const std::vector<replay::Region>& map) {
  const std::vector<uint64_t> s = statistics_of(pid);
  uint64_t brk = s[46];
  for (const replay::Region& r : map)
    if (r.path == "[heap]") brk = std::max(brk, r.end);
  return {s[25], s[26], s[44], s[45], s[46], brk, s[27], s[47], s[48], s[49], s[50]};
}

std::vector<replay::OpenFile> files_of(pid_t pid, uint32_t reserved) {
  std::vector<replay::OpenFile> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(proc(pid, "fd"), error)) {
    replay::OpenFile f{std::stoi(entry.path().filename().string()), link_of(entry.path()), 0, 0};
    if (f.number == static_cast<int>(reserved) || !f.path.starts_with("/")) continue;
    std::ifstream in(proc(pid, "fdinfo/") + std::to_string(f.number));
    for (std::string key; in >> key;) {
      if (key == "pos:") in >> std::dec >> f.offset;
      if (key == "flags:") in >> std::oct >> f.flags;
    }
    files.push_back(f);
  }
  return files;
}

std::vector<replay::MappedFile> modules_of(const std::vector<replay::Region>& map) {
  std::vector<replay::MappedFile> modules;
  std::set<std::string> seen;
  std::error_code error;
  for (const replay::Region& r : map) {
    if (!r.of_file() || r.in_memory() || !seen.insert(r.path).second) continue;
    const uint64_t size = fs::file_size(r.path, error);
    modules.push_back({r.path, replay::build_id_of(r.path), error ? 0 : size});
  }
  return modules;
}

pid_t await_witness(Witness& w) {
  constexpr auto kWanted = static_cast<uint32_t>(WitnessState::kWanted);
  const timespec limit{kPatience, 0};
  if (w.state.load() == kWanted)
    syscall(SYS_futex, &w.state, FUTEX_WAIT, kWanted, &limit, nullptr, 0);
  const pid_t pid = w.pid.load();
  if (w.state.load() != static_cast<uint32_t>(WitnessState::kAsleep) || pid <= 1)
    throw std::runtime_error("the checkpoint could not be copied");
  return pid;
}

// Stands still under ptrace as long as this lives.
class Held {
 public:
  explicit Held(pid_t pid) : pid_(pid) {
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) != 0 ||
        !recovery::wait_for_stop(pid))
      throw std::runtime_error("the copy of the checkpoint cannot be traced");
  }
  ~Held() { ptrace(PTRACE_DETACH, pid_, 0, 0); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  pid_t pid_;
};

// What is mapped so belongs to the one that follows, too, and has changed by now.
void check_shared(const std::vector<replay::Region>& map) {
  for (const replay::Region& r : map)
    if (r.shared && r.path.starts_with("/memfd:") && !r.path.starts_with("/memfd:mx-arena"))
      throw std::runtime_error(
          "the program maps memfds, or files shared and writable, which a bundle does not hold");
}

// Paths begin with it, unless its mount has been taken away since.
std::string tree_of(const Arena& arena, const replay::Bundle& b) {
  std::error_code ignored;
  const std::string tree =
      fs::canonical(arena.control().settings.root[b.version & 1], ignored).string();
  const bool seen = b.root == tree || b.root.starts_with(tree + "/");
  return tree.empty() || !seen ? "/" : tree;
}

void save_process(pid_t pid, uint32_t reserved, replay::Bundle& b, const std::string& folder) {
  const Held held(pid);
  const std::vector<replay::Region> map = replay::map_of(pid);
  check_shared(map);
  b.program = link_of(proc(pid, "exe"));
  b.root = link_of(proc(pid, "root"));
  b.folder = link_of(proc(pid, "cwd"));
  b.layout = layout_of(pid, map);
  const std::string aux = proc_text(proc(pid, "auxv"));
  b.auxiliary.resize(aux.size() / 8);
  std::memcpy(b.auxiliary.data(), aux.data(), b.auxiliary.size() * 8);
  b.files = files_of(pid, reserved);
  std::ofstream(folder + "/maps") << proc_text(proc(pid, "maps"));
  replay::write_core(pid, {replay::registers_of(pid)}, folder + "/checkpoint.core", kMostMemory);
  b.modules = modules_of(map);
}

void save(const Arena& arena, const ReplayOrigin& origin, const replay::CrashPlace& crash,
          const std::string& folder) {
  replay::Bundle b;
  b.protocol = kProtocolVersion;
  b.process = origin.process;
  b.version = static_cast<int>(origin.version);
  b.crash = crash;
  b.turn = origin.turn;
  b.slot = origin.slot;
  b.round = origin.round;
  b.shared_slot = origin.shared_slot;
  b.lanes = origin.lanes;
  ArenaCopy copy(arena, folder + "/arena");
  for (const replay::LanePlace& l : b.lanes) copy.add_log(l);  // first: the program goes on
  copy.add_written(0, kControlOffset + sizeof(Control));
  copy.add_written(kSitesOffset, kSitesSize);
  for (const ReplayOrigin::Bytes& part : origin.shared) copy.add_bytes(part.offset, part.bytes);
  b.arena = copy.finish();
  save_process(await_witness(witness(arena, origin.process)), arena.control().settings.reserved_fd,
               b, folder);
  b.tree = tree_of(arena, b);
  write_bundle(b, folder);
}

}  // namespace

ReplayOrigin replay_origin(const Arena& arena, uint32_t process) {
  Control& c = arena.control();
  const Process& p = c.processes[process];
  const Recovery& r = p.recovery;
  const uint32_t v = r.version & 1;
  const Checkpoint& checkpoint = p.checkpoint[v];
  const uint32_t slot = checkpoint.current.load() & 1;
  const Sleeper& s = checkpoint.sleepers[slot];
  ReplayOrigin o{process, static_cast<Version>(v), s.turn, slot, s.round, s.slot, {}, {}};
  uint32_t index = 0;
  for (const Lane& l : lanes_taken(c)) {
    const uint32_t lane = index++;
    if (l.in_use.load() != 1 || l.process != process) continue;
    const uint64_t from = l.checkpoint[v][slot].load();
    uint64_t to = l.head.load();
    if (to < from || to - from > std::max<uint64_t>(l.log_size, kLag))
      continue;  // a thread that came later
    if (r.led && r.lane == lane + 1 && r.crash_end > from && r.crash_end <= to)
      to = failure_of_leader(arena, lane, std::max(from, r.crash_position), r.crash_end);
    o.lanes.push_back({lane, from, to});
  }
  o.shared = shared_memory_of(arena, o);
  return o;
}

bool ask_for_witness(const Arena& arena, uint32_t process) {
  Witness& w = witness(arena, process);
  return change(w, WitnessState::kNone, WitnessState::kWanted) ||
         change(w, WitnessState::kVoid, WitnessState::kWanted);
}

void end_witness(const Arena& arena, uint32_t process) {
  Witness& w = witness(arena, process);
  if (w.state.load() == static_cast<uint32_t>(WitnessState::kNone)) return;
  w.state.store(static_cast<uint32_t>(WitnessState::kVoid));
  futex_wake(w.state);
}

void save_replay_bundle(const Arena& arena, const ReplayOrigin& origin,
                        const replay::CrashPlace& crash, const std::string& folder) {
  const std::string part = folder + "/replay.part";
  std::error_code ignored;
  try {
    fs::create_directory(part);
    save(arena, origin, crash, part);
    fs::rename(part, folder + "/replay");
  } catch (const std::exception& e) {
    fs::remove_all(part, ignored);
    std::ofstream(folder + "/replay.txt") << "no replay bundle: " << e.what() << "\n";
  }
  end_witness(arena, origin.process);
}

}  // namespace mx::monitor
