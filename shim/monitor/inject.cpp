#include "shim/monitor/inject.h"

#include <elf.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cstring>
#include <vector>

#include "shim/agent/boot.h"
#include "shim/monitor/last_words.h"

namespace mx::monitor {

using namespace stream;

namespace {

bool read_memory(pid_t pid, uint64_t at, void* to, size_t n) {
  iovec local{to, n}, remote{reinterpret_cast<void*>(at), n};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(n);
}

bool write_memory(pid_t pid, uint64_t at, const void* from, size_t n) {
  iovec local{const_cast<void*>(from), n}, remote{reinterpret_cast<void*>(at), n};
  return process_vm_writev(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(n);
}

struct Stack {
  uint64_t vdso = 0;
  uint64_t vdso_entry = 0;  // address of its auxv entry
  uint64_t random = 0;
};

// The words of another process's memory, one after the other.
class RemoteWords {
 public:
  RemoteWords(pid_t pid, uint64_t at) : pid_(pid), at_(at) {}
  bool next(uint64_t& word) {
    if (used_ == got_ && !fill()) return false;
    word = block_[used_++];
    at_ += sizeof word;
    return true;
  }
  bool skip(uint64_t count) {
    for (uint64_t word; count != 0; count--)
      if (!next(word)) return false;
    return true;
  }
  /// Of the word that comes next.
  uint64_t address() const { return at_; }

 private:
  bool fill() {
    used_ = 0;
    // Less where the memory ends.
    for (got_ = kBlock; got_ != 0 && !read_memory(pid_, at_, block_, got_ * sizeof block_[0]);)
      got_ /= 2;
    return got_ != 0;
  }
  static constexpr size_t kBlock = 512;
  const pid_t pid_;
  uint64_t at_;
  uint64_t block_[kBlock];
  size_t used_ = 0, got_ = 0;
};

// argc, argv…, 0, envp…, 0, auxv.
bool read_stack(pid_t pid, uint64_t sp, Stack& out) {
  RemoteWords words(pid, sp);
  uint64_t word;
  if (!words.next(word) || !words.skip(word + 1)) return false;
  do {  // environment
    if (!words.next(word)) return false;
  } while (word != 0);
  for (;;) {
    const uint64_t entry = words.address();
    uint64_t type, value;
    if (!words.next(type) || !words.next(value)) return false;
    if (type == AT_NULL) return true;
    if (type == AT_SYSINFO_EHDR) out.vdso = value, out.vdso_entry = entry;
    if (type == AT_RANDOM) out.random = value;
  }
}

// Resumes the process and waits for the stop that `request` asks for.
// Signals that come in between (SIGSTOP: the others are blocked)
// would be taken for it: they are held in `held`, to be sent again.
bool resume(int request, pid_t pid, uint64_t& held) {
  for (;;) {
    int status;
    if (ptrace(static_cast<__ptrace_request>(request), pid, 0, 0) != 0) return false;
    if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status)) return false;
    int sig = WSTOPSIG(status) & 0x7f;
    if (status >> 16 == PTRACE_EVENT_STOP) continue;
    if (sig == SIGTRAP) return true;
    if (sig < 64) held |= uint64_t{1} << sig;
  }
}

void send_again(pid_t pid, uint64_t held) {
  for (int sig = 1; sig < 64; sig++)
    if (held >> sig & 1) kill(pid, sig);
}

// Runs one system call in the stopped process; it must stand outside any system call.
bool remote_call(pid_t pid, uint64_t instruction, const user_regs_struct& saved, long nr,
                 const uint64_t (&a)[6], uint64_t& result, uint64_t& held) {
  user_regs_struct r = saved;
  r.rip = instruction;
  r.rax = nr;
  r.orig_rax = -1;
  r.rdi = a[0], r.rsi = a[1], r.rdx = a[2], r.r10 = a[3], r.r8 = a[4], r.r9 = a[5];
  if (ptrace(PTRACE_SETREGS, pid, 0, &r) != 0) return false;
  if (!resume(PTRACE_SINGLESTEP, pid, held)) return false;
  if (ptrace(PTRACE_GETREGS, pid, 0, &r) != 0) return false;
  result = r.rax;
  return true;
}

agent::BootInfo boot_info(const Injection& in, const Arena& arena, const user_regs_struct& regs,
                          const Stack& stack) {
  agent::BootInfo b{};
  b.arena_fd = arena.control().settings.reserved_fd;
  b.text = kTextAddress;
  b.text_size = AgentImage::text_size();
  b.text_offset = kAgentImageOffset;
  b.data = kDataAddress;
  b.data_size = AgentImage::data_size();
  b.data_offset = kAgentImageOffset + AgentImage::text_size();
  b.arena = kArenaBase;
  b.arena_size = kArenaSize;
  b.start = AgentImage::start();
  b.entry = regs.rip;
  b.stack = regs.rsp;
  b.vdso = stack.vdso;
  b.process = in.process;
  b.version = static_cast<uint64_t>(in.version);
  b.initial = in.initial;
  return b;
}

// Both versions get the same random bytes: drawn for the leader's image, which tells the follower.
// (Those of the first images are drawn before, for these arrive in any order.)
void share_random(const Arena& arena, const Injection& in, pid_t pid, uint64_t at) {
  if (!at) return;
  Process& p = arena.control().processes[in.process];
  auto& bytes = p.image[static_cast<int>(in.version)].at_random;
  if (p.leader.load() == static_cast<uint32_t>(in.version) && !in.initial) {
    if (getrandom(bytes, sizeof bytes, 0) < 0) return;
  }
  write_memory(pid, at, bytes, sizeof bytes);
}

// The kernel counts bytes from the process's birth, the agent from here.
void count_from_here(const Arena& arena, const Injection& in) {
  Process& p = arena.control().processes[in.process];
  const uint32_t lane = fetched(p.lane[static_cast<int>(in.version)]);
  if (p.leader.load() != static_cast<uint32_t>(in.version) || lane >= kMaxLanes) return;
  uint64_t io[2];
  if (!moved_bytes(in.pid, io)) return;
  for (int k : {kRead, kWritten}) {
    arena.control().lanes[lane].io[k] = io[k];
    p.io_ended[k].store(0);
  }
  p.first_io_known.store(0);
}

}  // namespace

