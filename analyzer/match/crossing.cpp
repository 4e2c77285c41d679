#include "analyzer/match/crossing.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace mx::analyzer {
namespace {

constexpr int kRbp = 6, kRsp = 7, kReturn = 16;
constexpr int32_t kMostGrowth = 16384;   // bytes that a frame may grow by
constexpr uint32_t kLargestMoved = 256;  // bytes of one variable
constexpr size_t kMostMoves = 64;

bool callee_saved(int64_t r) { return r == 3 || r == kRbp || (r >= 12 && r <= 15); }

const char* register_name(unsigned r) {
  static const char* const names[16] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  return r < 16 ? names[r] : "a register";
}

std::string frame_place(int64_t at) {
  return at < 0 ? "CFA-" + std::to_string(-at) : "CFA+" + std::to_string(at);
}

// A variable in scope, with its place counted from the CFA.
struct Known {
  const FrameVariable* variable = nullptr;
  PlaceKind kind = PlaceKind::unknown;
  int64_t at = 0;  // memory: bytes from the CFA; reg: DWARF's number; constant: the value
  bool escapes = false;
  int64_t said = -1;  // a register that DWARF names, and that may not be the right one
  int ordinal = 0;    // among the variables of its name, outer scopes first
  int64_t end() const { return at + variable->size; }
  bool covers(int64_t byte) const {
    return kind == PlaceKind::memory && at <= byte && byte < end();
  }
  bool same_place(const Known& o) const { return kind == o.kind && at == o.at; }
};

std::string place_text(const Known& k) {
  switch (k.kind) {
    case PlaceKind::memory:
      return frame_place(k.at);
    case PlaceKind::reg:
      return register_name(static_cast<unsigned>(k.at));
    case PlaceKind::constant:
      return "a constant";
    default:
      return "an unknown place";
  }
}

// What one version's frame holds at the call.
class Side {
 public:
  explicit Side(const FrameView& v)
      : view_(v), row_(v.program.frames().row_at(v.return_address - 1)) {
    if (!row_) return;
    for (const PlacedVariable& p : v.variables.places) {
      Known k = located(p, v.function.variables[p.variable]);
      k.escapes = k.kind == PlaceKind::memory && escapes(k);
      k.ordinal = count_[k.variable->name]++;
      known_.push_back(k);
    }
    for (const PlacedVariable& p : v.function.extents) {
      Known k = located(p, v.function.variables[p.variable]);
      if (k.kind == PlaceKind::memory)
        extents_.push_back({static_cast<int32_t>(k.at), static_cast<int32_t>(k.end())});
    }
  }

  const FrameRow* row() const { return row_; }
  const FrameView& view() const { return view_; }
  const std::vector<Known>& known() const { return known_; }
  const StillRead* read() const {
    return view_.use.known() ? view_.use.after(view_.return_address) : nullptr;
  }
  // The variable here that is `k` there: same name and type, and as many of the name in scope.
  // Null: there is none.
  const Known* twin(const Side& there, const Known& k) const {
    const std::string& name = k.variable->name;
    auto here_count = count_.find(name), there_count = there.count_.find(name);
    if (here_count == count_.end() || here_count->second != there_count->second) return nullptr;
    for (const Known& o : known_)
      if (o.ordinal == k.ordinal && o.variable->name == name)
        return o.variable->type == k.variable->type && o.variable->size == k.variable->size
                   ? &o
                   : nullptr;
    return nullptr;
  }
  // An address that the code takes and that no variable explains.
  std::optional<int32_t> unexplained_address() const {
    for (int32_t a : view_.use.addresses()) {
      if (a >= 0) continue;
      bool explained = std::any_of(extents_.begin(), extents_.end(),
                                   [&](const FrameRange& e) { return e.from <= a && a < e.to; });
      if (!explained) return a;
    }
    return {};
  }
  // The value that the caller has in this register lies here.
  std::optional<int64_t> saved_at(unsigned r) const {
    return row_->saved >> r & 1 ? std::optional<int64_t>(row_->where[r]) : std::nullopt;
  }
  bool saves(int64_t from, int64_t to) const {
    for (unsigned r = 0; r < 17; ++r)
      if (auto at = saved_at(r); at && from < *at + 8 && *at < to) return true;
    return false;
  }
  bool frame_by_rbp() const { return row_->cfa_register == kRbp; }
  bool plain() const {
    bool known = !row_->cfa_is_expression && !row_->has_expression_registers &&
                 (row_->cfa_register == kRsp || row_->cfa_register == kRbp);
    for (unsigned r = 0; r < 17; ++r)
      if (row_->saved >> r & 1)
        known = known && (r == kReturn ? row_->where[r] == -8
                                       : callee_saved(r) && row_->where[r] % 8 == 0 &&
                                             row_->where[r] < -8 && row_->where[r] >= -view_.depth);
    return known && (row_->saved >> kReturn & 1) && (!frame_by_rbp() || (row_->saved >> kRbp & 1));
  }
  bool handles_exceptions() const {
    const FrameDescription* d = view_.program.frames().frame_of(view_.return_address - 1);
    return !d || d->handles_exceptions;
  }

