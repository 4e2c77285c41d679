#include "oci/rewrite/tables.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "oci/base/files.hpp"
#include "oci/rewrite/program_check.hpp"

namespace mx::oci {
namespace {

namespace fs = std::filesystem;

// A version's program in its tree, as two words for
// mx-tables; nothing where the tree is not on the host yet.
void add_version(const fs::path& tree, const start::VersionSettings& version,
                 std::vector<std::string>& words) {
  const ScopedFd root(open(tree.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return;
  const std::string program = find_program_in(root.get(), version);
  if (program.empty()) return;
  words.push_back(tree.string());
  words.push_back(program);
}

// Nobody waits for it, so it must be nobody's child, and hold nothing of the engine's.
void start_unwatched(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (fork() != 0) _exit(0);
    setsid();
    const int nothing = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) dup2(nothing, fd);
    syscall(SYS_close_range, 3, ~0U, 0);
    char* environment[] = {nullptr};
    execve(argv[0], argv.data(), environment);
    _exit(127);
  }
  if (child > 0) waitpid(child, nullptr, 0);
}

}  // namespace

void make_tables(const Config& config, const Json& original,
                 const start::ContainerSettings& settings, const ContainerState& state,
                 const std::optional<StoredImage>& image) {
  const fs::path program = config.tables_path();
  if (access(program.c_str(), X_OK) != 0) return;
  std::error_code error;
  fs::create_directories(config.tables(),
                         error);  // the hook mounts it before mx-tables may have run
  std::vector<std::string> words = {program.string(), config.tables().string()};
  for (const start::VersionSettings& version : settings.versions) {
    if (version.name == state.first)
      add_version(rootfs_of(original, state.bundle), version, words);
    else if (image)
      add_version(image->rootfs, version, words);
  }
  if (words.size() > 2) start_unwatched(words);
}

}  // namespace mx::oci