uint64_t vdso_syscall_offset() {
  auto* base = reinterpret_cast<const uint8_t*>(getauxval(AT_SYSINFO_EHDR));
  if (!base) return 0;
  auto* eh = reinterpret_cast<const Elf64_Ehdr*>(base);
  auto* ph = reinterpret_cast<const Elf64_Phdr*>(base + eh->e_phoff);
  for (int i = 0; i < eh->e_phnum; i++) {
    if (ph[i].p_type != PT_LOAD || !(ph[i].p_flags & PF_X)) continue;
    for (uint64_t at = ph[i].p_offset; at + 2 <= ph[i].p_offset + ph[i].p_filesz; at++)
      if (base[at] == 0x0f && base[at + 1] == 0x05) return at;
  }
  return 0;
}

std::string inject(const Arena& arena, const Injection& in) {
  // At the event stop the kernel has yet to store execve's result: go on to the exit of the call.
  // (A first image has stopped behind it, see launch.cpp.)
  uint64_t held = 0;
  if (!in.initial && !resume(PTRACE_SYSCALL, in.pid, held)) return "the process vanished at execve";
  user_regs_struct regs;
  if (ptrace(PTRACE_GETREGS, in.pid, 0, &regs) != 0) return "its registers cannot be read";
  Stack stack;
  if (!read_stack(in.pid, regs.rsp, stack)) return "its stack cannot be read";
  static const uint64_t syscall_offset = vdso_syscall_offset();
  if (!stack.vdso || !syscall_offset) return "the kernel gives it no vDSO (boot option vdso=0?)";
  share_random(arena, in, in.pid, stack.random);
  uint64_t ignore = AT_IGNORE;
  write_memory(in.pid, stack.vdso_entry, &ignore, 8);

  uint64_t result = 0;
  const uint64_t args[6] = {kBootAddress, kPage,
                            7 /*RWX*/,    0x100022 /*PRIVATE|ANON|FIXED_NOREPLACE*/,
                            ~uint64_t{0}, arena.control().settings.cookie};
  if (!remote_call(in.pid, stack.vdso + syscall_offset, regs, 9 /*mmap*/, args, result, held))
    return "a system call in it could not be run";
  if (result != kBootAddress) return "its memory at the agent's address is taken";
  std::vector<uint8_t> page(AgentImage::boot_code(),
                            AgentImage::boot_code() + AgentImage::boot_size());
  agent::BootInfo info = boot_info(in, arena, regs, stack);
  std::memcpy(page.data() + AgentImage::boot_info_offset(), &info, sizeof info);
  if (!write_memory(in.pid, kBootAddress, page.data(), page.size()))
    return "the agent could not be written";
  count_from_here(arena, in);
  regs.rip = kBootAddress;
  regs.orig_rax = -1;
  if (ptrace(PTRACE_SETREGS, in.pid, 0, &regs) != 0) return "its registers cannot be set";
  if (ptrace(PTRACE_DETACH, in.pid, 0, 0) != 0) return "it cannot be let go";
  send_again(in.pid, held);
  return {};
}

}  // namespace mx::monitor