 private:
  Known located(const PlacedVariable& p, const FrameVariable& v) const {
    Known k{&v, p.place.kind, p.place.value, false};
    if (k.kind == PlaceKind::reg && (!callee_saved(k.at) || (k.at == kRbp && frame_by_rbp())))
      k.kind = PlaceKind::unknown;
    if (k.kind == PlaceKind::memory) {
      if (p.place.base == kRsp)
        k.at -= view_.depth;
      else if (p.place.base == kRbp && frame_by_rbp())
        k.at -= row_->cfa_offset;
      else if (p.place.base != kFrameBaseIsCfa)
        k.kind = PlaceKind::unknown;
      if (k.at < -(1 << 24) || k.at > (1 << 24)) k.kind = PlaceKind::unknown;
    }
    if (k.kind == PlaceKind::doubtful) k.kind = PlaceKind::unknown, k.said = k.at;
    if (v.size == 0) k.kind = PlaceKind::unknown;
    return k;
  }
  // Compilers may keep an address near an array instead of its own, but not near a single value.
  bool escapes(const Known& k) const {
    const auto& taken = view_.use.addresses();
    if (!view_.use.known()) return true;
    if (k.variable->aggregate && (!taken.empty() || view_.use.computes_addresses())) return true;
    return std::any_of(taken.begin(), taken.end(), [&](int32_t a) { return k.covers(a); });
  }

  const FrameView& view_;
  const FrameRow* row_;
  std::vector<Known> known_;
  std::vector<FrameRange> extents_;  // of the variables of all scopes
  std::map<std::string, int> count_;
};

class Judge {
 public:
  Judge(const FrameView& own, const FrameView& other, bool parameters_differ,
        const SameConstant& same_constant)
      : own_(own),
        other_(other),
        parameters_differ_(parameters_differ),
        same_constant_(same_constant) {}

  Crossing run() {
    if (!own_.row() || !other_.row()) return no("there is no call frame information");
    int32_t x = own_.view().depth, y = other_.view().depth;
    if (x < 0 || y < 0) return no("the size of the frame is not certain");
    alike_ = same_layout(*own_.row(), *other_.row()) && x == y;
    if (!alike_ && (!own_.plain() || !other_.plain()))
      return no("its frame is found or saves registers in an unusual way");
    if (std::string why = fixed_variables(); !why.empty()) return no(why);
    if (!other_.read() || !own_.view().use.known()) return without_reads();
    if (std::string why = registers(); !why.empty()) return no(why);
    if (std::string why = memory(); !why.empty()) return no(why);
    if (alike_ && moves_.empty()) return {FrameChange::same, {}, ""};
    if (std::string why = cannot_rebuild(); !why.empty()) return no(why);
    take_along();
    if (std::string why = clash(); !why.empty()) return no(why);
    return {FrameChange::rebuild, std::move(moves_), ""};
  }

 private:
  Crossing no(const std::string& why) const { return {FrameChange::no, {}, why}; }
  Crossing without_reads();
  std::string fixed_variables() const;
  std::string registers();
  std::string explain_register(unsigned r, RegisterParts parts);
  std::string memory();
  std::string explain_bytes(int32_t from, int32_t to);
  std::string bring(const Known& to, const Known& from);
  std::string cannot_rebuild() const;
  void take_along();
  std::string clash() const;
  bool own_elsewhere(const Known& own, const Known& place) const;
  std::string remainder(const std::string& what, bool own_reads, const Known& place);

