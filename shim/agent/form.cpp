#include "shim/agent/form.h"

#include "shim/agent/marshal.h"
#include "shim/agent/memory.h"
#include "shim/syscalls/forms.h"

namespace mx::agent {

using sys::Form;
using sys::FormArg;
using sys::Source;

namespace {

constexpr int64_t kMilli = 1000, kMicro = 1000, kNanosPerMs = 1'000'000, kMostMs = 0x7fffffff;
constexpr uint64_t kUnset = 1;  // of what the normal form has not: epoll_create's size
const char kEmptyPath[8] = "";

using Args = uint64_t[6];
using Time = uint64_t[2];

uint64_t as_argument(const void* p) { return reinterpret_cast<uint64_t>(p); }

// A struct timespec for a struct timeval (`up`), or the other way.
bool convert_time(uint64_t at, bool up, Time& time) {
  if (at != as_argument(time) && !copy_guarded(time, reinterpret_cast<void*>(at), sizeof time))
    return false;
  time[1] = up ? time[1] * kMicro : time[1] / kMicro;
  return true;
}

bool to_normal(const FormArg& a, const Args& from, Time& time, uint64_t& to) {
  const uint64_t own = from[a.arg];
  switch (a.source) {
    case Source::kArg:
      to = own;
      return true;
    case Source::kConstant:
      to = static_cast<uint64_t>(int64_t{a.value});
      return true;
    case Source::kIgnored:
      to = 0;
      return true;
    case Source::kEmpty:
      to = as_argument(kEmptyPath);
      return true;
    case Source::kMs: {
      const auto ms = static_cast<int32_t>(own);
      to = ms < 0 ? 0 : as_argument(time);
      time[0] = static_cast<uint64_t>(ms / kMilli);
      time[1] = static_cast<uint64_t>(ms % kMilli * kNanosPerMs);
      return true;
    }
    case Source::kUs:
      to = own ? as_argument(time) : 0;
      return !own || convert_time(own, true, time);
  }
  return false;
}

bool is_empty(uint64_t path) {
  char first = 1;
  return copy_guarded(&first, reinterpret_cast<void*>(path), 1) && first == 0;
}

int64_t milliseconds(const Time& time) {
  const auto seconds = static_cast<int64_t>(time[0]);
  if (seconds > kMostMs / kMilli - 1) return kMostMs;
  return seconds * kMilli + (static_cast<int64_t>(time[1]) + kNanosPerMs - 1) / kNanosPerMs;
}

// Argument i of the normal call must be this constant.
bool is_constant(const sys::Desc& normal, int i, const Args& args, int64_t value) {
  Args want;
  for (int k = 0; k < 6; k++) want[k] = args[k];
  want[i] = static_cast<uint64_t>(value);
  if (!sys::is_value(normal.args[i].kind)) return args[i] == want[i];
  return sys::compared_value(normal, i, args) == sys::compared_value(normal, i, want);
}

bool from_normal(const sys::Desc& normal, const FormArg& a, int i, const Args& from, Time& time,
                 Args& to) {
  switch (a.source) {
    case Source::kArg:
      to[a.arg] = from[i];
      return true;
    case Source::kConstant:
      return is_constant(normal, i, from, a.value);
    case Source::kIgnored:
      return true;
    case Source::kEmpty:
      return is_empty(from[i]);
    case Source::kMs:
      to[a.arg] = ~uint64_t{0};
      if (!from[i]) return true;
      if (!copy_guarded(time, reinterpret_cast<void*>(from[i]), sizeof time)) return false;
      to[a.arg] = static_cast<uint64_t>(milliseconds(time));
      return true;
    case Source::kUs:
      to[a.arg] = from[i] ? as_argument(time) : 0;
      return !from[i] || convert_time(from[i], false, time);
  }
  return false;
}

// What clone3's structure asks for, as clone's arguments.
bool from_clone3(const Args& from, Args& to) {
  struct {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } a;
  if (!copy_guarded(&a, reinterpret_cast<void*>(from[0]), sizeof a)) return false;
  to[0] = a.flags | (a.exit_signal & 0xff);
  to[1] = a.stack ? a.stack + a.stack_size : 0;
  to[2] = a.parent_tid;
  to[3] = a.child_tid;
  to[4] = a.tls;
  to[5] = 0;
  return true;
}

bool convert(uint64_t own, uint64_t nr, const Args& from, Time& time, Args& to);

// One of the two is clone3. Its structure is in no event: the pair that the event names says
// whether the leader has made what is wanted here (clone.cpp).
bool convert_clone3(uint64_t own, uint64_t nr, const Args& from, Time& time, Args& to) {
  Args plain;
  if (own == sys::kClone3)
    return sys::normal_number(nr) == sys::kClone && from_clone3(from, plain) &&
           convert(sys::kClone, nr, plain, time, to);
  for (uint64_t& a : to) a = as_argument(kEmptyPath);
  return sys::normal_number(own) == sys::kClone;
}

bool convert(uint64_t own, uint64_t nr, const Args& from, Time& time, Args& to) {
  if (own != nr && (own == sys::kClone3 || nr == sys::kClone3))
    return convert_clone3(own, nr, from, time, to);
  if (sys::normal_number(own) != sys::normal_number(nr)) return false;
  const sys::Desc& normal = sys::describe(static_cast<long>(sys::normal_number(nr)));
  const Form *mine = sys::form_of(own), *theirs = sys::form_of(nr);
  Args args;
  for (int i = 0; i < 6; i++) {
    args[i] = from[i];
    if (mine && i < normal.nargs && !to_normal(mine->args[i], from, time, args[i])) return false;
  }
  // dup3 refuses what dup2 does.
  if (normal.nr == sys::kDup3 && static_cast<int>(args[0]) == static_cast<int>(args[1]))
    return false;
  for (int i = 0; i < 6; i++) to[i] = theirs ? kUnset : args[i];
  for (int i = 0; theirs && i < normal.nargs; i++)
    if (!from_normal(normal, theirs->args[i], i, args, time, to)) return false;
  return true;
}

// Where the program has a time of its own, and how much finer it is: of a call with a struct
// timeval as one with a struct timespec, or the other way round.
void note_time(Call& c, uint64_t nr) {
  const Form *mine = sys::form_of(c.nr), *theirs = sys::form_of(nr);
  const sys::Desc& normal = sys::describe(static_cast<long>(sys::normal_number(nr)));
  for (int i = 0; i < normal.nargs; i++) {
    if (mine && mine->args[i].source == Source::kUs) c.time_at = c.args[mine->args[i].arg];
    if (theirs && theirs->args[i].source == Source::kUs) c.time_at = c.args[i];
  }
  c.time_in_ns = mine != nullptr;
}

}  // namespace

bool in_form(const Call& c, uint64_t nr, uint64_t (&time)[2], uint64_t (&args)[6]) {
  return convert(c.nr, nr, c.args, time, args);
}

bool take_form(Call& c, uint64_t nr) {
  Args args, exec;
  if (!convert(c.nr, nr, c.args, c.time, args) || !convert(c.nr, nr, c.exec, c.time, exec))
    return false;
  note_time(c, nr);
  c.nr = nr;
  c.d = &sys::describe(static_cast<long>(nr));
  for (int i = 0; i < 6; i++) {
    c.args[i] = args[i];
    c.exec[i] = exec[i];
  }
  if (c.d->out_mask) read_size_words(c);
  return true;
}

void give_time_back(const Call& c) {
  Time left = {c.time[0], c.time_in_ns ? c.time[1] / kMicro : c.time[1] * kMicro};
  copy_guarded(reinterpret_cast<void*>(c.time_at), left, sizeof left);
}

}  // namespace mx::agent
