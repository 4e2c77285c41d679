// mx-hook STAGE [--state FOLDER]: OCI hooks. Static, since runc's createContainer hooks inherit the
// container's environment if the engine lets them.
#include <cstdio>
#include <exception>
#include <string>

#include "hooks/stages.hpp"

int main(int argc, char** argv) {
  const std::string stage = argc > 1 ? argv[1] : "";
  const std::string folder = argc == 4 && std::string(argv[2]) == "--state" ? argv[3] : "";
  try {
    if (stage == "precreate" && argc == 2) return mx::hooks::precreate();
    if (folder.starts_with("/")) {
      if (stage == "createRuntime") return mx::hooks::create_runtime(folder);
      if (stage == "createContainer") return mx::hooks::create_container(folder);
      if (stage == "poststop") return mx::hooks::post_stop(folder);
    }
    fprintf(stderr,
            "usage: mx-hook precreate\n"
            "       mx-hook createRuntime|createContainer|poststop --state FOLDER\n");
    return 2;
  } catch (const std::exception& error) {
    fprintf(stderr, "mx: %s\n", error.what());
    return 1;
  }
}
