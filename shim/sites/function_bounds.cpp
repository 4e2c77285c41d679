#include "function_bounds.h"

#include <elf.h>

#include <algorithm>
#include <iterator>

#include "go_pclntab.h"

namespace mx::sites {
namespace {

bool by_begin(const Function& a, const Function& b) { return a.begin < b.begin; }

bool is_code(const ElfImage& image, uint64_t begin, uint64_t end) {
  const Segment* code = image.code_at(begin);
  return code && end > begin && end <= code->end();
}

/// Sorts by begin and cuts each where the next begins; of several with one begin the longest stays.
void make_disjoint(std::vector<Function>* functions) {
  std::sort(functions->begin(), functions->end(), [](const Function& a, const Function& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
  functions->erase(
      std::unique(functions->begin(), functions->end(),
                  [](const Function& a, const Function& b) { return a.begin == b.begin; }),
      functions->end());
  for (size_t i = 0; i + 1 < functions->size(); ++i)
    (*functions)[i].end = std::min((*functions)[i].end, (*functions)[i + 1].begin);
}

}  // namespace

FunctionBounds::FunctionBounds(const ElfImage& image) : image_(image) {
  add_frames();
  add_symbols();
  add_go_functions();
  std::sort(gap_starts_.begin(), gap_starts_.end());
}

void FunctionBounds::add_frames() {
  for (const Frame& frame : read_frames(image_)) {
    if (!is_code(image_, frame.begin, frame.end)) continue;
    entries_.push_back(frame.begin);
    functions_.push_back({frame.begin, frame.end, frame, true, false});
  }
  make_disjoint(&functions_);
}

void FunctionBounds::add_symbols() {
  std::vector<Function> sized;
  for (const Symbol& symbol : image_.symbols()) {
    const Segment* code = image_.code_at(symbol.address);
    if (!code) continue;
    entries_.push_back(symbol.address);
    if (!symbol.function) continue;
    if (symbol.size == 0)
      gap_starts_.push_back(symbol.address);
    else if (symbol.size <= code->end() - symbol.address)
      sized.push_back({symbol.address, symbol.address + symbol.size, {}, false, false});
  }
  make_disjoint(&sized);
  // Hand-written code often ends its CFI early (glibc's clone): then the symbol knows the end.
  for (const Function& symbol : sized) {
    auto known = std::lower_bound(functions_.begin(), functions_.end(), symbol, by_begin);
    if (known == functions_.end() || known->begin != symbol.begin) continue;
    const auto next = std::next(known);
    const uint64_t limit = next == functions_.end() ? symbol.end : next->begin;
    known->end = std::max(known->end, std::min(symbol.end, limit));
  }
  insert(std::move(sized));
}

void FunctionBounds::add_go_functions() {
  const std::vector<uint64_t> begins = read_go_functions(image_);
  std::vector<Function> functions;
  for (size_t i = 0; i + 1 < begins.size(); ++i) {
    if (!is_code(image_, begins[i], begins[i + 1])) continue;
    entries_.push_back(begins[i]);
    functions.push_back({begins[i], begins[i + 1], {}, false, false});
  }
  insert(std::move(functions));
}

/// Adds those of `more` that begin outside every known function, cut where a known one begins.
void FunctionBounds::insert(std::vector<Function> more) {
  std::vector<Function> fresh;
  for (Function& function : more) {
    const auto next = std::upper_bound(functions_.begin(), functions_.end(), function, by_begin);
    if (next != functions_.begin() && std::prev(next)->end > function.begin) continue;
    if (next != functions_.end()) function.end = std::min(function.end, next->begin);
    fresh.push_back(function);
  }
  functions_.insert(functions_.end(), fresh.begin(), fresh.end());
  make_disjoint(&functions_);
}

Function FunctionBounds::around(uint64_t address) const {
  const Function key{address, 0, {}, false, false};
  const auto next = std::upper_bound(functions_.begin(), functions_.end(), key, by_begin);
  if (next != functions_.begin() && std::prev(next)->end > address) return *std::prev(next);
  return gap(address, next);
}

Function FunctionBounds::gap(uint64_t address, std::vector<Function>::const_iterator next) const {
  const Segment* code = image_.code_at(address);
  uint64_t begin = code->address, end = code->end();
  for (const Section& section : image_.sections()) {
    const uint64_t section_end = section.address + section.bytes.size();
    if (!(section.flags & SHF_EXECINSTR) || address < section.address || address >= section_end)
      continue;
    begin = std::max(begin, section.address);
    end = std::min(end, section_end);
    break;
  }
  if (next != functions_.begin()) begin = std::max(begin, std::prev(next)->end);
  if (next != functions_.end()) end = std::min(end, next->begin);
  const auto split = std::upper_bound(gap_starts_.begin(), gap_starts_.end(), address);
  if (split != gap_starts_.begin()) begin = std::max(begin, *std::prev(split));
  if (split != gap_starts_.end()) end = std::min(end, *split);
  return {begin, end, {}, false, true};
}

}  // namespace mx::sites
