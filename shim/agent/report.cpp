#include "shim/agent/report.h"

#include "shim/agent/compared.h"
#include "shim/agent/lane.h"
#include "shim/agent/memory.h"

namespace mx::agent {

Message* new_message(Thread* t, MessageKind kind) {
  Control* c = control();
  uint64_t at = c->mailbox_tail.load();
  do {
    if (at - c->mailbox_head.load() >= stream::kMailboxSlots) {
      c->mailbox_lost.fetch_add(1);
      return nullptr;
    }
  } while (!c->mailbox_tail.compare_exchange_weak(at, at + 1));
  Message* m = &c->mailbox[at % stream::kMailboxSlots];
  m->kind = kind;
  m->process = static_cast<uint32_t>(t->proc->shared - c->processes);
  m->version = t->proc->version;
  m->text_size = 0;
  for (int64_t& n : m->number) n = 0;
  return m;
}

void set_text(Message* m, const char* text) {
  if (!m) return;
  m->text_size = string_length(text, sizeof m->text);
  memcpy(m->text, text, m->text_size);
}

void send(Message* m) {
  if (!m) return;
  m->ready.store(1, std::memory_order_release);
  Control* c = control();
  c->monitor_wake.fetch_add(1);
  futex_wake(&c->monitor_wake, 1);
}

namespace {
// number: 0 what (see monitor/report), 1 call, 2 site, 3.. details
Message* divergence(Call& c, int what) {
  Message* m = new_message(c.t, MessageKind::kDivergence);
  if (!m) return nullptr;
  m->number[0] = what;
  m->number[1] = c.nr;
  m->number[2] = c.r->rip;
  m->number[3] = c.t->lane->follower_events;
  for (int i = 0; i < 6; i++) m->number[6 + i] = c.args[i];
  return m;
}
}  // namespace

void report_argument_divergence(Call& c, int arg, uint64_t leader_value) {
  Message* m = divergence(c, 1);
  if (!m) return;
  m->number[4] = arg;
  m->number[5] = leader_value;
  send(m);
}

void report_bytes_divergence(Call& c, const uint8_t* leader, uint32_t leader_size,
                             const uint8_t* own, uint32_t own_size) {
  Message* m = divergence(c, 2);
  if (!m) return;
  m->number[4] = leader_size;
  m->number[5] = own_size;
  memcpy(m->text, leader, leader_size);
  memcpy(m->text + leader_size, own, own_size);
  m->text_size = leader_size + own_size;
  send(m);
}

void report_name_divergence(Call& c, const char* leader, const char* own) {
  constexpr size_t kShown = 64;
  auto size = [](const char* s) { return static_cast<uint32_t>(string_length(s, kShown)); };
  auto bytes = [](const char* s) { return reinterpret_cast<const uint8_t*>(s); };
  report_bytes_divergence(c, bytes(leader), size(leader), bytes(own), size(own));
}

void report_result_divergence(Call& c, long own) {
  Message* m = divergence(c, 3);
  if (!m) return;
  m->number[4] = c.ret;
  m->number[5] = own;
  send(m);
}

void report_sequence_divergence(Call& c, const EventHeader& leader) {
  Message* m = divergence(c, 4);
  if (!m) return;
  m->number[4] = leader.nr;
  m->number[5] = static_cast<int64_t>(leader.kind);
  bool call = leader.kind == EventKind::kCall || leader.kind == EventKind::kIntent;
  Compared f{};
  if (call && peek_compared(c.t, sizeof leader, leader.nr, f)) {  // not yet consumed
    memcpy(m->text, f.values, sizeof f.values);
    m->text_size = sizeof f.values;
  }
  send(m);
}

void report_refused(Call& c) {
  Message* m = new_message(c.t, MessageKind::kRefused);
  if (!m) return;
  m->number[0] = c.nr;
  send(m);
}

void note(Thread* t, const char* text) {
  Message* m = new_message(t, MessageKind::kNote);
  set_text(m, text);
  send(m);
}

}  // namespace mx::agent
