// Random numbers that a library makes from what differs between the versions: OpenSSL's generators
// are seeded with addresses, too, and libstdc++'s random_device asks the processor. Without this no
// follower could read what comes over TLS.
//
// Both versions run the function, with whatever calls and locks belong to it; then the leader's
// bytes are the follower's as well (kRandom). A version that does not ask for them, or asks for
// others, is no divergence.
#pragma once
#include "shim/agent/hooked_call.h"

namespace mx::agent {

/// On the program's stack: a call of a function that is_random().
long random_call(Thread* t, const HookedCall& c);
/// Serve its steps.
void publish_random(Thread* t, const Regs* r);
void take_random(Thread* t, Regs* r);

}  // namespace mx::agent
