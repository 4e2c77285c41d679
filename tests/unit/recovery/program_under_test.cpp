#include "program_under_test.h"

#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "recovery/modules.h"

namespace mx::recovery::test {

ProgramUnderTest::ProgramUnderTest(const std::string& path) {
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  pid_ = fork();
  if (pid_ == 0) {
    dup2(to[0], 0);
    dup2(from[1], 1);
    execl(path.c_str(), path.c_str(), nullptr);
    _exit(127);
  }
  close(to[0]), close(from[1]);
  in_ = to[1], out_ = from[0];
  if (line() != "ready") throw std::runtime_error(path + " does not start");
}

ProgramUnderTest::~ProgramUnderTest() {
  close(in_), close(out_);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, __WALL);
}

void ProgramUnderTest::send(const std::string& command) {
  if (write(in_, command.data(), command.size()) != static_cast<ssize_t>(command.size()))
    throw std::runtime_error("write");
}

void ProgramUnderTest::start(const std::string& command) {
  send(command);
  for (int unread = 1; unread;) {
    if (ioctl(in_, FIONREAD, &unread) != 0) throw std::runtime_error("ioctl");
    sched_yield();
  }
  wait_until_it_reads();
}

std::string ProgramUnderTest::line() {
  for (;;) {
    size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string text = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return text;
    }
    pollfd p{out_, POLLIN, 0};
    char part[256];
    ssize_t n = poll(&p, 1, 10000) == 1 ? read(out_, part, sizeof part) : 0;
    if (n <= 0) return "";
    buffer_.append(part, static_cast<size_t>(n));
  }
}

std::string ProgramUnderTest::ask(const std::string& command) {
  send(command);
  std::string text = line();
  return text.rfind(command + " ", 0) == 0 ? text.substr(command.size() + 1) : text;
}

void ProgramUnderTest::wait_until_it_reads() const {
  for (;;) {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/syscall");
    std::string word;
    if (!(file >> word)) throw std::runtime_error("it has ended");
    if (word == "0") return;
    sched_yield();
  }
}

void ProgramUnderTest::attach() const {
  wait_until_it_reads();
  int status;
  if (ptrace(PTRACE_SEIZE, pid_, 0, 0) != 0 || ptrace(PTRACE_INTERRUPT, pid_, 0, 0) != 0 ||
      waitpid(pid_, &status, __WALL) != pid_ || !WIFSTOPPED(status))
    throw std::runtime_error("it cannot be stopped");
}

void ProgramUnderTest::detach() const {
  if (ptrace(PTRACE_DETACH, pid_, 0, 0) != 0) throw std::runtime_error("it cannot be let go");
}

Registers ProgramUnderTest::registers() const {
  user_regs_struct r{};
  if (ptrace(PTRACE_GETREGS, pid_, 0, &r) != 0)
    throw std::runtime_error("its registers cannot be read");
  return {r.rip, r.rsp, r.rbp, r.rbx, r.r12, r.r13, r.r14, r.r15};
}

uint64_t ProgramUnderTest::syscall_instruction() const {
  auto* base = reinterpret_cast<const uint8_t*>(getauxval(AT_SYSINFO_EHDR));
  auto* eh = reinterpret_cast<const Elf64_Ehdr*>(base);
  auto* ph = reinterpret_cast<const Elf64_Phdr*>(base + eh->e_phoff);
  auto space = address_space(pid_);
  if (!space) throw std::runtime_error(space.error().sentence);
  for (const Range& r : space.value().ranges) {
    if (r.what != "[vdso]") continue;
    for (int i = 0; i < eh->e_phnum; ++i)
      for (uint64_t at = 0; ph[i].p_type == PT_LOAD && at + 1 < ph[i].p_filesz; ++at)
        if (base[at] == 0x0f && base[at + 1] == 0x05) return r.start + at;
  }
  throw std::runtime_error("no syscall instruction");
}

}  // namespace mx::recovery::test
