// transplant_tool PID old|new SURVIVOR: brings the survivor's code into a running process and takes
// it out, on command
// ("apply", "revert" on standard input), and says what happened. For trying real programs by hand
// and from tests.
#include <elf.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "recovery/modules.h"
#include "recovery/transplant.h"

using namespace mx::recovery;

namespace {

uint64_t syscall_instruction(pid_t pid) {
  auto* base = reinterpret_cast<const uint8_t*>(getauxval(AT_SYSINFO_EHDR));
  auto space = address_space(pid);
  if (!space) return 0;
  for (const Range& r : space.value().ranges)
    for (uint64_t at = 0; r.what == "[vdso]" && at + 1 < r.end - r.start; ++at)
      if (base[at] == 0x0f && base[at + 1] == 0x05) return r.start + at;
  return 0;
}

void print(const Outcome& o) {
  std::printf("%s%s%s\n", to_string(o.reason), o.sentence.empty() ? "" : ": ", o.sentence.c_str());
  std::printf("  %zu functions, %u frames moved, %u kept, %llu us:", o.functions.size(),
              o.frames_moved, o.frames_kept, static_cast<unsigned long long>(o.microseconds));
  for (const Step& s : o.steps)
    std::printf(" %s %llu", s.name.c_str(), static_cast<unsigned long long>(s.microseconds));
  std::printf("\n");
  for (const auto& f : o.functions) std::printf("  + %s\n", f.c_str());
  for (const auto& f : o.left) std::printf("  - %s\n", f.c_str());
  std::printf(".\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  pid_t pid = std::atoi(argv[1]), survivor = std::atoi(argv[3]);
  Side side = argv[2][0] == 'o' ? Side::kOld : Side::kNew;
  MappingService mappings(MX_ANALYZE);
  Transplanter transplanter(mappings);
  transplanter.prepare(side == Side::kOld ? pid : survivor, side == Side::kOld ? survivor : pid);
  while (mappings.descriptor() >= 0) {
    siginfo_t info;
    waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | __WALL);
    mappings.poll();
  }
  for (std::string line; std::getline(std::cin, line);) {
    int status;
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) != 0 ||
        waitpid(pid, &status, __WALL) != pid) {
      std::perror("ptrace");
      return 1;
    }
    user_regs_struct r{};
    ptrace(PTRACE_GETREGS, pid, 0, &r);
    {
      PtraceTarget target(pid, pid, syscall_instruction(pid));
      std::vector<ThreadState> threads{
          {pid, {r.rip, r.rsp, r.rbp, r.rbx, r.r12, r.r13, r.r14, r.r15}, false}};
      Request request{target, side, survivor, threads};
      print(line == "apply" ? transplanter.apply(request) : transplanter.revert(request));
    }
    ptrace(PTRACE_DETACH, pid, 0, 0);
  }
}
