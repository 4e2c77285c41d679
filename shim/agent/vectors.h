// Calls on vectors of buffers whose results the table cannot describe.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// The kernel writes into each message how much of it was sent.
long run_sendmmsg(Call& c);
long perform_sendmmsg(Call& c);
/// Reads memory on a pipe's writing end, writes it on the reading end.
long run_vmsplice(Call& c);

}  // namespace mx::agent
