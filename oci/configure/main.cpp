#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "oci/configure/edit.hpp"

namespace mx::oci {
namespace {

constexpr char kUsage[] =
    "usage: mx configure docker|containerd|crio|podman [--dry-run] [--undo] [--set-default]\n"
    "                    [--config FILE] [--runtime PATH] [--hooks DIR] [--root DIR]\n";

struct Call {
  std::string engine, root, file;
  bool dry_run = false;
  ConfigureOptions options;
};

bool read_call(const std::vector<std::string>& args, Call& call) {
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    const auto value = [&](std::string& to) {
      if (++i >= args.size()) return false;
      to = args[i];
      return true;
    };
    if (arg == "--dry-run")
      call.dry_run = true;
    else if (arg == "--undo")
      call.options.undo = true;
    else if (arg == "--set-default")
      call.options.set_default = true;
    else if (arg == "--config") {
      if (!value(call.file)) return false;
    } else if (arg == "--runtime") {
      if (!value(call.options.runtime)) return false;
    } else if (arg == "--hooks") {
      if (!value(call.options.hooks)) return false;
    } else if (arg == "--root") {
      if (!value(call.root)) return false;
    } else if (call.engine.empty() && !arg.starts_with("-"))
      call.engine = arg;
    else
      return false;
  }
  return !call.engine.empty();
}

void write_one(const std::filesystem::path& file, const std::optional<std::string>& text) {
  if (!text) {
    if (unlink(file.c_str()) != 0 && errno != ENOENT)
      throw system_failure("cannot delete " + file.string(), errno);
    return;
  }
  std::filesystem::create_directories(file.parent_path());
  write_file_atomically(file, *text);
}

// What was displaced is on the disk before the file loses it, and stays until the file has it
// again.
void write_edit(const Edit& edit) {
  if (edit.displaced_after) write_one(edit.displaced_file(), edit.displaced_after);
  write_one(edit.file, edit.after);
  if (!edit.displaced_after) write_one(edit.displaced_file(), std::nullopt);
}

}  // namespace

int configure_main(int argc, char** argv) {
  Call call;
  if (!read_call(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc), call)) {
    fputs(kUsage, stderr);
    return 2;
  }
  try {
    const Edit edit = plan_edit(call.engine, call.options, call.root, call.file);
    for (const std::string& remark : edit.remarks) fprintf(stderr, "note: %s\n", remark.c_str());
    if (!edit.changes()) {
      printf("%s: nothing to change\n", edit.file.c_str());
      return 0;
    }
    if (call.dry_run) {
      printf("%s would %s\n", edit.file.c_str(), edit.after ? "become:" : "be deleted");
      if (edit.after) fputs(edit.after->c_str(), stdout);
      return 0;
    }
    write_edit(edit);
    printf("%s %s\nnow: %s\n", edit.file.c_str(), edit.after ? "written" : "deleted",
           edit.restart.c_str());
    return 0;
  } catch (const std::exception& error) {
    fprintf(stderr, "mx configure: %s\n", error.what());
    return 1;
  }
}

}  // namespace mx::oci
