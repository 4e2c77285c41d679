// containerd's config.toml. Its `imports` replace a plugin's whole section instead of merging it
// (1.6), so the file itself is edited, by text: lines of mx's own between two marks, every other
// byte stays.
#include <toml++/toml.h>

#include <sstream>

#include "oci/base/failure.hpp"
#include "oci/configure/edit.hpp"

namespace mx::oci {
namespace {

constexpr char kBegin[] = "# BEGIN mx (written by `mx configure containerd`)\n";
constexpr char kEnd[] = "# END mx\n";
// Behind kBegin: what undoing must know of the file.
constexpr char kNewFile[] = "# (there was no file)\n";
constexpr char kNoLastEnd[] = "# (the last line had no end)\n";
constexpr char kWas[] = " # mx: was";
constexpr char kAdded[] = " # mx: added";
constexpr char kFresh[] = "version = 2\n";

toml::table parsed(const std::string& text) {
  try {
    return toml::parse(std::string_view(text), std::string_view("config.toml"));
  } catch (const toml::parse_error& error) {
    throw Failure("config.toml, line " + std::to_string(error.source().begin.line) + ": " +
                  std::string(error.description()));
  }
}

// The text before the block was put in; nothing if there was no file.
std::optional<std::string> without_block(const std::string& text) {
  const size_t begin = text.find(kBegin);
  if (begin == text.npos) return text;
  const size_t end = text.find(kEnd, begin);
  if (end == text.npos) throw Failure("config.toml: the line \"# END mx\" is missing");
  std::string before = text.substr(0, begin);
  const std::string behind = text.substr(end + sizeof kEnd - 1);
  const std::string note = text.substr(begin + sizeof kBegin - 1, sizeof kNoLastEnd - 1);
  if (before.ends_with("\n")) before.pop_back();  // the empty line before the block
  if (behind.empty() && note.starts_with(kNewFile) && before == kFresh) return std::nullopt;
  if (behind.empty() && note.starts_with(kNoLastEnd) && before.ends_with("\n")) before.pop_back();
  return before + behind;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// `like`: the text the lines are of; the last one has an end if it had one there.
std::string joined(const std::vector<std::string>& lines, const std::string& like) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  if (!like.ends_with("\n") && !out.empty()) out.pop_back();
  return out;
}

std::string trimmed(const std::string& line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == line.npos) return "";
  return line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

bool is_default_name(const std::string& line) {
  return trimmed(line).starts_with("default_runtime_name");
}

// Undoes the marked change of default_runtime_name.
std::string with_old_default(const std::string& text) {
  std::vector<std::string> lines;
  for (const std::string& line : lines_of(text)) {
    const size_t was = line.find(kWas);
    if (is_default_name(line) && line.ends_with(kAdded)) continue;
    lines.push_back(is_default_name(line) && was != line.npos
                        ? line.substr(0, line.find('=') + 1) + line.substr(was + sizeof kWas - 1)
                        : line);
  }
  return joined(lines, text);
}

// Puts the default into the existing table; false if the text has no such table header.
bool set_default(std::string& text, const std::string& table) {
  std::vector<std::string> lines = lines_of(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string header = trimmed(lines[i].substr(0, lines[i].find('#')));
    if (header != table) continue;
    for (size_t j = i + 1; j < lines.size() && !trimmed(lines[j]).starts_with("["); ++j) {
      if (!is_default_name(lines[j])) continue;
      const size_t equals = lines[j].find('=');
      if (trimmed(lines[j].substr(equals + 1)) == "\"mx\"") return true;
      lines[j] = lines[j].substr(0, equals) + "= \"mx\"" + kWas + lines[j].substr(equals + 1);
      text = joined(lines, text);
      return true;
    }
    const std::string indent = lines[i].substr(0, lines[i].find('[')) + "  ";
    lines.insert(lines.begin() + static_cast<long>(i) + 1,
                 indent + "default_runtime_name = \"mx\"" + kAdded);
    text = joined(lines, text);
    return true;
  }
  return false;
}

struct Plugin {
  std::string name;
  bool systemd_cgroup = false;
  bool has_runc = false;
  std::string disabled;
};

Plugin plugin_of(const std::string& text) {
  const toml::table config = parsed(text);
  const int64_t version = config["version"].value_or(int64_t{1});
  if (version != 2 && version != 3)
    throw Failure("config.toml has version " + std::to_string(version) +
                  "; mx edits versions 2 and 3 (`containerd config migrate` makes one)");
  Plugin plugin;
  plugin.name = version == 2 ? "io.containerd.grpc.v1.cri" : "io.containerd.cri.v1.runtime";
  const auto runtimes = config["plugins"][plugin.name]["containerd"]["runtimes"];
  if (runtimes["mx"]) throw Failure("config.toml has a runtime mx that mx did not write");
  plugin.has_runc = static_cast<bool>(runtimes["runc"]);
  plugin.systemd_cgroup = runtimes["runc"]["options"]["SystemdCgroup"].value_or(false);
  if (const toml::array* disabled = config["disabled_plugins"].as_array())
    for (const toml::node& item : *disabled) {
      const std::string name = item.value_or(std::string());
      if (name == "cri" || name == plugin.name) plugin.disabled = name;
    }
  return plugin;
}

std::string block_for(const Plugin& plugin, const ConfigureOptions& options, bool with_default,
                      const std::string& note) {
  const std::string table = "plugins.\"" + plugin.name + "\".containerd";
  std::string out = kBegin + note;
  if (with_default) out += "[" + table + "]\n  default_runtime_name = \"mx\"\n";
  // The first runtime in the file takes containerd's built-in runc away, and without the default
  // runtime its CRI plugin does not load.
  if (!plugin.has_runc)
    out += "[" + table + ".runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n";
  out += "[" + table + ".runtimes.mx]\n" +
         "  runtime_type = \"io.containerd.runc.v2\"\n"
         "  pod_annotations = [\"run.mx.*\"]\n"
         "  container_annotations = [\"run.mx.*\"]\n"
         "  [" +
         table + ".runtimes.mx.options]\n" + "    BinaryName = \"" + options.runtime + "\"\n" +
         "    SystemdCgroup = " + (plugin.systemd_cgroup ? "true" : "false") + "\n" + kEnd;
  return out;
}

}  // namespace

std::optional<std::string> edit_containerd(const std::optional<std::string>& text,
                                           const ConfigureOptions& options,
                                           std::vector<std::string>& remarks) {
  if (!text && options.undo) return std::nullopt;
  std::optional<std::string> clean = text;
  if (text && (text->find(kBegin) != text->npos || text->find(kWas) != text->npos ||
               text->find(kAdded) != text->npos)) {
    clean = without_block(*text);
    if (clean) clean = with_old_default(*clean);
  }
  if (options.undo) return clean;
  std::string out = clean.value_or(kFresh);
  const Plugin plugin = plugin_of(out);
  if (!plugin.disabled.empty())
    remarks.push_back("disabled_plugins switches \"" + plugin.disabled +
                      "\" off: Kubernetes cannot use this containerd (ctr and docker can)");
  const bool in_block =
      options.set_default && !set_default(out, "[plugins.\"" + plugin.name + "\".containerd]");
  const bool no_last_end = !out.ends_with("\n");
  out += std::string(no_last_end ? "\n" : "") + "\n" +
         block_for(plugin, options, in_block,
                   !clean        ? kNewFile
                   : no_last_end ? kNoLastEnd
                                 : "");
  parsed(out);  // a table defined twice shows here, before anything is written
  return out;
}

}  // namespace mx::oci
