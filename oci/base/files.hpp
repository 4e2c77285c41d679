// Reading and writing whole files, and walking paths that somebody else controls.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "oci/base/scoped_fd.hpp"

namespace mx::oci {

// The file's bytes. Throws Failure when it cannot be read or has more than `limit` bytes.
std::string read_file(const std::filesystem::path& path, size_t limit = size_t{1} << 30);

// As read_file, but nothing when the file does not exist.
std::optional<std::string> read_file_if_there(const std::filesystem::path& path,
                                              size_t limit = size_t{1} << 30);

// Replaces `path` in one step: a new file beside it, fsync, rename. Keeps mode and owner of the
// file that was there; a new file gets `mode`. Throws Failure; the old file then stays as it was.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes,
                           mode_t mode = 0644);

// The same without fsync, for files that mean nothing after a reboot (state of living containers):
// readers see the old or the new file, and a container's start does not wait for the disk.
void replace_file(const std::filesystem::path& path, std::string_view bytes, mode_t mode = 0644);

// Appends `bytes` by one write, creating the file with `mode`. Throws Failure.
void append_to_file(const std::filesystem::path& path, std::string_view bytes, mode_t mode = 0600);

// Opens `path` as if `root` were "/": links and ".." cannot leave it, /proc's magic links are not
// followed (openat2 RESOLVE_IN_ROOT). Returns an invalid descriptor and sets errno on failure.
ScopedFd open_in_root(int root, const std::string& path, int flags, mode_t mode = 0);

// Creates every missing folder of `path` inside `root` with mode 0755 and returns the last one
// (O_PATH). A link on the way is followed inside the root. Throws Failure.
ScopedFd make_folders_in_root(int root, const std::string& path);

// "/a//b/./c/" becomes "/a/b/c". Throws Failure if it is not absolute or holds "..".
std::string clean_absolute(const std::string& path, const std::string& name_of_setting);

// True when `path` is `folder` or lies below it. Both must be clean.
bool is_below(std::string_view path, std::string_view folder);

}  // namespace mx::oci
