// Requests of ioctl(2) about network devices for which what the kernel writes lies behind a pointer
// in the request: SIOCETHTOOL, which is as large as the command says, and SIOCGIFCONF
// (netdevice(7)), whose size comes back.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

inline constexpr uint32_t kSiocEthtool = 0x8946;

/// Sets blob and blob_size for a SIOCETHTOOL of `c`;
/// blob_size 0 where nothing is known to be written.
void measure_ethtool(Call& c);

inline constexpr uint32_t kSiocGifconf = 0x8912;

/// The same for SIOCGIFCONF: the list, or only its size where the program gives no room.
void measure_interfaces(Call& c);
/// Leader, after the call: as much as the list has.
void finish_interfaces(Call& c);
/// Follower, when blob_size bytes of it have come.
void localise_interfaces(const Call& c);

}  // namespace mx::agent