  Side own_, other_;
  bool parameters_differ_, alike_ = false;
  const SameConstant& same_constant_;
  std::vector<ValueMove> moves_;
  std::set<const Known*> brought_;
  std::string remains_;  // a value of no variable that is taken to be at the same place in both
};

// What others may hold the address of cannot move.
std::string Judge::fixed_variables() const {
  for (const Known& k : other_.known()) {
    const Known* twin = own_.twin(other_, k);
    if (twin && (k.said >= 0 || twin->said >= 0) && k.said != twin->said)
      return "which register `" + k.variable->name + "` is in is not certain";
    bool escapes = k.escapes || (twin && twin->escapes);
    if (!escapes) continue;
    if (!twin) {
      if (other_.view().use.known())
        return "`" + k.variable->name + "`, whose address is taken, is not known in both versions";
      continue;
    }
    bool known = k.kind != PlaceKind::unknown && twin->kind != PlaceKind::unknown;
    if (known && !k.same_place(*twin))
      return "`" + k.variable->name + "`, whose address is taken, would have to move from " +
             place_text(*twin) + " to " + place_text(k);
  }
  return "";
}

// The code is not understood: frames that are alike are taken for the same unless a variable tells
// otherwise.
Crossing Judge::without_reads() {
  if (!alike_) return no("its code is not understood well enough to rebuild its frame");
  for (const Known& k : other_.known()) {
    const Known* twin = own_.twin(other_, k);
    if (twin && twin->kind != PlaceKind::unknown && k.kind != PlaceKind::unknown &&
        !k.same_place(*twin))
      return no("`" + k.variable->name + "` is in " + place_text(*twin) +
                " and would have to be in " + place_text(k));
  }
  return {FrameChange::same, {}, ""};
}

// Does this variable of the own frame lie at `place`, where the other version keeps something else?
bool Judge::own_elsewhere(const Known& own, const Known& place) const {
  if (own.kind != place.kind) return false;
  bool there = own.kind == PlaceKind::memory ? own.at < place.end() && place.at < own.end()
                                             : own.at == place.at;
  if (!there) return false;
  const Known* twin = other_.twin(own_, own);
  return !twin || (twin->kind != PlaceKind::unknown && !twin->same_place(own));
}

// A value that no variable explains: a value of the compiler's own, or one that DWARF has lost.
// Where both versions read it at the same place of frames that are alike, it is taken for the same.
std::string Judge::remainder(const std::string& what, bool own_reads, const Known& place) {
  for (const Known& k : own_.known())
    if (own_elsewhere(k, place))
      return "the other version keeps something else in " + what + ", where `" + k.variable->name +
             "` is";
  if (!own_reads) return what + " holds a value that belongs to no variable of both versions";
  if (remains_.empty()) remains_ = what;
  return "";
}

std::string Judge::registers() {
  const StillRead& read = *other_.read();
  for (unsigned r = 0; r < 16; ++r) {
    auto parts = static_cast<RegisterParts>(read.registers >> (4 * r) & 0xf);
    if (!parts || r == kRsp || r == 0 || r == 1) continue;  // rax and rdx: what the call returns
    if (r == kRbp && other_.frame_by_rbp()) continue;
    if (callee_saved(r) && !other_.saved_at(r)) continue;  // the caller's
    if (std::string why = explain_register(r, parts); !why.empty()) return why;
  }
  for (unsigned v = 2; v < 16; ++v)
    if (read.vectors >> v & 1 && remains_.empty()) remains_ = "xmm" + std::to_string(v);
  return "";
}

std::string Judge::explain_register(unsigned r, RegisterParts parts) {
  static const FrameVariable whole{"", "", 8, false};
  const StillRead* own_read = own_.read();
  Known place{&whole, PlaceKind::reg, static_cast<int64_t>(r), false};
  bool own_reads = own_read && own_read->reads_register(r);
  const Known *moved = nullptr, *to = nullptr, *lost = nullptr;
  for (const Known& k : other_.known()) {
    if (k.kind != PlaceKind::reg || k.at != static_cast<int64_t>(r)) continue;
    const Known* twin = own_.twin(other_, k);
    if (twin && twin->same_place(k)) return "";
    if (twin && twin->kind != PlaceKind::unknown && !moved) moved = twin, to = &k;
    if (!twin || twin->kind == PlaceKind::unknown) lost = &k;
  }
  if (const RegisterConstant* c = other_.view().use.constant(r)) {
    const RegisterConstant* own = own_.view().use.constant(r);
    if (own && same_constant_(*own, *c)) return "";
    if (c->place)
      return std::string(register_name(r)) + " holds the address of a place of the frame";
    moves_.push_back({c->address ? PlaceKind::address : PlaceKind::constant, PlaceKind::reg,
                      static_cast<int64_t>(c->value), static_cast<int64_t>(r), 8,
                      register_name(r)});
    return "";
  }
  if (moved) {
    RegisterParts has = to->variable->size >= 8   ? 0xf
                        : to->variable->size >= 4 ? 0x7
                        : to->variable->size >= 2 ? 0x3
                                                  : 0x1;
    if (parts & ~has)
      return "`" + to->variable->name + "` is read from " + register_name(r) +
             " in more bytes than it has";
    return bring(*to, *moved);
  }
  if (lost && !own_.twin(other_, *lost))
    return "`" + lost->variable->name + "` in " + register_name(r) +
           " is not known in both versions";
  return remainder(register_name(r), own_reads, place);
}

std::string Judge::memory() {
  for (const FrameRange& range : other_.read()->frame)
    for (int32_t at = range.from; at < range.to;) {
      int32_t end = range.to;
      bool saved = false;
      for (unsigned r = 0; r < 17 && !saved; ++r) {
        auto where = other_.saved_at(r);
        if (!where) continue;
        if (*where <= at && at < *where + 8) {
          saved = true;
          end = std::min<int32_t>(end, static_cast<int32_t>(*where) + 8);
        } else if (*where > at) {
          end = std::min<int32_t>(end, static_cast<int32_t>(*where));
        }
      }
      if (!saved)
        if (std::string why = explain_bytes(at, end); !why.empty()) return why;
      at = end;
    }
  return "";
}

std::string Judge::explain_bytes(int32_t from, int32_t to) {
  for (int32_t at = from; at < to;) {
    const Known *found = nullptr, *twin = nullptr;
    int32_t end = to;
    for (const Known& k : other_.known()) {
      if (k.kind != PlaceKind::memory) continue;
      if (k.covers(at)) {
        const Known* t = own_.twin(other_, k);
        bool better = !found || (t && t->same_place(k)) || (!twin && t);
        if (better && !(twin && found && twin->same_place(*found))) found = &k, twin = t;
      } else if (k.at > at) {
        end = std::min<int32_t>(end, static_cast<int32_t>(k.at));
      }
    }
    if (found) end = std::min<int32_t>(to, static_cast<int32_t>(found->end()));
    if (found && !twin)
      return "`" + found->variable->name + "` at " + frame_place(at) +
             " is not known in both versions";
    if (found && twin->kind != PlaceKind::unknown) {
      if (!twin->same_place(*found))
        if (std::string why = bring(*found, *twin); !why.empty()) return why;
    } else {
      FrameVariable bytes{"", "", static_cast<uint32_t>(end - at), false};
      Known place{&bytes, PlaceKind::memory, at, false};
      bool own_reads = own_.read() && own_.read()->reads({at, end});
      if (std::string why = remainder(frame_place(at), own_reads, place); !why.empty()) return why;
    }
    at = end;
  }
  return "";
}

std::string Judge::bring(const Known& to, const Known& from) {
  const FrameVariable& v = *to.variable;
  if (from.kind == PlaceKind::reg && own_.view().use.constant(static_cast<unsigned>(from.at)))
    return "`" + v.name + "` is said to be in a register that always holds something else";
  if (!brought_.insert(&to).second) return "";
  bool small = v.size == 1 || v.size == 2 || v.size == 4 || v.size == 8;
  bool both_memory = to.kind == PlaceKind::memory && from.kind == PlaceKind::memory;
  if (!small && !(both_memory && v.size <= kLargestMoved))
    return "`" + v.name + "` is too large to be moved";
  for (uint32_t done = 0; done < v.size;) {
    uint32_t size = v.size - done >= 8 ? 8 : v.size - done >= 4 ? 4 : v.size - done >= 2 ? 2 : 1;
    ValueMove m;
    m.from_kind = from.kind, m.to_kind = to.kind;
    m.from = from.at + (from.kind == PlaceKind::memory ? done : 0);
    m.to = to.at + (to.kind == PlaceKind::memory ? done : 0);
    m.size = static_cast<uint8_t>(size);
    m.variable = v.name;
    moves_.push_back(m);
    done += size;
  }
  return "";
}

std::string Judge::cannot_rebuild() const {
  if (!own_.plain() || !other_.plain())
    return "its frame is found or saves registers in an unusual way";
  if (!remains_.empty())
    return remains_ + " holds a value that belongs to no variable, and its frame differs";
  if (own_.handles_exceptions() || other_.handles_exceptions())
    return "its frame differs, and it handles exceptions";
  for (const Side* s : {&own_, &other_})
    if (auto at = s->unexplained_address())
      return "its frame differs, and the address of " + frame_place(*at) +
             ", which is no variable, is taken";
  if (other_.view().depth - own_.view().depth > kMostGrowth) return "its frame grows too much";
  if (parameters_differ_ && std::any_of(moves_.begin(), moves_.end(), [](const ValueMove& m) {
        return m.to_kind == PlaceKind::memory && m.to + m.size > 0;
      }))
    return "its parameters on the stack differ";
  return "";
}

// Variables that the code does not seem to read move as well, where there is room: it may reach one
// by the address of another.
void Judge::take_along() {
  for (const Known& k : other_.known()) {
    const Known* twin = own_.twin(other_, k);
    bool wanted = twin && k.kind == PlaceKind::memory && twin->kind != PlaceKind::unknown &&
                  !twin->same_place(k) && k.at < 0 && !brought_.count(&k);
    if (!wanted) continue;
    bool clear =
        !other_.read()->reads({static_cast<int32_t>(k.at), static_cast<int32_t>(k.end())}) &&
        !other_.saves(k.at, k.end());
    for (const Known& o : other_.known())
      clear =
          clear && (&o == &k || o.kind != PlaceKind::memory || o.end() <= k.at || k.end() <= o.at);
    size_t before = moves_.size();
    if (!clear || !bring(k, *twin).empty()) continue;
    if (moves_.size() > kMostMoves) moves_.resize(before);
  }
}

std::string Judge::clash() const {
  if (moves_.size() > kMostMoves) return "too many variables would have to move";
  auto inside = [](const Side& s, int64_t at, int64_t end) {
    return at >= -s.view().depth && end <= 4096 && !s.saves(at, end);
  };
  for (const ValueMove& m : moves_) {
    bool good = true;
    if (m.from_kind == PlaceKind::memory) good = inside(own_, m.from, m.from + m.size);
    if (m.from_kind == PlaceKind::reg)
      good = own_.saved_at(static_cast<unsigned>(m.from)).has_value();
    if (m.to_kind == PlaceKind::memory) good = good && inside(other_, m.to, m.to + m.size);
    if (m.to_kind == PlaceKind::reg)
      good = good && other_.saved_at(static_cast<unsigned>(m.to)).has_value();
    if (m.to_kind != PlaceKind::memory && m.to_kind != PlaceKind::reg) good = false;
    for (const ValueMove& n : moves_) {
      if (&m == &n || m.to_kind != n.to_kind) continue;
      bool apart = m.to_kind == PlaceKind::memory ? m.to + m.size <= n.to || n.to + n.size <= m.to
                                                  : m.to != n.to;
      good = good && apart;
    }
    if (!good) return "`" + m.variable + "` does not fit where it would have to be";
  }
  return "";
}

}  // namespace

Crossing cross(const FrameView& own, const FrameView& other, bool parameters_differ,
               const SameConstant& same_constant) {
  return Judge(own, other, parameters_differ, same_constant).run();
}

}  // namespace mx::analyzer
