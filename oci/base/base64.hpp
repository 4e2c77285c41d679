// Bytes as text (RFC 4648).
#pragma once

#include <string>
#include <string_view>

namespace mx::oci {

std::string to_base64(std::string_view bytes);
// Nothing but what to_base64 writes is understood; other characters end the text.
std::string from_base64(std::string_view text);

}  // namespace mx::oci
