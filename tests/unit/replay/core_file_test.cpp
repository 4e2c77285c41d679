#include "shim/replay/core_file.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "tests/unit/replay/temporary_folder.h"

namespace mx::replay {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kPages = 8;

/// A process that stands still, with a pattern in its memory.
class Victim {
 public:
  Victim() {
    memory_ = static_cast<uint8_t*>(
        mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    std::memset(memory_, 'm', kPage);
    std::memset(memory_ + 5 * kPage, 'x', kPage);
    std::memset(memory_ + 6 * kPage, 0, kPage);
    pid_ = fork();
    if (pid_ == 0) {
      ptrace(PTRACE_TRACEME, 0, 0, 0);
      raise(SIGSTOP);
      _exit(0);
    }
    int status;
    waitpid(pid_, &status, 0);
  }
  ~Victim() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    munmap(memory_, kPages * kPage);
  }
  pid_t pid() const { return pid_; }
  uint64_t address() const { return reinterpret_cast<uint64_t>(memory_); }

 private:
  uint8_t* memory_;
  pid_t pid_;
};

class Core : public ::testing::Test {
 protected:
  void SetUp() override {
    ThreadRegisters t = registers_of(victim_.pid());
    t.signal = SIGSEGV;
    write_core(victim_.pid(), {t}, path_, 1 << 30);
    registers_ = t;
  }
  Victim victim_;
  TemporaryFolder folder_;
  const std::string path_ = folder_ / "core";
  ThreadRegisters registers_;
};

// Everything that can be asked of a core file.
void read_all(const std::string& path) {
  const CoreFile core(path);
  char page[kPage];
  for (const CorePart& part : core.parts())
    for (const CorePart& data : core.data_in(part))
      core.read(data.offset, page, std::min<uint64_t>(data.size, sizeof page));
}

TEST_F(Core, HoldsMemoryAndRegisters) {
  const CoreFile core(path_);
  ASSERT_EQ(core.threads().size(), 1u);
  EXPECT_EQ(core.threads()[0].tid, victim_.pid());
  EXPECT_EQ(std::memcmp(&core.threads()[0].general, &registers_.general, sizeof registers_.general),
            0);
  EXPECT_EQ(core.threads()[0].vectors, registers_.vectors);
  const CorePart* part = nullptr;
  for (const CorePart& p : core.parts())
    if (p.address <= victim_.address() && victim_.address() < p.address + p.size) part = &p;
  ASSERT_NE(part, nullptr);
  std::string pages(kPages * kPage, '?');
  core.read(part->offset + victim_.address() - part->address, pages.data(), pages.size());
  EXPECT_EQ(pages.substr(0, kPage), std::string(kPage, 'm'));
  EXPECT_EQ(pages.substr(kPage, 4 * kPage), std::string(4 * kPage, '\0'));
  EXPECT_EQ(pages.substr(5 * kPage, kPage), std::string(kPage, 'x'));
}

TEST_F(Core, HasALimit) {
  EXPECT_THROW(write_core(victim_.pid(), {registers_}, folder_ / "small", kPage),
               std::runtime_error);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "small"));
}

TEST_F(Core, IsNotWrittenOverAnother) {
  EXPECT_THROW(write_core(victim_.pid(), {registers_}, path_, 1 << 30), std::runtime_error);
}

TEST_F(Core, OfNoProcess) {
  EXPECT_THROW(write_core(-1, {}, folder_ / "none", 1 << 30), std::runtime_error);
  EXPECT_THROW(registers_of(-1), std::runtime_error);
}

/// A small core file made by hand, to be damaged.
std::string small_core() {
  struct {
    Elf64_Ehdr file;
    Elf64_Phdr headers[2];
  } top{};
  std::memcpy(top.file.e_ident, ELFMAG, SELFMAG);
  top.file.e_type = ET_CORE;
  top.file.e_phoff = sizeof top.file;
  top.file.e_phentsize = sizeof(Elf64_Phdr);
  top.file.e_phnum = 2;
  std::string notes;
  const auto add = [&notes](uint32_t type, size_t size) {
    const Elf64_Nhdr h{5, static_cast<uint32_t>(size), type};
    notes.append(reinterpret_cast<const char*>(&h), sizeof h);
    notes.append("CORE\0\0\0\0", 8);
    notes.append((size + 3) & ~size_t{3}, '\1');
  };
  add(NT_PRSTATUS, 336);
  add(NT_X86_XSTATE, 576);
  add(NT_X86_XSTATE, 0);
  top.headers[0].p_type = PT_NOTE;
  top.headers[0].p_offset = sizeof top;
  top.headers[0].p_filesz = notes.size();
  top.headers[1].p_type = PT_LOAD;
  top.headers[1].p_offset = sizeof top + notes.size();
  top.headers[1].p_vaddr = 0x1000;
  top.headers[1].p_filesz = top.headers[1].p_memsz = 64;
  return std::string(reinterpret_cast<const char*>(&top), sizeof top) + notes +
         std::string(64, 'd');
}

