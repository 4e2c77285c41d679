#include "oci/configure/edit.hpp"

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"

namespace mx::oci {
namespace {

// A drop-in is replaced as a whole, so it must be one that mx has written.
void check_ours(const Edit& edit) {
  if (edit.before && !edit.before->starts_with(kDropInMark))
    throw Failure(edit.file +
                  " was not written by mx; it is left as it is (--config names another file)");
}

}  // namespace

Edit plan_edit(const std::string& engine, const ConfigureOptions& options, const std::string& root,
               const std::string& file) {
  Edit edit;
  const auto at = [&](const std::string& usual) {
    edit.file = root + (file.empty() ? usual : file);
    edit.before = read_file_if_there(edit.file, 16 << 20);
  };
  if (engine == "docker") {
    at("/etc/docker/daemon.json");
    edit.displaced_before = read_file_if_there(edit.displaced_file(), 1 << 20);
    edit.displaced_after = edit.displaced_before;
    edit.after = edit_docker(edit.before, options, edit.displaced_after);
    edit.restart = "systemctl reload docker   (or: kill -HUP $(pidof dockerd))";
    if (options.set_default) edit.restart = "systemctl restart docker";
  } else if (engine == "containerd") {
    at("/etc/containerd/config.toml");
    edit.after = edit_containerd(edit.before, options, edit.remarks);
    edit.restart = "systemctl restart containerd";
  } else if (engine == "podman") {
    at("/etc/containers/containers.conf.d/99-mx.conf");
    check_ours(edit);
    edit.after = podman_drop_in(options);
    edit.restart = "nothing to restart; new containers see it";
  } else if (engine == "crio") {
    at("/etc/crio/crio.conf.d/99-mx.conf");
    check_ours(edit);
    edit.after = crio_drop_in(options);
    edit.restart = "systemctl restart crio";
  } else {
    throw Failure("unknown engine \"" + engine + "\" (docker, containerd, crio, podman)");
  }
  return edit;
}

}  // namespace mx::oci
