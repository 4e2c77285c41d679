// Expected divergences (`mx run --rules FILE`, docs/rules.md):
// what they match is neither reported nor counted.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mx::monitor {

class Rules {
 public:
  /// No rule: nothing is expected.
  Rules() = default;
  /// Reads `path`; "" is no rule. Throws Error with file, line and what is wrong.
  static Rules read(const std::string& path);
  /// `what` names the text in messages.
  static Rules parse(const std::string& text, const std::string& what);

  /// True if the fields of a `divergence` line match a rule.
  bool expected(const nlohmann::ordered_json& divergence) const;
  size_t size() const { return rules_.size(); }

 private:
  struct Rule {
    std::string call, kind;  ///< "*": any
    int argument = -1;       ///< of kind "argument"; -1: any
    std::string text;        ///< must be in what the leader or the follower wrote; "": any
  };
  std::vector<Rule> rules_;
};

}  // namespace mx::monitor
