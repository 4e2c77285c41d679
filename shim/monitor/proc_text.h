// Files of processes, which may end at any moment.
#pragma once
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace mx::monitor {

/// The bytes of a file below /proc, or as many as could be read: of a process that ends between
/// open and read there are none (ESRCH). (An istreambuf_iterator throws then, whatever the stream's
/// exceptions() say: the streambuf does, and no stream is there to catch it.)
inline std::string proc_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace mx::monitor
