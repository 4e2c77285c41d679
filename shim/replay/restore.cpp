#include "shim/replay/restore.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "recovery/target.h"
#include "shim/monitor/gate.h"
#include "shim/monitor/inject.h"
#include "shim/monitor/report.h"
#include "shim/replay/core_file.h"

namespace mx::replay {

using namespace stream;
using monitor::Error;

namespace {

constexpr uint64_t kScratch = kBootAddress + 0x100, kScratchSize = kPage - 0x100;
constexpr size_t kPartAtOnce = 1 << 20;
constexpr uint64_t kCreating = O_CREAT | O_EXCL | O_TRUNC;

bool is_error(uint64_t result) { return result > ~uint64_t{4095}; }

// --- the arena -------------------------------------------------------------------------------

void read_parts(const Bundle& b, const std::string& file, const monitor::Arena& arena) {
  std::ifstream in(file, std::ios::binary);
  for (const ArenaPart& p : b.arena) {
    if (p.offset > kArenaFileSize || p.size > kArenaFileSize - p.offset)
      throw Error(file + ": beyond the arena");
    std::vector<char> bytes(kPartAtOnce);
    for (uint64_t done = 0; done < p.size;) {
      const auto part = std::min<uint64_t>(p.size - done, bytes.size());
      if (!in.read(bytes.data(), static_cast<std::streamsize>(part)))
        throw Error(file + " ends too early");
      if (pwrite(arena.fd(), bytes.data(), part, static_cast<off_t>(p.offset + done)) !=
          static_cast<ssize_t>(part))
        throw Error("the arena cannot be filled");
      done += part;
    }
  }
}

void set_lane(Lane& l, const LanePlace& place, const Bundle& b) {
  l.head.store(place.to);
  l.tail.store(place.from);
  l.checkpoint[b.version][b.slot].store(place.from);
  if (!l.log_size || (l.log_size & (l.log_size - 1)) || l.log_size > kLog)
    throw Error("the bundle's arena is damaged");
  l.logged.store(place.to);  // all of it is there
  l.acked.store(0);
  l.flight.head = place.to;
  l.flight.phase.store(1);
  l.activity.store(static_cast<uint32_t>(Activity::kEventCall));
  l.consumer_waits.store(0);
  l.producer_waits.store(0);
  l.verdict.store(0);
  l.catch_up_head = l.catch_up_tail = 0;
}

void set_process(Process& p, const Bundle& b) {
  const auto v = static_cast<Version>(b.version);
  p.state.store(static_cast<uint32_t>(PairState::kPaired));
  p.leader.store(static_cast<uint32_t>(other(v)));
  p.real_pid[1 - b.version] = getpid();
  for (int i : {0, 1}) {
    p.alive[i].store(1);
    p.look_up[i].store(0);
  }
  for (Word* w : {&p.failing, &p.parked, &p.handover, &p.husk, &p.descriptors_taken, &p.taker,
                  &p.fd_list_state})
    w->store(0);
  p.keeper_pid = p.spare_keeper = 0;
  p.crash_lane = 0;
  // What makes the agent keep its crash for us: a version that could come back.
  Checkpoint& c = p.checkpoint[b.version];
  c.sleepers[b.slot].turn = b.turn;
  c.sleepers[b.slot].round = b.round;
  c.sleepers[b.slot].slot = b.shared_slot;
  c.current.store(1 - b.slot);
  c.sleepers[1 - b.slot].pid.store(0);
  c.sleepers[1 - b.slot].state.store(static_cast<uint32_t>(SleeperState::kAsleep));
  Recovery& r = p.recovery;
  r.stage.store(static_cast<uint32_t>(RecoveryStage::kNone));
  r.version = static_cast<uint32_t>(b.version);
  r.lane = 0;
  r.led = 0;
  r.crash_position = r.crash_end = 0;
  r.witness.state.store(static_cast<uint32_t>(WitnessState::kAsleep));
}

void set_settings(Settings& s) {
  s.recovery = 1;
  s.hang_timeout_ms = 0;
  s.fault_kind = 0;
  s.monitor_pid = getpid();
}

// --- the process -----------------------------------------------------------------------------

// Calls in the process, which throw when they fail.
class Remote {
 public:
  Remote(pid_t pid, uint64_t instruction, uint64_t cookie = 0)
      : target_(pid, pid, instruction, cookie) {}
  uint64_t attempt(long number, std::initializer_list<uint64_t> arguments) {
    uint64_t a[6] = {}, result = 0;
    std::copy(arguments.begin(), arguments.end(), a);
    if (!target_.system_call(number, a, result))
      throw Error("a system call in it could not be run");
    return result;
  }
  uint64_t call(const char* what, long number, std::initializer_list<uint64_t> arguments) {
    const uint64_t result = attempt(number, arguments);
    if (is_error(result))
      throw Error(std::string(what) + ": " + std::strerror(static_cast<int>(-result)));
    return result;
  }
  /// Text in the process, until the next one.
  uint64_t text(const std::string& s) { return bytes(s.c_str(), s.size() + 1); }
  uint64_t bytes(const void* from, size_t size, uint64_t offset = 0) {
    if (offset + size > kScratchSize || !target_.write(kScratch + offset, from, size))
      throw Error("its memory cannot be written");
    return kScratch + offset;
  }

