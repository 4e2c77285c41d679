// The control socket of a monitor: SOCK_SEQPACKET, one JSON object a packet, one answer a request.
//
//   {"verb": "status"}                        → {"ok": true, "status": {…}}
//   {"verb": "promote", "version": "new"}     → {"ok": true, …} once it is done
//   {"verb": "drop", "version": "old"}        → {"ok": true, …} once it is done
//   anything else, or what cannot be done     → {"ok": false, "error": "sentence"}
//
// What arrives is hostile until it has been checked here.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "shim/stream/arena.h"

namespace mx::op {

inline constexpr size_t kMaxRequest = 1024;       ///< bytes of a request
inline constexpr size_t kMaxAnswer = 128 * 1024;  ///< bytes of an answer
inline constexpr const char* kSocketName = "control.sock";

enum class Verb : uint8_t { kStatus, kPromote, kDrop };

struct Request {
  Verb verb = Verb::kStatus;
  stream::Version version = stream::Version::kOld;  ///< of kPromote and kDrop
};

/// The request, or a sentence that says what is wrong with it.
std::variant<Request, std::string> parse_request(std::string_view packet);
/// The packet for a request.
std::string to_packet(const Request& request);

nlohmann::ordered_json refusal(const std::string& sentence);
/// The packet for an answer; one that does not fit becomes a refusal.
std::string to_packet(const nlohmann::ordered_json& answer);

const char* name(Verb verb);

}  // namespace mx::op
