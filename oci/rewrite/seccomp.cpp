#include "oci/rewrite/seccomp.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "shim/stream/layout.h"

namespace mx::oci {
namespace {

bool is_monitor_call(const Json& name) {
  const auto& calls = monitor_calls();
  return name.is_string() &&
         std::find(calls.begin(), calls.end(), name.get_ref<const std::string&>()) != calls.end();
}

uint32_t action_of(const std::string& name, int64_t error) {
  const auto code = static_cast<uint16_t>(error);
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(code);
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(code);
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  if (name == "SCMP_ACT_NOTIFY")
    throw Failure("linux.seccomp uses SCMP_ACT_NOTIFY, which mx cannot give to two versions");
  throw Failure("linux.seccomp has the unknown action \"" + name + "\"");
}

scmp_compare compare_of(const std::string& name) {
  if (name == "SCMP_CMP_NE") return SCMP_CMP_NE;
  if (name == "SCMP_CMP_LT") return SCMP_CMP_LT;
  if (name == "SCMP_CMP_LE") return SCMP_CMP_LE;
  if (name == "SCMP_CMP_EQ") return SCMP_CMP_EQ;
  if (name == "SCMP_CMP_GE") return SCMP_CMP_GE;
  if (name == "SCMP_CMP_GT") return SCMP_CMP_GT;
  if (name == "SCMP_CMP_MASKED_EQ") return SCMP_CMP_MASKED_EQ;
  throw Failure("linux.seccomp has the unknown operator \"" + name + "\"");
}

uint64_t unsigned_of(const Json& arg, const char* name) {
  const Json* found = find_member(arg, name);
  if (found == nullptr) return 0;
  if (!found->is_number_integer())
    throw Failure(std::string("linux.seccomp: ") + name + " is not an integer");
  return found->get<uint64_t>();
}

std::vector<scmp_arg_cmp> arguments_of(const Json& rule) {
  std::vector<scmp_arg_cmp> out;
  for (const Json& arg : array_at(rule, "args")) {
    const uint64_t index = unsigned_of(arg, "index");
    if (index > 5) throw Failure("linux.seccomp names argument " + std::to_string(index));
    out.push_back({static_cast<unsigned>(index), compare_of(string_at(arg, "op", "")),
                   unsigned_of(arg, "value"), unsigned_of(arg, "valueTwo")});
  }
  return out;
}

using Filter = std::unique_ptr<void, void (*)(void*)>;

void add_architectures(void* filter, const Json& profile) {
  for (std::string name : strings_at(profile, "architectures")) {
    if (!name.starts_with("SCMP_ARCH_")) throw Failure("linux.seccomp: architecture " + name);
    name = name.substr(10);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return tolower(c); });
    const uint32_t arch = seccomp_arch_resolve_name(name.c_str());
    if (arch == 0) throw Failure("linux.seccomp: unknown architecture " + name);
    const int result = seccomp_arch_add(filter, arch);
    if (result != 0 && result != -EEXIST) throw system_failure("seccomp_arch_add", -result);
  }
}

void check(int result, const std::string& name) {
  if (result != 0) throw system_failure("linux.seccomp: rule for " + name, -result);
}

// Several conditions on one argument cannot stand in one libseccomp rule; runc splits them (any of
// them matches) and so does this.
void add_rule(void* filter, uint32_t action, int number, const std::string& name,
              const std::vector<scmp_arg_cmp>& args) {
  bool repeated = false;
  for (size_t i = 0; i < args.size(); ++i)
    for (size_t j = 0; j < i; ++j) repeated = repeated || args[i].arg == args[j].arg;
  if (!repeated) {
    check(seccomp_rule_add_array(filter, action, number, static_cast<unsigned>(args.size()),
                                 args.data()),
          name);
    return;
  }
  for (const scmp_arg_cmp& arg : args)
    check(seccomp_rule_add_array(filter, action, number, 1, &arg), name);
}

// The highest x86-64 number the profile names, -1 for none.
int highest_call(const Json& profile) {
  int highest = -1;
  for (const Json& rule : array_at(profile, "syscalls"))
    for (const std::string& name : strings_at(rule, "names"))
      highest = std::max(highest, seccomp_syscall_resolve_name(name.c_str()));
  return highest;
}

// runc lets calls above highest_call() fail with ENOSYS where the profile's default is an error:
// glibc falls back on that only (clone3).
bool has_enosys_rule(const Json& profile) {
  const std::string name = string_at(profile, "defaultAction", "");
  return highest_call(profile) >= 0 && name != "SCMP_ACT_ALLOW" &&
         !(name == "SCMP_ACT_ERRNO" && integer_at(profile, "defaultErrnoRet", EPERM) == ENOSYS);
}

