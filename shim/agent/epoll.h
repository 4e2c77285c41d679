// epoll's user data is a pointer of one version. The kernel gets the descriptor number instead, and
// each version translates it back: nothing has to be re-registered at a failover.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Every role: nothing has been changed yet before the kernel got the call.
void begin_epoll_ctl(Call& c);
void prepare_epoll_ctl(Call& c);
/// Leader, after the kernel: takes back what prepare_epoll_ctl() has changed if the kernel refused.
void finish_epoll_ctl(Call& c);
void localise_epoll_ctl(Call& c);
long perform_epoll_wait(Call& c);
void localise_epoll_wait(Call& c);
void forget_epoll(Thread* t, int fd);
long perform_poll(Call& c);

/// Whether what an epoll_ctl(2) is about to change is registered.
bool is_registered(const Call& c);
/// Survivor, for a call of epoll_ctl which its leader's kernel may have executed, before the call
/// is settled: what it registers is known from now on, for other threads have events of it. False
/// if it registers nothing.
bool note_registration(Thread* t, const Regs& r);
/// … and that call, settled: another thread may have
/// taken the registration away since, or may do so now.
void settle_registration(Call& c);
/// Survivor: an epoll set hears of a signalfd through the process that has registered it: this one
/// does so again.
void restore_signalfds(Thread* t);

}  // namespace mx::agent
