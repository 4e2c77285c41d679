// The tree of files that the crashed version had as its root: where it was, and where it is now.
// Of a container it may be unpacked anywhere.
#pragma once
#include <optional>
#include <string>
#include <utility>

namespace mx::replay {

class RootTree {
 public:
  /// `then`: as paths in the bundle begin; `now`: on this machine. "/": no other than ours.
  RootTree(std::string then, std::string now) : then_(std::move(then)), now_(std::move(now)) {}
  const std::string& now() const { return now_; }
  bool is_ours() const { return now_ == "/"; }
  /// A path in the bundle, as a process sees it whose root the tree is; null: it is not in there.
  std::optional<std::string> inside(const std::string& path) const {
    if (then_ == "/") return path;
    if (path == then_) return "/";
    if (!path.starts_with(then_ + "/")) return std::nullopt;
    return path.substr(then_.size());
  }
  /// The same, as we see it.
  std::optional<std::string> here(const std::string& path) const {
    const auto in = inside(path);
    return in && !is_ours() ? now_ + *in : in;
  }

 private:
  std::string then_, now_;
};

/// For this process and its children only: the folders of the kernel's file systems in it. Throws
/// std::runtime_error.
void furnish(const RootTree& tree);

}  // namespace mx::replay