class HostileCore : public ::testing::Test {
 protected:
  void refused(const std::string& bytes) {
    write_file(path_, bytes);
    EXPECT_THROW(read_all(path_), std::runtime_error);
  }
  template <typename T>
  static std::string with(std::string bytes, size_t at, T value) {
    std::memcpy(&bytes[at], &value, sizeof value);
    return bytes;
  }
  TemporaryFolder folder_;
  const std::string path_ = folder_ / "core";
  const std::string good_ = small_core();
};

constexpr size_t kNote = sizeof(Elf64_Ehdr), kLoad = kNote + sizeof(Elf64_Phdr),
                 kFirstNote = kLoad + sizeof(Elf64_Phdr);

TEST_F(HostileCore, TheGoodOneIsRead) {
  write_file(path_, good_);
  EXPECT_NO_THROW(read_all(path_));
  EXPECT_EQ(CoreFile(path_).parts().size(), 1u);
}

TEST_F(HostileCore, CutBeforeItsMemory) {
  for (size_t size = 0; size < good_.size() - 64; size++) refused(good_.substr(0, size));
}

TEST_F(HostileCore, NoCoreFile) {
  refused("");
  refused("#!/bin/sh\n");
  refused(with<uint16_t>(good_, offsetof(Elf64_Ehdr, e_type), ET_EXEC));
  refused(with<uint16_t>(good_, offsetof(Elf64_Ehdr, e_phentsize), 32));
  refused(with<uint16_t>(good_, offsetof(Elf64_Ehdr, e_phnum), 0));
  EXPECT_THROW(CoreFile(folder_.path()), std::runtime_error);
  EXPECT_THROW(CoreFile(folder_ / "missing"), std::runtime_error);
}

TEST_F(HostileCore, LiesAboutItsParts) {
  refused(with<uint16_t>(good_, offsetof(Elf64_Ehdr, e_phnum), 0xffff));
  refused(with<uint64_t>(good_, offsetof(Elf64_Ehdr, e_phoff), ~uint64_t{0}));
  refused(with<uint64_t>(good_, kNote + offsetof(Elf64_Phdr, p_filesz), ~uint64_t{0}));
  refused(with<uint64_t>(good_, kNote + offsetof(Elf64_Phdr, p_filesz), uint64_t{1} << 20));
  refused(with<uint64_t>(good_, kNote + offsetof(Elf64_Phdr, p_offset), ~uint64_t{0} - 4));
  refused(with<uint32_t>(good_, kFirstNote + offsetof(Elf64_Nhdr, n_descsz), ~uint32_t{0}));
  refused(with<uint32_t>(good_, kFirstNote + offsetof(Elf64_Nhdr, n_namesz), ~uint32_t{0}));
  refused(
      with<uint32_t>(good_, kFirstNote + offsetof(Elf64_Nhdr, n_type), NT_AUXV));  // no registers
}

// What is not in the file is a hole: nothing to read.
TEST_F(HostileCore, LiesAboutItsMemory) {
  for (const uint64_t lie : {uint64_t{1} << 40, uint64_t{1} << 62, ~uint64_t{0}}) {
    for (const size_t field : {offsetof(Elf64_Phdr, p_offset), offsetof(Elf64_Phdr, p_filesz),
                               offsetof(Elf64_Phdr, p_vaddr)}) {
      write_file(path_, with<uint64_t>(good_, kLoad + field, lie));
      EXPECT_NO_THROW(read_all(path_)) << lie << " at " << field;
    }
  }
}

TEST_F(HostileCore, AnyByteMayBeWrong) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; round++) {
    std::string bytes = good_;
    for (int k = 0; k < 3; k++) bytes[random() % bytes.size()] = static_cast<char>(random());
    write_file(path_, bytes);
    try {
      read_all(path_);
    } catch (const std::runtime_error&) {
    }
  }
}

}  // namespace
}  // namespace mx::replay
