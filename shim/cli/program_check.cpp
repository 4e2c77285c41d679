#include "shim/cli/program_check.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "shim/monitor/error.h"

namespace mx::cli {

using monitor::Error;

namespace {

std::string in_root(const std::string& root, const std::string& path) {
  return root.empty() || root == "/" ? path : root + "/" + path;
}

bool executable_file(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && access(path.c_str(), X_OK) == 0;
}

std::string search(const std::string& root, const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  const char* path = getenv("PATH");
  std::istringstream in(path && *path ? path : "/usr/local/bin:/usr/bin:/bin");
  std::string folder;
  while (std::getline(in, folder, ':'))
    if (executable_file(in_root(root, folder + "/" + program))) return folder + "/" + program;
  throw Error(program + ": not found in PATH", 127);
}

const char* machine_name(uint16_t machine) {
  switch (machine) {
    case EM_386:
      return "32-bit x86";
    case EM_AARCH64:
      return "64-bit ARM";
    case EM_ARM:
      return "32-bit ARM";
    case EM_RISCV:
      return "RISC-V";
    case EM_S390:
      return "s390";
    case EM_PPC64:
      return "64-bit PowerPC";
    default:
      return "another architecture";
  }
}

// Links are followed as inside the root.
bool missing_in(const std::string& root, const std::string& path) {
  int folder = open(root.empty() ? "/" : root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return false;
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  long fd = syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how);
  bool missing = fd < 0 && errno == ENOENT;
  if (fd >= 0) close(static_cast<int>(fd));
  close(folder);
  return missing;
}

// The loader that a dynamic program names; empty if
// there is none, or the file is not what it seems.
std::string interpreter(int fd, const Elf64_Ehdr& eh) {
  constexpr size_t kLongest = 4096;
  for (int i = 0; i < eh.e_phnum; i++) {
    Elf64_Phdr ph;
    off_t at = static_cast<off_t>(eh.e_phoff) + i * static_cast<off_t>(sizeof ph);
    if (pread(fd, &ph, sizeof ph, at) != sizeof ph) return {};
    if (ph.p_type != PT_INTERP || ph.p_filesz == 0 || ph.p_filesz > kLongest) continue;
    std::string name(ph.p_filesz, 0);
    if (pread(fd, name.data(), name.size(), static_cast<off_t>(ph.p_offset)) !=
        static_cast<ssize_t>(name.size()))
      return {};
    return name.c_str();
  }
  return {};
}

void check_program(const std::string& root, const std::string& program) {
  std::string path = in_root(root, program);
  struct stat st;
  if (stat(path.c_str(), &st) != 0)
    throw monitor::system_error(path, errno == ENOENT || errno == ENOTDIR ? 127 : 126);
  if (S_ISDIR(st.st_mode)) throw Error(path + ": is a directory", 126);
  if (access(path.c_str(), X_OK) != 0) throw Error(path + ": not executable (chmod +x?)", 126);
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;  // execute-only files are fine
  Elf64_Ehdr eh{};
  ssize_t n = read(fd, &eh, sizeof eh);
  std::string loader;
  if (n == sizeof eh && eh.e_phentsize == sizeof(Elf64_Phdr)) loader = interpreter(fd, eh);
  close(fd);
  if (n >= 2 && eh.e_ident[0] == '#' && eh.e_ident[1] == '!') return;
  if (n < 20 || std::memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0)
    throw Error(path + ": neither an ELF program nor a script with #!", 126);
  if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != EM_X86_64)
    throw Error(
        path + ": built for " + machine_name(eh.e_machine) + "; mx runs x86-64 programs only", 126);
  if (!loader.empty() && missing_in(root, loader))
    throw Error(path + ": its loader " + loader + " is missing in " + (root.empty() ? "/" : root) +
                    " (install the C library there, or name another root)",
                127);
}

}  // namespace

void check_kernel() {
  utsname u;
  uname(&u);
  int major = 0, minor = 0;
  sscanf(u.release, "%d.%d", &major, &minor);
  if (major < 5 || (major == 5 && minor < 10))
    throw Error(std::string("Linux 5.10 or newer is needed (this is ") + u.release + ")");
  if (std::string(u.machine) != "x86_64")
    throw Error(std::string("x86-64 is needed (this is ") + u.machine + ")");
}

void check_options(monitor::Options& o) {
  check_kernel();
  std::string asked = o.program[static_cast<int>(o.leader)];
  for (int v = 0; v < 2; v++) {
    struct stat st;
    if (!o.root[v].empty() && (stat(o.root[v].c_str(), &st) != 0 || !S_ISDIR(st.st_mode)))
      throw Error(o.root[v] + ": no such root directory");
    o.program[v] = search(o.root[v], o.program[v]);
    check_program(o.root[v], o.program[v]);
  }
  o.argv0 = asked;
  if (!o.rules.empty() && access(o.rules.c_str(), R_OK) != 0)
    throw monitor::system_error("cannot read the rules " + o.rules);
}

}  // namespace mx::cli
