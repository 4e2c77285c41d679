// mx-enter: the first program of `docker exec` in a container with two versions. It enters the
// leader's root, takes exactly the rights the engine asked for, and becomes the command.
// Its settings come in the variable MX_ENTER, which the command does not see:
// {"version": one version as in settings.json, "filter": its seccomp program in base64}.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "oci/base/base64.hpp"
#include "oci/start/identity.hpp"
#include "oci/start/settings_json.hpp"

namespace {

std::vector<sock_filter> filter_from(const std::string& bytes) {
  std::vector<sock_filter> filter(bytes.size() / sizeof(sock_filter));
  memcpy(filter.data(), bytes.data(), filter.size() * sizeof(sock_filter));
  return filter;
}

}  // namespace

int main() {
  const char* text = getenv("MX_ENTER");
  if (text == nullptr) {
    fprintf(stderr, "mx-enter: only mx-runtime starts this program\n");
    return 125;
  }
  try {
    const auto enter = nlohmann::ordered_json::parse(text);
    const mx::start::Launch launch(
        mx::start::version_settings_from_json(enter.at("version").dump()),
        filter_from(mx::oci::from_base64(enter.at("filter").get<std::string>())));
    const mx::start::StartError error = mx::start::apply_identity(launch, {});
    fprintf(stderr, "mx-enter: %s (%s): %s\n", mx::start::name_of(error.step),
            launch.settings().args[0].c_str(), strerror(error.error));
    return mx::start::exit_status_for(error);
  } catch (const std::exception& error) {
    fprintf(stderr, "mx-enter: %s\n", error.what());
    return 125;
  }
}
