#include "shim/monitor/checkpoint_policy.h"

namespace mx::monitor {

namespace {

constexpr double kWeigh = 2;  // seconds between two looks at what an idle version has used

bool presses(const Situation& s) { return !s.asleep || s.since > s.log_size / 2; }

}  // namespace

bool worth_weighing(const Situation& s, const CheckpointPolicy& rule) {
  if (presses(s)) return s.age >= kHot.shortest;
  if (s.age < rule.shortest || s.since == 0) return false;
  return s.busy || s.since > rule.bytes || s.since_looked >= kWeigh;
}

bool worth_making(const Situation& s, const CheckpointPolicy& rule, double burden, double cpu) {
  if (s.age < burden / (presses(s) ? rule.pressing : rule.share)) return false;
  return presses(s) || s.since > rule.bytes || cpu > rule.cpu || s.age > rule.age;
}

}  // namespace mx::monitor
