#include "analyzer/code/blocks.h"

#include <algorithm>
#include <map>
#include <set>

namespace mx::analyzer {
namespace {

std::set<uint32_t> starts_of_blocks(const Function& f) {
  std::set<uint32_t> starts;
  if (!f.code.empty()) starts.insert(0);
  auto begin_at = [&](uint64_t target) {
    uint32_t index = f.contains(target) ? f.index_at(target) : kNone;
    if (index != kNone) starts.insert(index);
  };
  for (uint32_t k = 0; k < f.code.size(); ++k) {
    const Instruction& i = f.code[k];
    if (i.flow == Flow::jump || i.flow == Flow::branch) begin_at(f.target_of(i));
    if (ends_block(i.flow) && k + 1 < f.code.size()) starts.insert(k + 1);
  }
  for (const JumpTable& t : f.tables)
    for (uint64_t target : t.targets) begin_at(target);
  return starts;
}

bool leaves(const Function& f, const Instruction& i) {
  return i.flow == Flow::jump && !f.contains(f.target_of(i));
}

}  // namespace

bool is_tail_call(const Program& program, const Function& f, const Instruction& i) {
  if (!leaves(f, i) || f.kind == FunctionKind::cold) return false;
  uint32_t to = program.function_starting_at(f.target_of(i));
  return to != kNone && program.functions()[to].kind != FunctionKind::cold;
}

std::vector<BasicBlock> basic_blocks(const Function& f) {
  std::vector<BasicBlock> out;
  std::map<uint32_t, uint32_t> block_at;  // first instruction → index
  for (uint32_t start : starts_of_blocks(f)) {
    if (!out.empty()) out.back().last = start - 1;
    block_at[start] = static_cast<uint32_t>(out.size());
    out.push_back({start, static_cast<uint32_t>(f.code.size()) - 1, {}});
  }
  for (BasicBlock& b : out) {
    const Instruction& end = f.code[b.last];
    std::set<uint32_t> next;
    auto go_to = [&](uint64_t target) {
      auto it = f.contains(target) ? block_at.find(f.index_at(target)) : block_at.end();
      if (it != block_at.end()) next.insert(it->second);
    };
    if (falls_through(end.flow) && b.last + 1 < f.code.size()) next.insert(block_at[b.last + 1]);
    if (end.flow == Flow::jump || end.flow == Flow::branch) go_to(f.target_of(end));
    const JumpTable* table = end.flow == Flow::indirect_jump ? f.table_of(b.last) : nullptr;
    if (table)
      for (uint64_t target : table->targets) go_to(target);
    b.leaves = leaves(f, end);
    b.indirect_jump = end.flow == Flow::indirect_jump && !table;
    b.successors.assign(next.begin(), next.end());
  }
  return out;
}

}  // namespace mx::analyzer
