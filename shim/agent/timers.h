// Timers live in the leader's kernel tables; every version keeps a record, to set them again when
// it takes over.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

long run_timer_create(Call& c);
long perform_timer_create(Call& c);
void localise_timer_settime(Call& c);
void localise_timer_delete(Call& c);
void localise_setitimer(Call& c);
void prepare_timer(Call& c);
void localise_alarm(Call& c);
/// Survivor: sets what was running, with the time that is left.
void restore_timers(Thread* t);

}  // namespace mx::agent
