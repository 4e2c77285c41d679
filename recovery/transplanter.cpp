// Orchestrates a transplant: which modules, what can be
// done, then the changes, each of which can be undone.
#include <algorithm>
#include <chrono>
#include <map>

#include "analyzer/mapping/identity.h"
#include "recovery/frame_moves.h"
#include "recovery/imports.h"
#include "recovery/stack_walk.h"
#include "recovery/transplant.h"

namespace mx::recovery {
namespace {

constexpr size_t kMostFrames = 4096;

class Clock {
 public:
  explicit Clock(Outcome& o) : o_(o), begin_(now()), last_(begin_) {}
  ~Clock() { o_.microseconds = now() - begin_; }
  void step(const char* name) {
    uint64_t t = now();
    o_.steps.push_back({name, t - last_});
    last_ = t;
  }

 private:
  static uint64_t now() {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::steady_clock::now().time_since_epoch())
                                     .count());
  }
  Outcome& o_;
  uint64_t begin_, last_;
};

/// Two modules that do the same job in the two versions.
struct ModulePair {
  const Module* own;
  const Module* other;
};

// The loader and libc hold the state of the process itself (threads, the heap) and the agent's
// rewritten system calls.
bool runtime_library(const std::string& path) {
  static const char* const names[] = {"ld-linux-x86-64.so.2", "libc.so.6", "libpthread.so.0",
                                      "libc.so", "libgcc_s.so.1"};
  std::string key = library_key(path);
  for (const char* n : names)
    if (key == n) return true;
  return key.rfind("ld-musl", 0) == 0;
}

bool same_file(const Module& a, const Module& b) {
  if (a.elf == b.elf) return true;
  // Views stay as long as this process does, each of one state of a file.
  static std::map<std::pair<const ElfView*, const ElfView*>, bool> known;
  const auto [found, fresh] = known.try_emplace({a.elf.get(), b.elf.get()});
  if (!fresh) return found->second;
  auto x = mapping::identity_of(a.file), y = mapping::identity_of(b.file);
  return found->second = x && y && x.value() == y.value();
}

std::vector<ModulePair> differing_modules(const AddressSpace& own, const AddressSpace& other) {
  std::vector<ModulePair> out;
  std::map<std::string, const Module*> libraries;
  for (const Module& m : other.modules)
    if (!m.main) libraries.emplace(library_key(m.path), &m);
  for (const Module& m : own.modules) {
    const Module* twin = nullptr;
    if (m.main) {
      twin = !other.modules.empty() && other.modules[0].main ? &other.modules[0] : nullptr;
    } else if (!runtime_library(m.path)) {
      auto it = libraries.find(library_key(m.path));
      twin = it == libraries.end() ? nullptr : it->second;
    }
    if (twin && !same_file(m, *twin)) out.push_back({&m, twin});
  }
  return out;
}

uint32_t rebuilt(const std::vector<Move>& moves) {
  return static_cast<uint32_t>(
      std::count_if(moves.begin(), moves.end(), [](const Move& m) { return m.rebuilds; }));
}

std::string list_of(const std::map<size_t, std::string>& left, const SidedMapping& m, size_t f) {
  auto it = left.find(f);
  return it == left.end() ? "`" + m.name(m.functions()[f]) + "` was not carried" : it->second;
}

}  // namespace

const char* to_string(Reason r) {
  static const char* const names[] = {
      "done",        "no mapping",    "nothing changed", "unreadable", "no room",
      "not carried", "frame differs", "code in use",     "unwinding",  "process refused"};
  return names[static_cast<size_t>(r)];
}

struct Transplanter::State {
  explicit State(MappingService& m) : mappings(m) {}

  MappingService& mappings;
  /// Kept for the next time; one for each module and base address.
  std::vector<std::unique_ptr<BroughtModule>> known;
  std::map<const mapping::MappingFile*, std::shared_ptr<const SidedMapping>> sided[2];

  std::shared_ptr<const SidedMapping> view(std::shared_ptr<const mapping::MappingFile> file,
                                           Side side) {
    auto& v = sided[static_cast<int>(side)][file.get()];
    if (!v) v = std::make_shared<SidedMapping>(file, side);
    return v;
  }
  std::shared_ptr<const mapping::MappingFile> mapping_of(const ModulePair& p, Side own,
                                                         std::string& why) {
    bool old = own == Side::kOld;
    auto answer =
        mappings.get(old ? p.own->file : p.other->file, old ? p.other->file : p.own->file);
    why = answer.why;
    return answer.mapping;
  }
  std::vector<BroughtRange> ranges() const {
    std::vector<BroughtRange> out;
    for (const auto& b : known) out.push_back(b->range());
    return out;
  }
};

namespace {

/// One application: collects what is to be done, then does it.
class Application {
 public:
  Application(std::vector<std::unique_ptr<BroughtModule>>& known, const Request& r, Outcome& o)
      : known_(known), request_(r), outcome_(o) {}

