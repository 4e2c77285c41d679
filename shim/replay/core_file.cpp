#include "shim/replay/core_file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/procfs.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "shim/monitor/proc_text.h"

namespace mx::replay {

namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMostVectors = 16384;
constexpr uint64_t kMostNotes = 64 << 20;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

struct Descriptor {
  int fd;
  explicit Descriptor(int fd_) : fd(fd_) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

std::string proc(pid_t pid, const char* file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

// --- notes -----------------------------------------------------------------------------------

class Notes {
 public:
  void add(uint32_t type, const char* owner, const void* data, size_t size) {
    const Elf64_Nhdr header{static_cast<uint32_t>(std::strlen(owner) + 1),
                            static_cast<uint32_t>(size), type};
    append(&header, sizeof header);
    append(owner, header.n_namesz);
    append(data, size);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void append(const void* data, size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    bytes_.resize((bytes_.size() + 3) & ~size_t{3});
  }
  std::string bytes_;
};

void add_thread(Notes& notes, pid_t pid, const ThreadRegisters& t) {
  elf_prstatus status{};
  status.pr_info.si_signo = t.signal;
  status.pr_cursig = static_cast<short>(t.signal);
  status.pr_pid = t.tid;
  status.pr_ppid = pid;
  static_assert(sizeof status.pr_reg == sizeof t.general);
  std::memcpy(&status.pr_reg, &t.general, sizeof t.general);
  status.pr_fpvalid = !t.vectors.empty();
  notes.add(NT_PRSTATUS, "CORE", &status, sizeof status);
  // The first 512 bytes of the extended state are what fxsave stores.
  if (t.vectors.size() >= sizeof(user_fpregs_struct))
    notes.add(NT_FPREGSET, "CORE", t.vectors.data(), sizeof(user_fpregs_struct));
  if (!t.vectors.empty()) notes.add(NT_X86_XSTATE, "LINUX", t.vectors.data(), t.vectors.size());
}

void add_files(Notes& notes, const std::vector<Region>& map) {
  std::vector<uint64_t> numbers{0, kPage};
  std::string names;
  for (const Region& r : map) {
    if (!r.of_file()) continue;
    numbers[0]++;
    numbers.insert(numbers.end(), {r.start, r.end, r.offset / kPage});
    names.append(r.path.c_str(), r.path.size() + 1);
  }
  std::string note(reinterpret_cast<const char*>(numbers.data()), numbers.size() * 8);
  note += names;
  notes.add(NT_FILE, "CORE", note.data(), note.size());
}

std::string notes_of(pid_t pid, const std::vector<ThreadRegisters>& threads,
                     const std::vector<Region>& map) {
  Notes notes;
  elf_prpsinfo info{};
  info.pr_pid = pid;
  const std::string name = monitor::proc_text(proc(pid, "comm"));
  std::memcpy(info.pr_fname, name.data(), std::min(name.size(), sizeof info.pr_fname - 1));
  bool first = true;
  for (const ThreadRegisters& t : threads) {
    add_thread(notes, pid, t);
    if (std::exchange(first, false)) notes.add(NT_PRPSINFO, "CORE", &info, sizeof info);
  }
  const std::string aux = monitor::proc_text(proc(pid, "auxv"));
  notes.add(NT_AUXV, "CORE", aux.data(), aux.size());
  add_files(notes, map);
  return notes.bytes();
}

// --- memory ----------------------------------------------------------------------------------

/// Which pages of a region hold something: bits of /proc/PID/pagemap, see the kernel's
/// admin-guide/mm/pagemap.
class PageMap {
 public:
  explicit PageMap(pid_t pid) : file_(open(proc(pid, "pagemap").c_str(), O_RDONLY | O_CLOEXEC)) {
    if (file_.fd < 0) fail("its page map cannot be read");
  }
  /// Pages of `r` that are in memory or swapped out; of a file's: only those that were written.
  std::vector<bool> own_pages(const Region& r) const {
    constexpr uint64_t kPresent = 1ull << 63, kSwapped = 1ull << 62, kOfFile = 1ull << 61;
    constexpr size_t kStep = 8192;
    std::vector<bool> own((r.end - r.start) / kPage);
    std::vector<uint64_t> entries(std::min(kStep, own.size()));
    for (size_t at = 0; at < own.size();) {
      const size_t want = std::min(entries.size(), own.size() - at) * 8;
      const ssize_t n =
          pread(file_.fd, entries.data(), want, static_cast<off_t>((r.start / kPage + at) * 8));
      if (n < 8) break;
      for (ssize_t k = 0; k < n / 8; k++)
        own[at + static_cast<size_t>(k)] =
            entries[k] & (kPresent | kSwapped) && !(r.of_file() && entries[k] & kOfFile);
      at += static_cast<size_t>(n) / 8;
    }
    return own;
  }

 private:
  Descriptor file_;
};

struct Segment {
  Region region;
  std::vector<bool> own;  ///< pages to be copied; empty: none
  uint64_t offset = 0;
};

// A debugger takes the core's word for the whole of a segment: of a file that was written to, all
// pages are there.
std::vector<Segment> segments_of(pid_t pid, const std::vector<Region>& map, uint64_t most) {
  const PageMap pages(pid);
  std::vector<Segment> segments;
  uint64_t total = 0;
  for (const Region& r : map) {
    if (r.path == "[vsyscall]" || r.path.starts_with("[vvar")) continue;
    Segment s{r, {}, 0};
    if (!r.shared) s.own = pages.own_pages(r);
    auto count = static_cast<uint64_t>(std::count(s.own.begin(), s.own.end(), true));
    if (count == 0) s.own.clear();
    if (count && r.of_file()) s.own.assign(count = s.own.size(), true);
    total += count * kPage;
    segments.push_back(std::move(s));
  }
  if (total > most)
    fail("it has " + std::to_string(total >> 20) + " MiB of memory, the limit is " +
         std::to_string(most >> 20) + " MiB");
  return segments;
}

void write_at(int fd, const void* bytes, size_t size, uint64_t offset) {
  if (pwrite(fd, bytes, size, static_cast<off_t>(offset)) != static_cast<ssize_t>(size))
    fail("a core file cannot be written");
}

bool all_zero(const uint8_t* p, size_t n) {
  return std::all_of(p, p + n, [](uint8_t b) { return b == 0; });
}

// What cannot be read stays a hole (a file that became shorter).
void copy_segment(int memory, int out, const Segment& s) {
  uint8_t page[kPage];
  for (size_t i = 0; i < s.own.size(); i++) {
    if (!s.own[i]) continue;
    const uint64_t at = s.region.start + i * kPage;
    if (pread(memory, page, kPage, static_cast<off_t>(at)) != static_cast<ssize_t>(kPage)) continue;
    // A page of zeros is a hole, unless the file that is mapped here has something else.
    if (s.region.of_file() || !all_zero(page, kPage))
      write_at(out, page, kPage, s.offset + i * kPage);
  }
}

Elf64_Phdr header_of(const Segment& s) {
  Elf64_Phdr h{};
  h.p_type = PT_LOAD;
  h.p_flags = (s.region.protection & 1 ? PF_R : 0) | (s.region.protection & 2 ? PF_W : 0) |
              (s.region.protection & 4 ? PF_X : 0);
  h.p_offset = s.offset;
  h.p_vaddr = s.region.start;
  h.p_memsz = s.region.end - s.region.start;
  h.p_filesz = s.own.empty() ? 0 : h.p_memsz;
  h.p_align = kPage;
  return h;
}

Elf64_Ehdr file_header(size_t segments) {
  Elf64_Ehdr e{};
  std::memcpy(e.e_ident, ELFMAG, SELFMAG);
  e.e_ident[EI_CLASS] = ELFCLASS64;
  e.e_ident[EI_DATA] = ELFDATA2LSB;
  e.e_ident[EI_VERSION] = EV_CURRENT;
  e.e_type = ET_CORE;
  e.e_machine = EM_X86_64;
  e.e_version = EV_CURRENT;
  e.e_phoff = sizeof e;
  e.e_ehsize = sizeof e;
  e.e_phentsize = sizeof(Elf64_Phdr);
  e.e_phnum = static_cast<uint16_t>(segments + 1);
  return e;
}

}  // namespace

ThreadRegisters registers_of(pid_t tid) {
  ThreadRegisters t;
  t.tid = tid;
  t.vectors.resize(kMostVectors);
  iovec io{t.vectors.data(), t.vectors.size()};
  if (ptrace(PTRACE_GETREGS, tid, 0, &t.general) != 0 ||
      ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &io) != 0)
    fail("its registers cannot be read");
  t.vectors.resize(io.iov_len);
  return t;
}

void set_registers(pid_t tid, const ThreadRegisters& t) {
  std::vector<uint8_t> vectors = t.vectors;
  iovec io{vectors.data(), vectors.size()};
  if (ptrace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, &io) != 0 ||
      ptrace(PTRACE_SETREGS, tid, 0, &t.general) != 0)
    fail("its registers cannot be set");
}

void write_core(pid_t pid, const std::vector<ThreadRegisters>& threads, const std::string& path,
                uint64_t most) {
  const std::vector<Region> map = map_of(pid);
  if (map.empty()) fail("its memory map cannot be read");
  std::vector<Segment> segments = segments_of(pid, map, most);
  if (segments.size() >= PN_XNUM) fail("it has too many mappings");
  const std::string notes = notes_of(pid, threads, map);
  const Descriptor memory(open(proc(pid, "mem").c_str(), O_RDONLY | O_CLOEXEC));
  const Descriptor out(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (memory.fd < 0 || out.fd < 0) fail("its memory cannot be read, or the file not be written");

  const Elf64_Ehdr file = file_header(segments.size());
  Elf64_Phdr note{};
  note.p_type = PT_NOTE;
  note.p_offset = sizeof file + (segments.size() + 1) * sizeof note;
  note.p_filesz = notes.size();
  uint64_t end = (note.p_offset + note.p_filesz + kPage - 1) & ~(kPage - 1);
  std::vector<Elf64_Phdr> headers{note};
  for (Segment& s : segments) {
    s.offset = end;
    headers.push_back(header_of(s));
    end += headers.back().p_filesz;
  }
  write_at(out.fd, &file, sizeof file, 0);
  write_at(out.fd, headers.data(), headers.size() * sizeof note, sizeof file);
  write_at(out.fd, notes.data(), notes.size(), note.p_offset);
  for (const Segment& s : segments) copy_segment(memory.fd, out.fd, s);
  if (ftruncate(out.fd, static_cast<off_t>(end)) != 0) fail("a core file cannot be written");
}

// --- reading ---------------------------------------------------------------------------------

CoreFile::CoreFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (fd_ < 0) fail("cannot open " + path + ": " + std::strerror(errno));
  Elf64_Ehdr file;
  read(0, &file, sizeof file);
  if (std::memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 || file.e_type != ET_CORE ||
      file.e_phentsize != sizeof(Elf64_Phdr))
    fail(path + " is not a core file");
  std::vector<Elf64_Phdr> headers(file.e_phnum);
  read(file.e_phoff, headers.data(), headers.size() * sizeof headers[0]);
  for (const Elf64_Phdr& h : headers) {
    if (h.p_type == PT_NOTE) read_notes(h.p_offset, h.p_filesz);
    if (h.p_type == PT_LOAD && h.p_filesz) parts_.push_back({h.p_vaddr, h.p_filesz, h.p_offset});
  }
  if (threads_.empty()) fail(path + " has no registers");
}

CoreFile::~CoreFile() {
  if (fd_ >= 0) close(fd_);
}

void CoreFile::read(uint64_t offset, void* to, size_t size) const {
  if (pread(fd_, to, size, static_cast<off_t>(offset)) != static_cast<ssize_t>(size))
    fail("a core file ends too early");
}

void CoreFile::read_notes(uint64_t offset, uint64_t size) {
  if (size > kMostNotes) fail("a core file has too many notes");
  std::vector<uint8_t> bytes(size);
  read(offset, bytes.data(), size);
  for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= size;) {
    Elf64_Nhdr h;
    std::memcpy(&h, &bytes[at], sizeof h);
    const size_t data = at + sizeof h + ((size_t{h.n_namesz} + 3) & ~size_t{3});
    const size_t next = data + ((size_t{h.n_descsz} + 3) & ~size_t{3});
    if (data > size || size_t{h.n_descsz} > size - data) fail("a core file has damaged notes");
    if (h.n_type == NT_PRSTATUS && h.n_descsz == sizeof(elf_prstatus)) {
      elf_prstatus status;
      std::memcpy(&status, &bytes[data], sizeof status);
      ThreadRegisters t;
      t.tid = status.pr_pid;
      std::memcpy(&t.general, &status.pr_reg, sizeof t.general);
      threads_.push_back(std::move(t));
    } else if (h.n_type == NT_X86_XSTATE && !threads_.empty()) {
      const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(data);
      threads_.back().vectors.assign(begin, begin + h.n_descsz);
    }
    at = next;
  }
}

std::vector<CorePart> CoreFile::data_in(const CorePart& part) const {
  std::vector<CorePart> data;
  const auto end = static_cast<off_t>(part.offset + part.size);
  for (auto at = static_cast<off_t>(part.offset); at < end;) {
    at = lseek(fd_, at, SEEK_DATA);
    if (at < 0 || at >= end) break;
    const off_t hole = std::min(end, lseek(fd_, at, SEEK_HOLE));
    data.push_back({part.address + static_cast<uint64_t>(at) - part.offset,
                    static_cast<uint64_t>(hole - at), static_cast<uint64_t>(at)});
    at = hole;
  }
  return data;
}

}  // namespace mx::replay
