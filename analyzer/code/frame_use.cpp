#include "analyzer/code/frame_use.h"

#include <algorithm>
#include <optional>

#include "analyzer/code/stack_depth.h"

namespace mx::analyzer {
namespace {

constexpr int32_t kOnlyReturnAddress =
    8;  // the stack's depth at a function's start and at a tail call
constexpr size_t kMostCellBits = size_t{1} << 28;
constexpr int kMostPasses = 300;

// One instruction of the function or of one of its cold parts.
struct Node {
  uint64_t address = 0, next = 0;
  uint32_t function = kNone, instruction = 0;
  bool call = false;
  Effects effects;
  std::vector<uint32_t> successors;
};

}  // namespace

bool StillRead::reads(FrameRange r) const {
  return std::any_of(frame.begin(), frame.end(),
                     [&](const FrameRange& f) { return f.from < r.to && r.from < f.to; });
}

class FrameUseMaker {
 public:
  FrameUseMaker(const Program& p, uint32_t function, FrameUse& out) : p_(p), out_(out) {
    uint32_t whole =
        p.functions()[function].parent == kNone ? function : p.functions()[function].parent;
    family_.push_back(whole);
    for (uint32_t f = 0; f < p.functions().size(); ++f)
      if (p.functions()[f].parent == whole && f != whole) family_.push_back(f);
  }

  void run() {
    if (!collect() || !connect()) return;
    make_cells();
    if (!solve()) return;
    for (const Node& n : nodes_) {
      out_.addresses_.insert(out_.addresses_.end(), n.effects.addresses.begin(),
                             n.effects.addresses.end());
      out_.computes_addresses_ = out_.computes_addresses_ || n.effects.computes_address;
    }
    std::sort(out_.addresses_.begin(), out_.addresses_.end());
    out_.addresses_.erase(std::unique(out_.addresses_.begin(), out_.addresses_.end()),
                          out_.addresses_.end());
    for (const Node& n : nodes_)
      if (n.call)
        if (auto k = at_.find(n.next); k != at_.end()) out_.after_[n.next] = told(k->second);
    find_constants();
    out_.known_ = true;
  }

 private:
  bool collect();
  bool collect(uint32_t function);
  void find_constants();
  bool connect();
  bool connect(const Function& f, uint32_t first);
  void make_cells();
  bool solve();
  StillRead told(uint32_t node) const;
  std::optional<uint32_t> node_at(uint64_t address) const {
    auto it = at_.find(address);
    return it == at_.end() ? std::nullopt : std::optional(it->second);
  }
  size_t cell_at(int32_t place) const {
    return static_cast<size_t>(std::lower_bound(cells_.begin(), cells_.end(), place) -
                               cells_.begin());
  }

