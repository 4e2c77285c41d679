#include "recovery/find_analyzer.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

namespace mx::recovery {

std::string find_analyzer() {
  std::error_code ignored;
  std::filesystem::path here =
      std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const char* place : {"mx-analyze", "../libexec/mx/mx-analyze", "../../analyzer/mx-analyze"})
    if (access((here / place).c_str(), X_OK) == 0) return here / place;
  return {};
}

void lower_rights() {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);  // else uid 0 would have them back after execve
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  syscall(SYS_capset, &header, none);
  const int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score < 0) return;
  (void)!write(score, "1000", 4);
  close(score);
}

}  // namespace mx::recovery
