// What the createContainer hook is to mount: plan.json of the container's state folder, written by
// oci/rewrite.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace mx::hooks {

struct Plan {
  std::filesystem::path rootfs;        // the container's root tree, as the hook sees it
  std::string own_folder;              // in the container, "/dev/.mx"
  std::string in, out;                 // host folders
  std::string tables;                  // host folder of site tables; it need not be there
  std::string monitor, enter;          // host files
  std::vector<std::string> analyzers;  // host files; they need not be there
  std::string setting;                 // the setting that named the second version, for messages
  std::string second;                  // "old" or "new"
  bool optional = false;
  std::string upper;         // host folder with upper/ and work/
  std::string lower;         // host folder of a stored image, or
  std::string volume;        // path in the container
  std::string volume_mount;  // the mount that holds it
  std::vector<std::string>
      volume_layers;  // host folders of which that mount is an overlay, if it is a read-only one
  bool user_namespace = false;
  bool readonly = false;
  std::vector<std::string> masked, readonly_paths;
  std::string mount_label;                     // SELinux
  std::map<std::string, std::string> folders;  // version to its working folder
};

// Throws mx::oci::Failure.
Plan read_plan(const std::filesystem::path& file);

}  // namespace mx::hooks
