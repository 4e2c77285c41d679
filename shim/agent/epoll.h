// epoll's user data is a pointer of one version. The kernel gets the descriptor number instead, and
// each version translates it back: nothing has to be re-registered at a failover.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

void prepare_epoll_ctl(Call& c);
/// Leader, after the kernel: takes back what prepare_epoll_ctl() has changed if the kernel refused.
void finish_epoll_ctl(Call& c);
void localise_epoll_ctl(Call& c);
long perform_epoll_wait(Call& c);
void localise_epoll_wait(Call& c);
void forget_epoll(Thread* t, int fd);
long perform_poll(Call& c);

/// Survivor: an epoll set hears of a signalfd through the process that has registered it: this one does so again.
void restore_signalfds(Thread* t);

}  // namespace mx::agent
