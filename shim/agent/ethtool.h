// ioctl(2) SIOCETHTOOL: what the kernel writes lies behind a pointer in the request, and is as large as the command says.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

inline constexpr uint32_t kSiocEthtool = 0x8946;

/// Sets blob and blob_size for a SIOCETHTOOL of `c`; blob_size 0 where nothing is known to be written.
void measure_ethtool(Call& c);

}  // namespace mx::agent
