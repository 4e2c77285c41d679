#include "oci/rewrite/image_defaults.hpp"

#include <algorithm>

#include "oci/base/base64.hpp"
#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"

namespace mx::oci {
namespace {

namespace fs = std::filesystem;

std::string name_of(const std::string& variable) { return variable.substr(0, variable.find('=')); }

const std::string* find_variable(const std::vector<std::string>& env, const std::string& name) {
  for (const std::string& entry : env)
    if (name_of(entry) == name) return &entry;
  return nullptr;
}

std::string words(const std::vector<std::string>& args) {
  std::string out;
  for (const std::string& arg : args) out += (out.empty() ? "" : " ") + arg;
  return out;
}

std::optional<Json> json_file(const fs::path& file) {
  const auto text = read_file_if_there(file, kMaxSpecBytes);
  if (!text) return std::nullopt;
  const Json document = Json::parse(*text, nullptr, false);
  if (document.is_discarded()) return std::nullopt;
  return document;
}

// DATA/containers/ID/config.v2.json names the image, DATA/image/DRIVER/imagedb/… holds it.
std::optional<Json> docker_image(const fs::path& data, const std::string& id) {
  const auto container = json_file(data / "containers" / id / "config.v2.json");
  if (!container) return std::nullopt;
  const std::string image = string_at(*container, "Image", "");
  if (!image.starts_with("sha256:")) return std::nullopt;
  return json_file(data / "image" / string_at(*container, "Driver", "overlay2") /
                   "imagedb/content/sha256" / image.substr(7));
}

// containers/storage writes the name of such a file as "=" and base64.
std::optional<Json> podman_image(const fs::path& storage, const std::string& driver,
                                 const std::string& id) {
  const auto containers = json_file(storage / (driver + "-containers") / "containers.json");
  if (!containers || !containers->is_array()) return std::nullopt;
  for (const Json& container : *containers) {
    if (string_at(container, "id", "") != id) continue;
    const std::string image = string_at(container, "image", "");
    return json_file(storage / (driver + "-images") / image / ("=" + to_base64("sha256:" + image)));
  }
  return std::nullopt;
}

void choose_env(const std::optional<ImageDefaults>& own, const ImageDefaults& theirs,
                start::VersionSettings& second, std::vector<std::string>& notes) {
  for (const std::string& entry : theirs.env) {
    const std::string name = name_of(entry);
    const auto held = std::find_if(second.env.begin(), second.env.end(),
                                   [&](const auto& e) { return name_of(e) == name; });
    if (held == second.env.end()) {
      second.env.push_back(entry);
      continue;
    }
    if (*held == entry) continue;
    const std::string* default_value = own ? find_variable(own->env, name) : nullptr;
    const bool untouched = default_value != nullptr && *default_value == *held;
    notes.push_back("the " + second.name + " image sets " + entry + "; its version runs with " +
                    (untouched ? entry : *held));
    if (untouched) *held = entry;
  }
}

}  // namespace

ImageDefaults image_defaults(const Json& image_config) {
  ImageDefaults defaults;
  defaults.args = strings_at(image_config, "Entrypoint");
  for (const std::string& word : strings_at(image_config, "Cmd")) defaults.args.push_back(word);
  defaults.env = strings_at(image_config, "Env");
  defaults.cwd = string_at(image_config, "WorkingDir", "");
  defaults.user = string_at(image_config, "User", "");
  return defaults;
}

std::optional<ImageDefaults> own_image_defaults(const fs::path& rootfs, const std::string& id) {
  try {
    fs::path above = rootfs;
    for (int level = 0; level < 4 && above.has_parent_path(); ++level) {
      const std::string driver = above.filename();
      above = above.parent_path();
      std::optional<Json> image = docker_image(above, id);
      if (!image) image = podman_image(above, driver, id);
      if (image) return image_defaults(object_at(*image, "config"));
    }
  } catch (const Failure&) {
    // Another engine's files: not known is a fine answer.
  }
  return std::nullopt;
}

void apply_defaults(const start::VersionSettings& first, const std::optional<ImageDefaults>& own,
                    const ImageDefaults& theirs, start::VersionSettings& second,
                    std::vector<std::string>& notes) {
  choose_env(own, theirs, second, notes);
  if (!theirs.args.empty() && theirs.args != first.args) {
    const bool untouched = own && own->args == first.args;
    if (untouched) second.args = theirs.args;
    notes.push_back("the " + second.name + " image's own command is `" + words(theirs.args) +
                    "`; its version runs `" + words(second.args) + "`");
  }
  const std::string own_cwd = own && !own->cwd.empty() ? own->cwd : "/";
  const std::string their_cwd = theirs.cwd.empty() ? "/" : theirs.cwd;
  if (own && own_cwd == first.cwd) second.cwd = their_cwd;
  if (own && !theirs.user.empty() && theirs.user != own->user)
    notes.push_back("the " + second.name + " image's own user is " + theirs.user +
                    "; both versions run as the container's user");
}

}  // namespace mx::oci