  bool refuse(Reason reason, std::string sentence) {
    outcome_.reason = reason;
    outcome_.sentence = std::move(sentence);
    return false;
  }
  bool plan_module(const AddressSpace& space, const AddressSpace& other, const ModulePair& p,
                   std::shared_ptr<const SidedMapping> mapping);
  bool check_crash();
  bool plan_frames(const AddressSpace& space, const std::vector<BroughtRange>& ranges);
  bool change(const AddressSpace& space);
  const std::vector<BroughtModule*>& modules() const { return modules_; }
  void note_unmapped(const Module& m, std::string why) {
    unmapped_.emplace_back(m, std::move(why));
  }

 private:
  size_t waiting_in_crash() const { return waiting_; }

  std::vector<std::unique_ptr<BroughtModule>>& known_;
  const Request& request_;
  Outcome& outcome_;
  std::vector<BroughtModule*> modules_;
  std::vector<std::pair<Module, std::string>> unmapped_;
  std::vector<ThreadStack> stacks_;
  std::vector<Move> moves_;
  size_t waiting_ = 0;  // outer frames of the crash's stack that did not run
};

bool Application::plan_module(const AddressSpace& space, const AddressSpace& other,
                              const ModulePair& p, std::shared_ptr<const SidedMapping> mapping) {
  for (auto& b : known_)
    if (b->fits(*p.own, *p.other, *mapping) &&
        (b->present(request_.target) || b->has_room(space))) {
      modules_.push_back(b.get());
      return true;
    }
  auto imports = [&](std::string_view symbol) {
    return find_import(request_.target.pid(), space, request_.survivor, other, *p.other, symbol);
  };
  auto b =
      BroughtModule::plan(request_.target, space, *p.own, *p.other, mapping, imports, outcome_);
  if (!b) return false;
  modules_.push_back(b.get());
  known_.push_back(std::move(b));
  return true;
}

// Every changed function that ran between the event and the crash must be one that came along.
bool Application::check_crash() {
  const auto& crash = request_.crash_stack;
  for (size_t k = 0; k < crash.size(); ++k) {
    uint64_t address = crash[k] - (k ? 1 : 0);
    bool ran = k + waiting_ < crash.size();
    if (!ran) break;
    for (const auto& [m, why] : unmapped_)
      if (m.contains(address)) return refuse(Reason::kNoMapping, m.path + ": " + why);
    for (const BroughtModule* b : modules_) {
      if (!b->own().contains(address)) continue;
      const auto* f = b->mapping().function_at_own(address - b->own().bias);
      if (!f || !SidedMapping::changed(*f) || b->carried().count(b->mapping().index_of(*f)))
        continue;
      return refuse(Reason::kNotCarried,
                    "`" + b->mapping().name(*f) +
                        "`: " + list_of(b->left(), b->mapping(), b->mapping().index_of(*f)));
    }
  }
  return true;
}

bool Application::plan_frames(const AddressSpace& space, const std::vector<BroughtRange>& ranges) {
  for (const ThreadState& t : request_.threads) {
    ThreadStack s;
    s.frames = walk_stack(request_.target.pid(), t.registers, space, ranges, kMostFrames);
    s.waiting_from = s.frames.size();
    stacks_.push_back(std::move(s));
  }
  // The crash happened on the thread whose outer frames are the crash's.
  ThreadStack* crashed = nullptr;
  for (ThreadStack& s : stacks_) {
    size_t n = common_outer_frames(s.frames, request_.crash_stack);
    if (n > waiting_) waiting_ = n, crashed = &s;
  }
  if (crashed) crashed->waiting_from = crashed->frames.size() - waiting_;
  if (!check_crash()) return false;
  for (ThreadStack& s : stacks_) {
    if (std::string why = entries_in_use(s.frames, modules_); !why.empty())
      return refuse(Reason::kCodeInUse, why);
    if (std::string why = plan_moves_in(s, space, modules_, request_.crash_stack, moves_);
        !why.empty())
      return refuse(Reason::kFrameDiffers, why);
  }
  return true;
}

bool Application::change(const AddressSpace& space) {
  Target& target = request_.target;
  for (BroughtModule* b : modules_) {
    if (b->present(target)) continue;
    if (std::string why = b->write(target, space); !why.empty())
      return refuse(Reason::kProcessRefused, why);
  }
  std::string why;
  size_t moved = 0;
  for (; moved < moves_.size() && why.empty(); ++moved)
    if (!target.write(moves_[moved].slot, &moves_[moved].to, 8))
      why = "a return address could not be written";
  for (size_t i = 0; i < modules_.size() && why.empty(); ++i)
    why = modules_[i]->put_redirects(target);
  if (why.empty()) {
    outcome_.frames_moved = static_cast<uint32_t>(moves_.size());
    outcome_.frames_rebuilt = rebuilt(moves_);
    return true;
  }
  for (BroughtModule* b : modules_) b->take_redirects(target);
  for (size_t i = 0; i < moved; ++i) target.write(moves_[i].slot, &moves_[i].from, 8);
  return refuse(Reason::kProcessRefused, why);
}

void report_functions(const std::vector<BroughtModule*>& modules, Outcome& o) {
  for (const BroughtModule* b : modules) {
    for (const auto& r : b->redirects())
      o.functions.push_back(b->mapping().name(b->mapping().functions()[r.function]));
    for (const auto& [f, why] : b->left())
      o.left.push_back(b->mapping().name(b->mapping().functions()[f]) + ": " + why);
  }
}

}  // namespace