 private:
  recovery::PtraceTarget target_;
};

// One page in the agent's range with a `syscall` instruction: from there the filter lets all
// through.
void map_gate(pid_t pid, const std::vector<Region>& map, uint64_t cookie) {
  for (const Region& r : map) {
    if (r.path != "[vdso]") continue;
    Remote vdso(pid, r.start + monitor::vdso_syscall_offset(), cookie);
    vdso.call("mapping a page in it", SYS_mmap,
              {kBootAddress, kPage, PROT_READ | PROT_WRITE | PROT_EXEC,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~uint64_t{0}});
    constexpr uint8_t kSyscall[] = {0x0f, 0x05, 0xcc};
    recovery::PtraceTarget(pid, pid, 0).write(kBootAddress, kSyscall, sizeof kSyscall);
    return;
  }
  throw Error("the kernel gives it no vDSO");
}

// Everything of the fresh image goes; what the kernel has mapped moves to where it was.
void clear(Remote& remote, const std::vector<Region>& fresh, const std::vector<Region>& saved) {
  for (const Region& r : fresh)
    if (!r.of_kernel())
      remote.call("unmapping the fresh image", SYS_munmap, {r.start, r.end - r.start});
  for (const Region& from : fresh)
    for (const Region& to : saved)
      if (from.of_kernel() && from.path == to.path && from.end - from.start == to.end - to.start &&
          from.start != to.start && from.path != "[vsyscall]")
        remote.attempt(SYS_mremap, {from.start, from.end - from.start, to.end - to.start,
                                    MREMAP_MAYMOVE | MREMAP_FIXED, to.start});
}

class Mapper {
 public:
  Mapper(Remote& remote, const RootTree& tree, uint32_t arena_fd)
      : remote_(remote), tree_(tree), arena_fd_(arena_fd) {}
  ~Mapper() = default;
  void map(const Region& r) {
    uint64_t flags = MAP_FIXED | (r.shared ? MAP_SHARED : MAP_PRIVATE), fd = ~uint64_t{0};
    if (r.path.starts_with("/memfd:mx-arena"))
      fd = arena_fd_;
    else if (r.of_file() && !r.shared_anonymous())
      fd = file(r.path);
    if (is_error(fd)) {  // (of what is shared the agent maps its copy)
      if (r.shared && !r.shared_anonymous()) throw Error(r.path + " cannot be mapped");
      flags |= MAP_ANONYMOUS | MAP_NORESERVE | (r.path == "[stack]" ? MAP_GROWSDOWN : 0);
    }
    remote_.call(r.path.c_str(), SYS_mmap,
                 {r.start, r.end - r.start, static_cast<uint64_t>(r.protection), flags, fd,
                  is_error(fd) ? 0 : r.offset});
  }
  void close_files() {
    for (const auto& [path, fd] : files_)
      if (!is_error(fd)) remote_.attempt(SYS_close, {fd});
  }

