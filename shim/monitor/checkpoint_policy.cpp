#include "shim/monitor/checkpoint_policy.h"

namespace mx::monitor {

namespace {

constexpr double kWeigh = 2;  // seconds between two looks at what an idle version has used

bool presses(const Situation& s) { return !s.asleep || half_full(s); }

double share_of(const Situation& s, const CheckpointPolicy& rule) {
  if (!s.asleep) return rule.pressing;
  return s.since > s.log_size / 4 * 3 ? rule.filling : rule.share;
}

}  // namespace

bool half_full(const Situation& s) { return s.since > s.log_size / 2; }
bool nearly_full(const Situation& s) { return s.since > s.log_size / 8 * 7; }

bool worth_weighing(const Situation& s, const CheckpointPolicy& rule) {
  if (presses(s)) return s.age >= kHot.shortest;
  if (s.age < rule.shortest || s.since == 0) return false;
  return s.busy || s.since > rule.bytes || s.since_looked >= kWeigh;
}

bool worth_making(const Situation& s, const CheckpointPolicy& rule, double burden, double cpu) {
  if (s.age < burden / share_of(s, rule)) return false;
  return presses(s) || s.since > rule.bytes || cpu > rule.cpu || s.age > rule.age;
}

}  // namespace mx::monitor
