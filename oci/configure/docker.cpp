// docker's daemon.json. It has no comments to keep, but a form that somebody chose: it is edited by
// text. What is put in stands directly behind an opening brace, and undoing takes exactly that out
// again.
#include "oci/base/failure.hpp"
#include "oci/configure/edit.hpp"
#include "oci/configure/json_text.hpp"
#include "oci/spec/document.hpp"

namespace mx::oci {
namespace {

// What mx starts from where there was no file, or an empty one; nobody writes an empty object so.
constexpr char kNoFile[] = "{\n\n}\n", kEmptyFile[] = "{\n\n\n}\n";

std::string quoted(const std::string& text) { return Json(text).dump(); }

std::string entry_for(const ConfigureOptions& options) {
  return "{\"path\": " + quoted(options.runtime) + "}";
}

// The indentation of the object's first member; four spaces more than the object's if it has none
// of its own.
std::string indent_in(const std::string& text, size_t brace, const std::string& outer) {
  const auto members = json_members(text, brace);
  if (members.empty()) return outer + "    ";
  const size_t line = text.rfind('\n', members[0].begin);
  if (line == text.npos || line < brace) return outer + "    ";
  return text.substr(line + 1, members[0].begin - line - 1);
}

void add_runtime(std::string& text, size_t top, const ConfigureOptions& options) {
  const std::string indent = indent_in(text, top, "");
  const auto runtimes = find_json_member(text, top, "runtimes");
  if (!runtimes) {
    insert_json_member(text, top, indent, "runtimes", "{\"mx\": " + entry_for(options) + "}");
    return;
  }
  if (text[runtimes->value] != '{') throw Failure("daemon.json: runtimes is not an object");
  const auto mx = find_json_member(text, runtimes->value, "mx");
  if (!mx) {
    insert_json_member(text, runtimes->value, indent_in(text, runtimes->value, indent), "mx",
                       entry_for(options));
    return;
  }
  if (text[mx->value] != '{') throw Failure("daemon.json: runtimes.mx is not an object");
  const auto path = find_json_member(text, mx->value, "path");
  if (path)
    text.replace(path->value, path->end - path->value, quoted(options.runtime));
  else
    text.replace(mx->value, mx->end - mx->value, entry_for(options));
}

void remove_runtime(std::string& text, size_t top) {
  const auto runtimes = find_json_member(text, top, "runtimes");
  if (!runtimes || text[runtimes->value] != '{') return;
  const auto mx = find_json_member(text, runtimes->value, "mx");
  if (!mx) return;
  // Written by add_runtime as a whole, and nobody has added to it.
  const bool all_ours = mx->begin == runtimes->value + 1 && text[mx->end] == '}';
  if (all_ours)
    remove_json_member(text, top, "runtimes");
  else
    remove_json_member(text, runtimes->value, "mx");
}

void set_default(std::string& text, size_t top, std::optional<std::string>& displaced) {
  const auto was = find_json_member(text, top, "default-runtime");
  if (!was) {
    insert_json_member(text, top, indent_in(text, top, ""), "default-runtime", "\"mx\"");
    return;
  }
  const std::string value = text.substr(was->value, was->end - was->value);
  if (value == "\"mx\"") return;
  displaced = value;
  text.replace(was->value, was->end - was->value, "\"mx\"");
}

void restore_default(std::string& text, size_t top, std::optional<std::string>& displaced) {
  const auto is = find_json_member(text, top, "default-runtime");
  if (is && text.substr(is->value, is->end - is->value) == "\"mx\"") {
    if (displaced)
      text.replace(is->value, is->end - is->value, *displaced);
    else
      remove_json_member(text, top, "default-runtime");
  }
  displaced.reset();
}

}  // namespace

std::optional<std::string> edit_docker(const std::optional<std::string>& text,
                                       const ConfigureOptions& options,
                                       std::optional<std::string>& displaced) {
  const bool blank = !text || text->find_first_not_of(" \t\r\n") == text->npos;
  if (blank && options.undo) return text;
  std::string out = !text ? kNoFile : text->empty() ? kEmptyFile : blank ? *text + kNoFile : *text;
  parse_document(out, "daemon.json");
  const size_t top = out.find('{');
  if (!options.undo) {
    add_runtime(out, top, options);
    if (options.set_default) set_default(out, top, displaced);
  } else {
    restore_default(out, top, displaced);
    remove_runtime(out, top);
    if (out == kNoFile) return std::nullopt;
    if (out == kEmptyFile) return "";
    if (top > 0 && out.substr(top) == kNoFile) return out.substr(0, top);
  }
  parse_document(out, "daemon.json");
  return out;
}

}  // namespace mx::oci
