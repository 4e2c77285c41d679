#include "needs.h"

#include <elf.h>

#include <cstring>

namespace mx::sites {
namespace {

constexpr size_t kMostNames = 256, kLongestName = 4096;

template <typename T>
bool read_at(Bytes file, uint64_t offset, T* to) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) return false;
  std::memcpy(to, file.data() + offset, sizeof(T));
  return true;
}

std::string text_at(Bytes file, uint64_t offset) {
  std::string out;
  while (offset < file.size() && file[offset] != 0 && out.size() < kLongestName)
    out += static_cast<char>(file[offset++]);
  return out.find('\n') == std::string::npos ? out : "";
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> out;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(':', at), list.size());
    if (end > at) out.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

class Reader {
 public:
  explicit Reader(Bytes file) : file_(file) {}

  Needs read() {
    Elf64_Ehdr header;
    if (!read_at(file_, 0, &header) || header.e_phentsize != sizeof(Elf64_Phdr)) return {};
    for (uint64_t i = 0; i < header.e_phnum; ++i) {
      Elf64_Phdr part;
      if (!read_at(file_, header.e_phoff + i * sizeof part, &part)) break;
      parts_.push_back(part);
    }
    Needs needs;
    for (const Elf64_Phdr& part : parts_) {
      if (part.p_type == PT_INTERP) needs.loader = text_at(file_, part.p_offset);
      if (part.p_type == PT_DYNAMIC) read_dynamic(part, &needs);
    }
    return needs;
  }

 private:
  // Where the file holds what stands at `address` in memory; the file's size if nowhere.
  uint64_t offset_of(uint64_t address) const {
    for (const Elf64_Phdr& part : parts_)
      if (part.p_type == PT_LOAD && address >= part.p_vaddr &&
          address - part.p_vaddr < part.p_filesz)
        return part.p_offset + (address - part.p_vaddr);
    return file_.size();
  }

  void read_dynamic(const Elf64_Phdr& part, Needs* needs) const {
    std::vector<Elf64_Dyn> entries;
    uint64_t strings = file_.size();
    for (uint64_t at = 0;
         at + sizeof(Elf64_Dyn) <= part.p_filesz && entries.size() < kMostNames * 4;
         at += sizeof(Elf64_Dyn)) {
      Elf64_Dyn entry;
      if (!read_at(file_, part.p_offset + at, &entry) || entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_STRTAB) strings = offset_of(entry.d_un.d_ptr);
      entries.push_back(entry);
    }
    for (const Elf64_Dyn& entry : entries) {
      const std::string name = text_at(file_, strings + entry.d_un.d_val);
      if (name.empty()) continue;
      if (entry.d_tag == DT_NEEDED && needs->libraries.size() < kMostNames)
        needs->libraries.push_back(name);
      if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH) needs->folders = split(name);
    }
  }

  Bytes file_;
  std::vector<Elf64_Phdr> parts_;
};

}  // namespace

Needs needs_of(Bytes elf_file) { return Reader(elf_file).read(); }

std::string to_text(const Needs& needs) {
  std::string out;
  if (!needs.loader.empty()) out += "loader " + needs.loader + "\n";
  for (const std::string& name : needs.libraries) out += "library " + name + "\n";
  for (const std::string& name : needs.folders) out += "folder " + name + "\n";
  return out;
}

Needs needs_from_text(std::string_view text) {
  Needs needs;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with("loader ")) needs.loader = line.substr(7);
    if (line.starts_with("library ") && needs.libraries.size() < kMostNames)
      needs.libraries.emplace_back(line.substr(8));
    if (line.starts_with("folder ") && needs.folders.size() < kMostNames)
      needs.folders.emplace_back(line.substr(7));
  }
  return needs;
}

}  // namespace mx::sites