Transplanter::Transplanter(MappingService& mappings) : state_(std::make_unique<State>(mappings)) {}
Transplanter::~Transplanter() = default;

void Transplanter::prepare(pid_t old_process, pid_t new_process) {
  auto old_space = address_space(old_process), new_space = address_space(new_process);
  if (!old_space || !new_space) return;
  std::string why;
  for (const ModulePair& p : differing_modules(old_space.value(), new_space.value()))
    state_->mapping_of(p, Side::kOld, why);
}

namespace {

/// A process that is only looked at.
class Onlooker : public Target {
 public:
  explicit Onlooker(pid_t pid) : pid_(pid) {}
  pid_t pid() const override { return pid_; }
  bool write(uint64_t, const void*, size_t) override { return false; }
  bool system_call(long, const uint64_t (&)[6], uint64_t&) override { return false; }
  bool function_call(uint64_t, uint64_t, uint64_t) override { return false; }

 private:
  pid_t pid_;
};

}  // namespace

void Transplanter::plan_ahead(pid_t process, Side side, pid_t survivor) {
  Onlooker target(process);
  std::vector<ThreadState> threads;
  Outcome o;
  Request request{target, side, survivor, threads};
  Application a(state_->known, request, o);
  auto own = address_space(process), other = address_space(survivor);
  if (!own || !other) return;
  for (const ModulePair& p : differing_modules(own.value(), other.value())) {
    std::string why;
    if (auto mapping = state_->mapping_of(p, side, why))
      a.plan_module(own.value(), other.value(), p, state_->view(mapping, side));
  }
}

Outcome Transplanter::apply(const Request& request) {
  Outcome o;
  Clock clock(o);
  Application a(state_->known, request, o);
  auto own = address_space(request.target.pid());
  auto other = own ? address_space(request.survivor) : own;
  if (!own || !other) {
    a.refuse(Reason::kUnreadable, (own ? other : own).error().sentence);
    return o;
  }
  auto pairs = differing_modules(own.value(), other.value());
  clock.step("modules");
  if (pairs.empty()) {
    a.refuse(Reason::kNothingChanged, "both versions are the same files");
    return o;
  }
  for (const ModulePair& p : pairs) {
    std::string why;
    auto mapping = state_->mapping_of(p, request.side, why);
    if (!mapping && p.own->main) {
      a.refuse(Reason::kNoMapping, why);
      return o;
    }
    if (!mapping) {
      a.note_unmapped(*p.own, why);
      o.left.push_back(p.own->path + ": " + why);
      continue;
    }
    if (!a.plan_module(own.value(), other.value(), p, state_->view(mapping, request.side)))
      return o;
  }
  clock.step("plan");
  if (!a.plan_frames(own.value(), state_->ranges())) return o;
  clock.step("stack");
  bool carries = false;
  for (const BroughtModule* b : a.modules()) carries = carries || !b->redirects().empty();
  if (!carries) {
    a.refuse(Reason::kNothingChanged, "no function that changed can be carried");
    report_functions(a.modules(), o);
    return o;
  }
  if (!a.change(own.value())) return o;
  clock.step("change");
  report_functions(a.modules(), o);
  return o;
}

Outcome Transplanter::revert(const Request& request) {
  Outcome o;
  Clock clock(o);
  auto space = address_space(request.target.pid());
  if (!space) {
    o.reason = Reason::kUnreadable;
    o.sentence = space.error().sentence;
    return o;
  }
  std::vector<BroughtModule*> modules;
  for (auto& b : state_->known)
    if (b->present(request.target)) modules.push_back(b.get());
  std::vector<Move> moves;
  auto ranges = state_->ranges();
  for (const ThreadState& t : request.threads)
    o.frames_kept += plan_moves_out(
        walk_stack(request.target.pid(), t.registers, space.value(), ranges, kMostFrames), modules,
        moves);
  clock.step("stack");
  for (const Move& m : moves)
    if (!request.target.write(m.slot, &m.to, 8)) {
      o.reason = Reason::kProcessRefused;
      o.sentence = "a return address could not be written";
    }
  for (const BroughtModule* b : modules)
    if (std::string why = b->take_redirects(request.target); !why.empty()) {
      o.reason = Reason::kProcessRefused;
      o.sentence = why;
    }
  o.frames_moved = static_cast<uint32_t>(moves.size());
  o.frames_rebuilt = rebuilt(moves);
  report_functions(modules, o);
  o.left.clear();
  clock.step("change");
  return o;
}

bool Transplanter::brought(uint64_t address) const {
  for (const auto& b : state_->known)
    if (b->contains(address)) return true;
  return false;
}

}  // namespace mx::recovery
