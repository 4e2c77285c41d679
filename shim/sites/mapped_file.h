// A file mapped read-only for as long as the object lives.
#pragma once
#include <string>

#include "elf_image.h"
#include "result.h"

namespace mx::sites {

class MappedFile {
 public:
  /// Maps a regular file. Errors: open, not regular, mmap. An empty file gives no bytes.
  static Result<MappedFile> open(const std::string& path);
  /// The same for an open descriptor, which stays the caller's.
  static Result<MappedFile> map(int fd);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  Bytes bytes() const { return bytes_; }

 private:
  explicit MappedFile(Bytes bytes) : bytes_(bytes) {}
  Bytes bytes_;
};

}  // namespace mx::sites
