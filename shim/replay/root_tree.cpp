#include "shim/replay/root_tree.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "shim/monitor/error.h"

namespace mx::replay {

void furnish(const RootTree& tree) {
  if (tree.is_ours()) return;
  if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    throw monitor::system_error("another root needs the right to mount (root)");
  for (const char* folder : {"/proc", "/dev"}) {
    const std::string place = tree.now() + folder;
    struct stat s;
    if (lstat(place.c_str(), &s) == 0 && S_ISDIR(s.st_mode))
      mount(folder, place.c_str(), nullptr, MS_BIND | MS_REC, nullptr);  // most get along without
  }
}

}  // namespace mx::replay
