#include "oci/rewrite/seccomp.hpp"

#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "oci/base/failure.hpp"
#include "oci/start/identity.hpp"
#include "shim/stream/layout.h"

namespace mx::oci {
namespace {

Json profile(const std::string& action, Json rules) {
  return {{"defaultAction", action}, {"architectures", {"SCMP_ARCH_X86_64"}}, {"syscalls", rules}};
}

// errno of the call under the compiled filter, in a child; 0 if it succeeded.
int errno_under(const std::string& program, long number, long a = 0, long b = 0, long c = 0) {
  const pid_t pid = fork();
  if (pid == 0) {
    const sock_fprog filter = {static_cast<unsigned short>(program.size() / sizeof(sock_filter)),
                               reinterpret_cast<sock_filter*>(const_cast<char*>(program.data()))};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) _exit(255);
    const long result = syscall(number, a, b, c);
    _exit(result < 0 ? errno : 0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(Seccomp, CompiledRulesDoWhatTheProfileSays) {
  const std::string program = compile_profile(
      profile(
          "SCMP_ACT_ALLOW",
          {{{"names", {"getppid", "nosuchcall"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 95}},
           {{"names", {"personality"}},
            {"action", "SCMP_ACT_ERRNO"},
            {"args", {{{"index", 0}, {"value", 8}, {"op", "SCMP_CMP_EQ"}}}}}}),
      true);
  EXPECT_EQ(errno_under(program, SYS_getppid), 95);
  EXPECT_EQ(errno_under(program, SYS_personality, 8), EPERM);
  EXPECT_EQ(errno_under(program, SYS_personality, 0xffffffff), 0);
}

TEST(Seccomp, YoungerCallsGiveEnosysAsRuncDoesIt) {
  const Json strict =
      profile("SCMP_ACT_ERRNO", {{{"names", {"exit_group", "exit", "read", "write", "openat2"}},
                                  {"action", "SCMP_ACT_ALLOW"}}});
  EXPECT_EQ(errno_under(compile_profile(strict, true), 460), ENOSYS);
  EXPECT_EQ(errno_under(compile_profile(strict, false), 460), EPERM);
  EXPECT_EQ(errno_under(compile_profile(strict, true), SYS_getppid), EPERM);
}

// A profile older than clone3: glibc makes threads all the same, since runc answers ENOSYS. The
// widened one names younger calls.
TEST(Seccomp, WideningLeavesYoungerCallsTheirEnosys) {
  const Json old =
      profile("SCMP_ACT_ERRNO", {{{"names", {"exit_group", "exit", "read", "write", "statx"}},
                                  {"action", "SCMP_ACT_ALLOW"}}});
  const std::string widened = compile_profile(widen_profile(old), true);
  EXPECT_EQ(errno_under(widened, SYS_clone3), ENOSYS);
  EXPECT_EQ(errno_under(widened, SYS_openat2), ENOSYS);
  EXPECT_EQ(errno_under(widened, 460), ENOSYS);
  EXPECT_EQ(errno_under(widened, SYS_pidfd_open, -1), EINVAL);  // the monitor's
  EXPECT_EQ(errno_under(widened, SYS_swapoff), EPERM);
  EXPECT_EQ(errno_under(compile_profile(widen_profile(old), false), SYS_clone3),
            ENOSYS);  // crun has no such rule
}

TEST(Seccomp, AProfileForASmallProgramIsNoneForTheMonitor) {
  const Json small = profile(
      "SCMP_ACT_ERRNO",
      {{{"names", {"exit_group", "read", "write", "openat2"}}, {"action", "SCMP_ACT_ALLOW"}},
       {{"names", {"getppid", "clone3"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 95}}});
  const std::string widened = compile_profile(widen_profile(small), true);
  EXPECT_EQ(errno_under(widened, SYS_epoll_create1, 1), EINVAL);
  EXPECT_EQ(errno_under(widened, SYS_getppid), 95);               // said in so many words
  EXPECT_EQ(errno_under(widened, SYS_clone3), ENOSYS);            // but this
  EXPECT_EQ(errno_under(widened, SYS_clone, 0x10000000), EPERM);  // a new user namespace
  EXPECT_EQ(errno_under(widened, SYS_swapoff), EPERM);
  const Json allowing = profile(
      "SCMP_ACT_ERRNO", {{{"names", {"exit_group", "clone3"}}, {"action", "SCMP_ACT_ALLOW"}}});
  EXPECT_EQ(errno_under(compile_profile(widen_profile(allowing), true), SYS_clone3), EINVAL);
}

TEST(Seccomp, WideningTouchesTheMonitorsCallsOnly) {
  const Json before =
      profile("SCMP_ACT_ERRNO",
              {{{"names", {"chroot", "kcmp"}}, {"action", "SCMP_ACT_ERRNO"}},
               {{"names", {"ptrace", "mount"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 1}}});
  const Json after = widen_profile(before);
  ASSERT_EQ(after["syscalls"].size(), 5u);
  EXPECT_EQ(after["syscalls"][0]["names"], (Json{"mount"}));
  EXPECT_EQ(after["syscalls"][1]["action"], "SCMP_ACT_ALLOW");
  EXPECT_EQ(
      errno_under(
          compile_profile(widen_profile(profile("SCMP_ACT_ALLOW", {{{"names", {"chroot"}},
                                                                    {"action", "SCMP_ACT_KILL"}}})),
                          true),
          SYS_getppid),
      0);
}

// At a failover the agent takes the leader's descriptors;
// docker's profile refuses that to everybody.
TEST(Seccomp, DescriptorsMayBeTakenOverByTheAgentsCodeOnly) {
  const std::string users =
      compile_profile(profile("SCMP_ACT_ALLOW", {{{"names", {"pidfd_getfd", "getppid"}},
                                                  {"action", "SCMP_ACT_ERRNO"},
                                                  {"errnoRet", 95}}}),
                      true);
  const std::string versions = with_takeover(users);
  EXPECT_EQ(errno_under(versions, SYS_pidfd_getfd, -1, 0, 0), 95);
  // mov %rdi,%rax; xor %edx,%edx; xor %edi,%edi; dec %rdi; syscall; ret
  const unsigned char code[] = {0x48, 0x89, 0xf8, 0x31, 0xd2, 0x31, 0xff,
                                0x48, 0xff, 0xcf, 0x0f, 0x05, 0xc3};
  void* page =
      mmap(reinterpret_cast<void*>(stream::kTextAddress), 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  ASSERT_EQ(page, reinterpret_cast<void*>(stream::kTextAddress));
  memcpy(page, code, sizeof code);
  const auto from_agent = reinterpret_cast<long (*)(long)>(page);
  const auto result_under = [&](const std::string& program, long number) {
    const pid_t pid = fork();
    if (pid == 0) {
      const sock_fprog filter = {static_cast<unsigned short>(program.size() / sizeof(sock_filter)),
                                 reinterpret_cast<sock_filter*>(const_cast<char*>(program.data()))};
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) _exit(255);
      _exit(static_cast<int>(-from_agent(number)));
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(result_under(versions, SYS_pidfd_getfd), EBADF);
  EXPECT_EQ(result_under(versions, SYS_getppid), 95);
  EXPECT_EQ(result_under(users, SYS_pidfd_getfd), 95);  // what exec'd processes have
  munmap(page, 4096);
}

TEST(Seccomp, RefusesWhatItCannotCarry) {
  EXPECT_THROW(compile_profile(profile("SCMP_ACT_NOTIFY", Json::array()), true), Failure);
  EXPECT_THROW(compile_profile(profile("NONSENSE", Json::array()), true), Failure);
  EXPECT_THROW(
      compile_profile(profile("SCMP_ACT_ALLOW",
                              {{{"names", {"read"}},
                                {"action", "SCMP_ACT_ERRNO"},
                                {"args", {{{"index", 9}, {"value", 0}, {"op", "SCMP_CMP_EQ"}}}}}}),
                      true),
      Failure);
}

}  // namespace
}  // namespace mx::oci
