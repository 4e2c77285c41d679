// ELF core files of processes that stand still, as gcore writes them: what gdb and `mx replay`
// read.
#pragma once
#include <sys/types.h>
#include <sys/user.h>

#include <cstdint>
#include <string>
#include <vector>

#include "shim/replay/memory_map.h"

namespace mx::replay {

/// What the kernel keeps of one thread.
struct ThreadRegisters {
  pid_t tid = 0;
  user_regs_struct general{};
  std::vector<uint8_t> vectors;  ///< NT_X86_XSTATE
  int signal = 0;                ///< that it got
};

/// Reads them of a thread that this one traces and that is stopped. Throws std::runtime_error.
ThreadRegisters registers_of(pid_t tid);
void set_registers(pid_t tid, const ThreadRegisters& r);

/// Writes the memory of `pid`, which must stand still, to the file `path` (sparse, mode 0600):
/// all that is private and not as in the file that it is mapped from. `threads`: the one of
/// interest first. Throws std::runtime_error, also if there are more than `most` bytes of it.
void write_core(pid_t pid, const std::vector<ThreadRegisters>& threads, const std::string& path,
                uint64_t most);

/// Bytes of memory in a core file.
struct CorePart {
  uint64_t address, size;
  uint64_t offset;  ///< in the file
};

/// A core file, read back. Throws std::runtime_error.
class CoreFile {
 public:
  explicit CoreFile(const std::string& path);
  ~CoreFile();
  CoreFile(const CoreFile&) = delete;
  CoreFile& operator=(const CoreFile&) = delete;
  /// The parts of the memory map that the file holds, by address.
  const std::vector<CorePart>& parts() const { return parts_; }
  /// Of one of them what is no hole: the rest is zero.
  std::vector<CorePart> data_in(const CorePart& part) const;
  void read(uint64_t offset, void* to, size_t size) const;
  const std::vector<ThreadRegisters>& threads() const { return threads_; }

 private:
  void read_notes(uint64_t offset, uint64_t size);
  int fd_ = -1;
  std::vector<CorePart> parts_;
  std::vector<ThreadRegisters> threads_;
};

}  // namespace mx::replay