 private:
  uint64_t file(const std::string& path) {
    const auto found = files_.find(path);
    if (found != files_.end()) return found->second;
    const auto inside = tree_.inside(path);
    if (!inside) throw Error(path + ", which the program had mapped, lies outside of its root");
    return files_[path] =
               remote_.attempt(SYS_open, {remote_.text(*inside), O_RDONLY | O_CLOEXEC, 0});
  }
  Remote& remote_;
  const RootTree& tree_;
  uint32_t arena_fd_;
  std::map<std::string, uint64_t> files_;
};

void fill(pid_t pid, const CoreFile& core, const std::vector<Region>& map) {
  const int memory = open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_WRONLY | O_CLOEXEC);
  if (memory < 0) throw monitor::system_error("its memory cannot be written");
  std::vector<uint8_t> buffer(1 << 20);
  std::string failed;
  const auto copy = [&](const CorePart& p) {
    for (uint64_t done = 0; done < p.size && failed.empty();) {
      const uint64_t n = std::min<uint64_t>(buffer.size(), p.size - done);
      core.read(p.offset + done, buffer.data(), n);
      if (pwrite(memory, buffer.data(), n, static_cast<off_t>(p.address + done)) !=
          static_cast<ssize_t>(n))
        failed = "its memory cannot be written at " + monitor::hex(p.address + done);
      done += n;
    }
  };
  for (const CorePart& part : core.parts()) {
    const auto r = std::find_if(map.begin(), map.end(), [&part](const Region& region) {
      return region.start == part.address;
    });
    if (r == map.end() || r->of_kernel()) continue;
    if (r->of_file())
      copy(part);
    else
      for (const CorePart& data : core.data_in(part)) copy(data);
  }
  close(memory);
  if (!failed.empty()) throw Error(failed);
}

// Where the kernel thinks that program, heap and stack are: gdb asks it, and so does brk().
bool set_layout(Remote& remote, const Bundle& b) {
  prctl_mm_map m{};
  static_assert(offsetof(prctl_mm_map, auxv) == 11 * 8);
  if (b.layout.size() != 11) return false;
  std::memcpy(&m, b.layout.data(), 11 * 8);
  const size_t size = b.auxiliary.size() * 8;
  m.auxv = reinterpret_cast<__u64*>(remote.bytes(b.auxiliary.data(), size, sizeof m));
  m.auxv_size = static_cast<__u32>(size);
  m.exe_fd = ~0u;
  return !is_error(remote.attempt(
      SYS_prctl, {PR_SET_MM, PR_SET_MM_MAP, remote.bytes(&m, sizeof m), sizeof m, 0}));
}

bool open_file(Remote& remote, const RootTree& tree, const OpenFile& f) {
  const auto path = tree.inside(f.path);
  if (!path) return false;
  const uint64_t fd = remote.attempt(SYS_open, {remote.text(*path), f.flags & ~kCreating, 0});
  if (is_error(fd)) return false;
  remote.attempt(SYS_lseek, {fd, f.offset, SEEK_SET});
  if (fd == static_cast<uint64_t>(f.number)) return true;
  const uint64_t placed =
      remote.attempt(SYS_dup3, {fd, static_cast<uint64_t>(f.number), f.flags & O_CLOEXEC});
  remote.attempt(SYS_close, {fd});
  return !is_error(placed);
}

void enter(Remote& remote, const RootTree& tree, const Bundle& b,
           std::vector<std::string>& remarks) {
  const auto folder = tree.inside(b.folder), root = tree.inside(b.root);
  if (!folder || is_error(remote.attempt(SYS_chdir, {remote.text(*folder)})))
    remarks.push_back("cannot change to " + b.folder);
  if (!root) throw Error("its root " + b.root + " lies outside of " + b.tree);
  if (*root != "/") remote.call("chroot", SYS_chroot, {remote.text(*root)});
}

void start_thread(pid_t pid, ThreadRegisters t) {
  // It slept in a call; the agent looks up when that is interrupted.
  t.general.rax = static_cast<uint64_t>(-EINTR);
  t.general.orig_rax = ~0ull;
  set_registers(pid, t);
}

const monitor::Gate& mapped_gate() {
  static monitor::Gate gate;
  if (!gate.map()) throw monitor::system_error("cannot map the start-up code");
  return gate;
}

monitor::VersionSpec spec_of(const Bundle& b, const RootTree& tree) {
  monitor::VersionSpec spec;
  spec.program = tree.inside(b.program).value_or(b.program);
  spec.root = tree.now();
  spec.argv = {spec.program};
  return spec;
}

}  // namespace