std::set<std::string> named_calls(const Json& profile) {
  std::set<std::string> names;
  for (const Json& rule : array_at(profile, "syscalls"))
    for (const std::string& name : strings_at(rule, "names")) names.insert(name);
  return names;
}

// Whatever its arguments.
bool allows(const Json& profile, const std::string& call) {
  for (const Json& rule : array_at(profile, "syscalls"))
    for (const std::string& name : strings_at(rule, "names"))
      if (name == call)
        return string_at(rule, "action", "") == "SCMP_ACT_ALLOW" && array_at(rule, "args").empty();
  return string_at(profile, "defaultAction", "") == "SCMP_ACT_ALLOW";
}

// What every program of some size uses, and a profile made for one small program need not name.
const std::vector<std::string>& ordinary_calls() {
  std::istringstream names(
      "accept accept4 access arch_prctl bind brk clock_getres clock_gettime clock_nanosleep close "
      "connect copy_file_range dup dup2 dup3 epoll_create1 epoll_ctl epoll_pwait epoll_wait "
      "eventfd2 exit exit_group faccessat fallocate fchmod fchmodat fchown fchownat fcntl flock "
      "fork fstat fstatfs fsync ftruncate futex getcwd getdents64 getegid geteuid getgid "
      "getpeername getpid getppid getpriority getrandom getrlimit getrusage getsid getsockname "
      "getsockopt gettid gettimeofday getuid ioctl kill listen lseek lstat madvise mincore mkdir "
      "mkdirat mmap mprotect mremap munmap nanosleep newfstatat open openat pipe pipe2 poll ppoll "
      "pread64 pselect6 pwrite64 read readlink readlinkat readv recvfrom recvmsg rename renameat "
      "renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigprocmask rt_sigqueueinfo "
      "rt_sigreturn rt_sigtimedwait rt_tgsigqueueinfo sched_getaffinity sched_getparam "
      "sched_getscheduler sched_setaffinity sched_setattr sched_setscheduler sched_yield select "
      "sendfile sendmsg sendto set_robust_list set_tid_address setpgid setpriority setsid "
      "setsockopt shutdown sigaltstack signalfd4 socket socketpair stat statfs statx sysinfo "
      "tgkill "
      "timerfd_create timerfd_settime tkill umask uname unlink unlinkat vfork wait4 waitid write "
      "writev ");
  static const std::vector<std::string> kCalls{std::istream_iterator<std::string>(names), {}};
  return kCalls;
}

// A profile that says something else of one of them knows why; the others the monitor may make. New
// namespaces stay what the profile has them be.
void allow_ordinary_calls(const Json& profile, Json& rules) {
  constexpr uint64_t kNewNamespaces = 0x7E020000;
  const std::set<std::string> named = named_calls(profile);
  Json names = Json::array();
  for (const std::string& call : ordinary_calls())
    if (!named.contains(call)) names.push_back(call);
  if (!names.empty()) rules.push_back({{"names", names}, {"action", "SCMP_ACT_ALLOW"}});
  if (!named.contains("clone"))
    rules.push_back({{"names", {"clone"}},
                     {"action", "SCMP_ACT_ALLOW"},
                     {"args",
                      {{{"index", 0},
                        {"value", kNewNamespaces},
                        {"valueTwo", 0},
                        {"op", "SCMP_CMP_MASKED_EQ"}}}}});
}

// Calls that runc's rule answers before the profile names the monitor's, and no more after it.
Json calls_that_grew_old(const Json& profile) {
  int last = -1;
  for (const std::string& name : monitor_calls())
    last = std::max(last, seccomp_syscall_resolve_name(name.c_str()));
  Json names = Json::array();
  for (int number = highest_call(profile) + 1; number < last; ++number) {
    const std::unique_ptr<char, void (*)(void*)> name(
        seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), free);
    if (name && !is_monitor_call(name.get())) names.push_back(name.get());
  }
  return names;
}

void add_rules(void* filter, const Json& profile, uint32_t default_action) {
  for (const Json& rule : array_at(profile, "syscalls")) {
    const uint32_t action =
        action_of(string_at(rule, "action", ""), integer_at(rule, "errnoRet", EPERM));
    const std::vector<scmp_arg_cmp> args = arguments_of(rule);
    for (const std::string& name : strings_at(rule, "names")) {
      const int number = seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) continue;  // runc and crun skip what they do not know
      if (action != default_action) add_rule(filter, action, number, name, args);
    }
  }
}

