// Runs code over hostile bytes in a child process that
// can do nothing but compute and write its answer.
#pragma once
#include <functional>
#include <optional>
#include <string>

namespace mx::sites {

/// What `work` returned, computed in a child with no user, no new rights and no system calls but
/// for memory and writing. Nothing if it crashed, took more than five seconds of processor, or
/// answered more than `limit` bytes.
std::optional<std::string> in_closed_room(const std::function<std::string()>& work, size_t limit);

}  // namespace mx::sites
