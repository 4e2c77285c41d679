#include <cstdio>
#include <string>
#include <vector>

#include "oci/base/failure.hpp"
#include "oci/settings/request.hpp"
#include "oci/state/container_state.hpp"
#include "oci/store/store.hpp"

namespace mx::oci {
namespace {

constexpr char kUsage[] =
    "usage: mx image add [--daemon-host URL] NAME SOURCE\n"
    "       mx image ls\n"
    "       mx image rm NAME\n"
    "       mx image gc\n"
    "SOURCE: docker-daemon:REF | containers-storage:REF | oci:DIR[:TAG] | "
    "docker-archive:FILE[:REF]\n"
    "        | oci-archive:FILE | dir:ROOTFS\n";

int usage() {
  fputs(kUsage, stderr);
  return 2;
}

int add(Store& store, std::vector<std::string> args) {
  std::vector<std::string> options;
  if (args.size() == 4 && args[0] == "--daemon-host") {
    options = {"--src-daemon-host", args[1]};
    args.erase(args.begin(), args.begin() + 2);
  }
  if (args.size() != 2) return usage();
  if (!is_image_name(args[0]))
    throw Failure("\"" + args[0] + "\" is not the name of an image: no container could ask for it");
  const StoredImage image = store.add(args[0], args[1], options);
  printf("%s %s\n", args[0].c_str(), image.digest.c_str());
  return 0;
}

int list(const Store& store) {
  for (const auto& [name, image] : store.list())
    printf("%-30s %s  %s  %s\n", name.c_str(), image.digest.c_str(), image.added.c_str(),
           image.source.c_str());
  return 0;
}

int collect(Store& store, const Config& config) {
  clean_stale(config);
  std::vector<std::string> in_use;
  for (const ContainerState& state : all_states(config)) in_use.push_back(state.image);
  for (const std::string& digest : store.collect_garbage(in_use)) puts(digest.c_str());
  return 0;
}

}  // namespace

int image_main(int argc, char** argv) {
  const std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (args.empty()) return usage();
  const std::vector<std::string> rest(args.begin() + 1, args.end());
  try {
    const Config config = load_config();
    for (const std::string& warning : config.warnings)
      fprintf(stderr, "mx image: warning: %s\n", warning.c_str());
    Store store(config.store);
    if (args[0] == "add") return add(store, rest);
    if (args[0] == "ls" && rest.empty()) return list(store);
    if (args[0] == "gc" && rest.empty()) return collect(store, config);
    if (args[0] == "rm" && rest.size() == 1) {
      if (store.remove(rest[0])) return 0;
      throw Failure("there is no image " + rest[0]);
    }
    return usage();
  } catch (const std::exception& error) {
    fprintf(stderr, "mx image: %s\n", error.what());
    return 1;
  }
}

}  // namespace mx::oci
