#include "shim/operator/protocol.h"

namespace mx::op {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr Verb kVerbs[] = {Verb::kStatus, Verb::kPromote, Verb::kDrop};

// What goes back to the sender, or into a log: printable and short.
std::string shown(const std::string& text) {
  std::string out;
  for (char c : text.substr(0, 40)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return "'" + out + (text.size() > 40 ? "…'" : "'");
}

}  // namespace

const char* name(Verb verb) {
  switch (verb) {
    case Verb::kPromote:
      return "promote";
    case Verb::kDrop:
      return "drop";
    default:
      return "status";
  }
}

std::variant<Request, std::string> parse_request(std::string_view packet) {
  if (packet.size() > kMaxRequest)
    return "the request is longer than " + std::to_string(kMaxRequest) + " bytes";
  // The parser takes a NUL for the end and would not look at what follows.
  if (packet.find('\0') != std::string_view::npos) return "the request is not a JSON object";
  const json j = json::parse(packet.begin(), packet.end(), nullptr, false);
  if (!j.is_object()) return "the request is not a JSON object";
  const auto verb = j.find("verb");
  if (verb == j.end() || !verb->is_string()) return "the request has no verb";
  Request request;
  const auto text = verb->get<std::string>();
  bool known = false;
  for (Verb v : kVerbs)
    if (text == name(v)) request.verb = v, known = true;
  if (!known) return "unknown verb " + shown(text);
  const bool takes_version = request.verb != Verb::kStatus;
  for (const auto& [key, value] : j.items())
    if (key != "verb" && !(takes_version && key == "version"))
      return "unknown member " + shown(key);
  if (!takes_version) return request;
  const auto version = j.find("version");
  if (version == j.end() || !version->is_string() || (*version != "old" && *version != "new"))
    return text + " needs a version: old or new";
  request.version = *version == "old" ? stream::Version::kOld : stream::Version::kNew;
  return request;
}

std::string to_packet(const Request& request) {
  ordered_json j{{"verb", name(request.verb)}};
  if (request.verb != Verb::kStatus)
    j["version"] = request.version == stream::Version::kOld ? "old" : "new";
  return j.dump();
}

ordered_json refusal(const std::string& sentence) { return {{"ok", false}, {"error", sentence}}; }

std::string to_packet(const ordered_json& answer) {
  std::string packet = answer.dump(-1, ' ', false, json::error_handler_t::replace);
  if (packet.size() <= kMaxAnswer) return packet;
  return refusal("the answer is too long").dump();
}

}  // namespace mx::op