std::string exported(void* filter) {
  ScopedFd fd(memfd_create("mx-seccomp", MFD_CLOEXEC));
  if (!fd.valid()) throw system_failure("memfd_create", errno);
  const int result = seccomp_export_bpf(filter, fd.get());
  if (result != 0) throw system_failure("seccomp_export_bpf", -result);
  return read_file("/proc/self/fd/" + std::to_string(fd.get()), BPF_MAXINSNS * sizeof(sock_filter));
}

// Native calls above `highest` give ENOSYS; everything else goes on to the program behind.
std::string with_enosys(const std::string& program, int highest) {
  constexpr uint32_t kX32Bit = 0x40000000;
  const sock_filter stub[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, static_cast<uint32_t>(highest), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
  };
  return std::string(reinterpret_cast<const char*>(stub), sizeof stub) + program;
}

void check_length(const std::string& program) {
  if (program.size() / sizeof(sock_filter) > BPF_MAXINSNS)
    throw Failure("linux.seccomp: the compiled profile is too long for the kernel");
}

}  // namespace

const std::vector<std::string>& monitor_calls() {
  static const std::vector<std::string> kCalls = {
      // watching and serving the versions
      "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_open", "pidfd_getfd",
      "pidfd_send_signal", "kcmp", "memfd_create", "personality", "seccomp",
      // starting them
      "chroot", "chdir", "fchdir", "setgroups", "setresgid", "setresuid", "capget", "capset",
      "prctl", "setrlimit", "prlimit64", "close_range", "execve", "faccessat2",
      // hiding mx's own mounts
      "umount2"};
  return kCalls;
}

Json widen_profile(const Json& profile) {
  Json widened = profile;
  Json rules = Json::array();
  const bool hide_clone3 = !allows(profile, "clone3");
  for (Json rule : array_at(profile, "syscalls")) {
    Json names = Json::array();
    for (const Json& name : array_at(rule, "names"))
      if (!is_monitor_call(name) && !(hide_clone3 && name == "clone3")) names.push_back(name);
    if (names.empty()) continue;
    rule["names"] = names;
    rules.push_back(rule);
  }
  // Runtimes refuse or ignore a rule that says what the default says.
  if (string_at(profile, "defaultAction", "") != "SCMP_ACT_ALLOW") {
    rules.push_back({{"names", monitor_calls()}, {"action", "SCMP_ACT_ALLOW"}});
    allow_ordinary_calls(profile, rules);
  }
  Json young = has_enosys_rule(profile) ? calls_that_grew_old(profile) : Json::array();
  if (hide_clone3 && std::find(young.begin(), young.end(), "clone3") == young.end())
    young.push_back("clone3");
  if (!young.empty())
    rules.push_back({{"names", young}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOSYS}});
  widened["syscalls"] = rules;
  return widened;
}

std::string compile_profile(const Json& profile, bool unknown_is_enosys) {
  const std::string name = string_at(profile, "defaultAction", "");
  const int64_t error = integer_at(profile, "defaultErrnoRet", EPERM);
  const uint32_t default_action = action_of(name, error);
  Filter filter(seccomp_init(default_action), seccomp_release);
  if (!filter) throw Failure("linux.seccomp: libseccomp refuses the default action " + name);
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0);
  add_architectures(filter.get(), profile);
  add_rules(filter.get(), profile, default_action);
  std::string program = exported(filter.get());
  if (unknown_is_enosys && has_enosys_rule(profile))
    program = with_enosys(program, highest_call(profile));
  check_length(program);
  return program;
}

std::string with_takeover(const std::string& program) {
  using stream::kAgentBase, stream::kCodeEnd;
  constexpr uint32_t kGetFd = 438, kPtrace = 101, kTraceMe = 0;
  constexpr uint32_t kIp = offsetof(seccomp_data, instruction_pointer);
  const sock_filter stub[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 10),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kGetFd, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kPtrace, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kTraceMe, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kIp + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(kAgentBase >> 32), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kIp),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, static_cast<uint32_t>(kCodeEnd & 0xffffffff), 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const std::string widened =
      std::string(reinterpret_cast<const char*>(stub), sizeof stub) + program;
  check_length(widened);
  return widened;
}

unsigned profile_flags(const Json& profile) {
  unsigned flags = 0;
  for (const std::string& flag : strings_at(profile, "flags")) {
    if (flag == "SECCOMP_FILTER_FLAG_LOG") flags |= SECCOMP_FILTER_FLAG_LOG;
    if (flag == "SECCOMP_FILTER_FLAG_SPEC_ALLOW") flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // TSYNC says nothing for a process with one thread.
  }
  return flags;
}

}  // namespace mx::oci
