// The command line of an OCI runtime: runc 1.1's verbs and flags, and crun's.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace mx::oci {

// One flag as it stood: which words of argv it took and its value.
struct Flag {
  std::string name;   // without dashes, long form ("bundle" for -b)
  std::string value;  // "" for a flag without value
  size_t first_word;  // index into CommandLine::words
  size_t words;       // 1 or 2
};

struct CommandLine {
  std::vector<std::string> words;  // argv[1] …, unchanged
  std::vector<Flag> global_flags;
  std::string verb;                     // "" when only global flags were given
  size_t verb_word = 0;                 // its index in words
  std::vector<Flag> flags;              // of the verb
  std::vector<std::string> positional;  // of the verb; [0] is the container's id, if any
  std::vector<size_t> positional_words;

  // The last value of a flag of the verb or of a global flag.
  std::optional<std::string> value(const std::string& name) const;
  std::optional<std::string> global_value(const std::string& name) const;
  bool has(const std::string& name) const;
  std::string id() const { return positional.empty() ? "" : positional[0]; }

  // A copy of `words` in which `name` has the value `value`: replaced where it stood, else added
  // right behind the verb. This object keeps the old words.
  std::vector<std::string> words_with(const std::string& name, const std::string& value) const;
};

// Parses the words behind argv[0]. Never fails: what an inner runtime would refuse is left to it,
// so that its own message appears. Flags mx does not know are taken as flags without a value unless
// written --name=value.
CommandLine parse_command_line(std::vector<std::string> words);

// The rule of runc for container ids: letters, digits, "_", "+", "-", "."; not "." or "..".
bool is_valid_id(const std::string& id);

}  // namespace mx::oci
