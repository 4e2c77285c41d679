// mx-analyze: answers from the cache what the cache can answer, and becomes mx-analyze-full for the
// rest. Loading LIEF, Capstone and libdw takes longer than reading a mapping.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/mapping/cache_name.h"
#include "analyzer/mapping/identity.h"

namespace {

// Does the command line ask for the mapping of two files, and for nothing else?
bool asks_for_mapping(int argc, char** argv, std::vector<std::string>& files) {
  bool mapping = false;
  for (int k = 1; k < argc; ++k) {
    std::string_view word = argv[k];
    if (word == "--format=mapping") {
      mapping = true;
    } else if (word == "--format" && k + 1 < argc) {
      mapping = std::string_view(argv[++k]) == "mapping";
    } else if (word.empty() || word[0] == '-') {
      return false;
    } else {
      files.emplace_back(word);
    }
  }
  return mapping && files.size() == 2;
}

bool print(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t n = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}

// The exit status when the cache had the answer; -1 when it had not.
int answer_from_cache(int argc, char** argv) {
  std::vector<std::string> files;
  if (!asks_for_mapping(argc, argv, files)) return -1;
  auto old_id = mx::mapping::identity_of(files[0]), new_id = mx::mapping::identity_of(files[1]);
  if (!old_id || !new_id) return -1;
  auto kept = mx::mapping::kept_mapping(old_id.value(), new_id.value());
  if (!kept) return -1;
  if (print(kept->bytes())) return 0;
  std::fputs("mx analyze: cannot write the output\n", stderr);
  return 2;
}

// mx-analyze-full lies beside this program.
std::string full_program() {
  char self[4096];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
  return path.substr(0, path.rfind('/') + 1) + "mx-analyze-full";
}

}  // namespace

int main(int argc, char** argv) {
  if (int status = answer_from_cache(argc, argv); status >= 0) return status;
  std::string full = full_program();
  execv(full.c_str(), argv);
  std::fprintf(stderr, "mx analyze: cannot execute %s: %s\n", full.c_str(), strerror(errno));
  return 2;
}
