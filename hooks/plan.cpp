#include "hooks/plan.hpp"

#include "oci/base/files.hpp"
#include "oci/spec/document.hpp"

namespace mx::hooks {

Plan read_plan(const std::filesystem::path& file) {
  const oci::Json in = oci::parse_document(oci::read_file(file, oci::kMaxSpecBytes), file.string());
  const auto text = [&](const char* name) { return oci::string_at(in, name, ""); };
  Plan plan;
  plan.rootfs = text("rootfs");
  plan.own_folder = text("ownFolder");
  plan.in = text("in");
  plan.out = text("out");
  plan.tables = text("tables");
  plan.monitor = text("monitor");
  plan.enter = text("enter");
  plan.analyzers = oci::strings_at(in, "analyzers");
  plan.setting = text("setting");
  plan.second = text("second");
  plan.optional = oci::bool_at(in, "optional", false);
  plan.upper = text("upper");
  plan.lower = text("lower");
  plan.volume = text("volume");
  plan.volume_mount = text("volumeMount");
  plan.volume_layers = oci::strings_at(in, "volumeLayers");
  plan.user_namespace = oci::bool_at(in, "userNamespace", false);
  plan.readonly = oci::bool_at(in, "readonly", false);
  plan.masked = oci::strings_at(in, "maskedPaths");
  plan.readonly_paths = oci::strings_at(in, "readonlyPaths");
  plan.mount_label = text("mountLabel");
  for (const auto& [version, folder] : oci::object_at(in, "folders").items())
    plan.folders[version] = folder.get<std::string>();
  return plan;
}

}  // namespace mx::hooks