  const Program& p_;
  FrameUse& out_;
  std::vector<uint32_t> family_;
  std::vector<Node> nodes_;
  std::vector<int32_t> depths_;  // of each node
  std::map<uint64_t, uint32_t> at_;
  std::vector<int32_t> cells_;  // cell k is the bytes from cells_[k] to cells_[k + 1]
  size_t words_ = 0;
  std::vector<uint64_t> live_;  // words_ for each node: cells read from before it on
  std::vector<RegisterParts> registers_;
  std::vector<uint32_t> vectors_;
};

bool FrameUseMaker::collect() {
  for (uint32_t f : family_)
    if (!collect(f)) return false;
  return true;
}

bool FrameUseMaker::collect(uint32_t function) {
  const Function& f = p_.functions()[function];
  if (f.damaged) return false;
  EffectReader reader;
  auto depths = stack_depths(p_, f);
  auto by_rbp = [&](uint32_t k) {
    const FrameRow* row = k < f.code.size() ? p_.frames().row_at(f.address_of(f.code[k])) : nullptr;
    return row && !row->cfa_is_expression && row->cfa_register == 6 ? row->cfa_offset : 0;
  };
  for (uint32_t k = 0; k < f.code.size(); ++k) {
    const Instruction& i = f.code[k];
    Node n;
    n.function = function, n.instruction = k;
    n.address = f.address_of(i), n.next = f.next_of(i), n.call = is_call(i.flow);
    FrameBase base{depths[k], by_rbp(k)};
    if (i.padding)
      n.effects.known = true;
    else
      n.effects =
          reader.of(p_.image().bytes_at(n.address, i.size), n.address, base, by_rbp(k + 1) != 0);
    if (!n.effects.known) return false;
    at_[n.address] = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back(std::move(n));
    depths_.push_back(depths[k]);
  }
  return true;
}

bool FrameUseMaker::connect() {
  uint32_t first = 0;
  for (uint32_t f : family_) {
    if (!connect(p_.functions()[f], first)) return false;
    first += static_cast<uint32_t>(p_.functions()[f].code.size());
  }
  return true;
}

bool FrameUseMaker::connect(const Function& f, uint32_t first) {
  for (uint32_t k = 0; k < f.code.size(); ++k) {
    const Instruction& i = f.code[k];
    Node& n = nodes_[first + k];
    // A call at the end does not return.
    if (falls_through(i.flow) && k + 1 < f.code.size()) n.successors.push_back(first + k + 1);
    if (i.flow == Flow::jump || i.flow == Flow::branch) {
      if (auto to = node_at(f.target_of(i)))
        n.successors.push_back(*to);
      else if (p_.function_starting_at(f.target_of(i)) == kNone)
        return false;  // into the middle of something; to a start it is a tail call
    }
    if (i.flow == Flow::indirect_jump) {
      const JumpTable* t = f.table_of(k);
      if (!t && depths_[first + k] != kOnlyReturnAddress) return false;
      for (size_t e = 0; t && e < t->targets.size(); ++e) {
        auto to = node_at(t->targets[e]);
        if (!to) return false;
        n.successors.push_back(*to);
      }
    }
  }
  return true;
}

void FrameUseMaker::find_constants() {
  for (unsigned r : {3u, 6u, 12u, 13u, 14u, 15u}) {
    std::optional<RegisterConstant> held;
    bool same = true;
    for (const Node& n : nodes_) {
      if (!(n.effects.may_write & parts_of(r))) continue;
      const Function& f = p_.functions()[n.function];
      const Instruction& i = f.code[n.instruction];
      bool place = n.effects.loads_place.has_value();
      RegisterConstant c{!place && i.ref == Ref::address, place, 0, n.function, n.instruction};
      same = same && n.effects.written == parts_of(r) && (c.address || place || n.effects.loads);
      if (!same) break;
      c.value = place       ? static_cast<uint64_t>(int64_t{*n.effects.loads_place})
                : c.address ? f.target_of(i)
                            : *n.effects.loads;
      same =
          !held || (held->address == c.address && held->place == c.place && held->value == c.value);
      held = c;
    }
    if (same && held) out_.constants_[r] = *held;
  }
}

void FrameUseMaker::make_cells() {
  for (const Node& n : nodes_)
    for (const FrameAccess& a : n.effects.frame) cells_.push_back(a.from), cells_.push_back(a.to);
  std::sort(cells_.begin(), cells_.end());
  cells_.erase(std::unique(cells_.begin(), cells_.end()), cells_.end());
  words_ = cells_.size() / 64 + 1;
}

// Backwards, until nothing changes: read(before) = reads ∪ (read(after) − writes).
bool FrameUseMaker::solve() {
  if (nodes_.size() * words_ * 64 > kMostCellBits) return false;
  live_.assign(nodes_.size() * words_, 0);
  registers_.assign(nodes_.size(), 0);
  vectors_.assign(nodes_.size(), 0);
  std::vector<uint64_t> now(words_);
  bool again = true;
  for (int pass = 0; again; ++pass) {
    if (pass == kMostPasses) return false;
    again = false;
    for (size_t k = nodes_.size(); k-- > 0;) {
      const Node& n = nodes_[k];
      std::fill(now.begin(), now.end(), 0);
      RegisterParts registers = 0;
      uint32_t vectors = 0;
      for (uint32_t s : n.successors) {
        for (size_t w = 0; w < words_; ++w) now[w] |= live_[s * words_ + w];
        registers |= registers_[s], vectors |= vectors_[s];
      }
      registers = (registers & ~n.effects.written) | n.effects.read;
      vectors = (vectors & ~n.effects.vectors_written) | n.effects.vectors_read;
      for (bool write : {true, false})
        for (const FrameAccess& a : n.effects.frame) {
          if (a.write != write) continue;
          for (size_t c = cell_at(a.from); c < cells_.size() && cells_[c] < a.to; ++c) {
            if (write)
              now[c / 64] &= ~(uint64_t{1} << c % 64);
            else
              now[c / 64] |= uint64_t{1} << c % 64;
          }
        }
      bool same = registers == registers_[k] && vectors == vectors_[k] &&
                  std::equal(now.begin(), now.end(), live_.begin() + static_cast<long>(k * words_));
      if (same) continue;
      again = true;
      registers_[k] = registers, vectors_[k] = vectors;
      std::copy(now.begin(), now.end(), live_.begin() + static_cast<long>(k * words_));
    }
  }
  return true;
}

StillRead FrameUseMaker::told(uint32_t node) const {
  StillRead r;
  r.registers = registers_[node], r.vectors = vectors_[node];
  for (size_t c = 0; c + 1 < cells_.size(); ++c) {
    if (!(live_[node * words_ + c / 64] >> c % 64 & 1)) continue;
    if (!r.frame.empty() && r.frame.back().to == cells_[c])
      r.frame.back().to = cells_[c + 1];
    else
      r.frame.push_back({cells_[c], cells_[c + 1]});
  }
  return r;
}

FrameUse::FrameUse(const Program& program, uint32_t function) {
  FrameUseMaker(program, function, *this).run();
}

const StillRead* FrameUse::after(uint64_t return_address) const {
  auto it = after_.find(return_address);
  return it == after_.end() ? nullptr : &it->second;
}

}  // namespace mx::analyzer