void load_arena(const Bundle& b, const std::string& folder, const monitor::Arena& arena) {
  if (b.protocol != kProtocolVersion)
    throw Error("the bundle is of another release of mx (protocol " + std::to_string(b.protocol) +
                ", this one has " + std::to_string(kProtocolVersion) + ")");
  read_parts(b, folder + "/arena", arena);
  Control& c = arena.control();
  if (c.magic != kArenaMagic || c.version != kProtocolVersion)
    throw Error(folder + "/arena is damaged");
  std::memset(static_cast<void*>(c.mailbox), 0, sizeof c.mailbox);
  c.mailbox_head.store(0);
  c.mailbox_tail.store(0);
  set_settings(c.settings);
  if (b.process >= kMaxProcesses || b.shared_slot >= kSharedSlots)
    throw Error(folder + "/bundle.json is damaged");
  set_process(c.processes[b.process], b);
  for (Lane& l : lanes_taken(c)) l.in_use.store(0);
  for (const LanePlace& place : b.lanes) {
    if (place.lane >= kMaxLanes) throw Error(folder + "/bundle.json is damaged");
    set_lane(c.lanes[place.lane], place, b);
    c.lanes[place.lane].in_use.store(1);
  }
}

Restored::Restored(const Bundle& b, const std::string& folder, const RootTree& tree,
                   const monitor::Arena& arena)
    : departure_(arena, mapped_gate(), spec_of(b, tree), 0, static_cast<Version>(b.version), true) {
  const Settings& s = arena.control().settings;
  const CoreFile core(folder + "/checkpoint.core");
  std::ifstream maps(folder + "/maps");
  const std::vector<Region> saved = read_map(maps);
  departure_.arrive();
  const std::vector<Region> fresh = map_of(pid());
  map_gate(pid(), fresh, s.cookie);
  {
    Remote remote(pid(), kBootAddress);
    clear(remote, fresh, saved);
    Mapper mapper(remote, tree, s.reserved_fd);
    for (const Region& r : saved)
      if (!r.of_kernel()) mapper.map(r);
    mapper.close_files();
    fill(pid(), core, saved);
    if (!set_layout(remote, b)) remarks_.push_back("the kernel does not take its layout");
    for (const OpenFile& f : b.files)
      if (!open_file(remote, tree, f)) remarks_.push_back("cannot open " + f.path);
    enter(remote, tree, b, remarks_);
    remote.attempt(SYS_munmap, {kBootAddress, kPage});
  }
  start_thread(pid(), core.threads().front());
  if (ptrace(PTRACE_DETACH, pid(), 0, 0) != 0) throw Error("it cannot be let go");
}

}  // namespace mx::replay
