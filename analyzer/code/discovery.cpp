#include "analyzer/code/discovery.h"

#include <elf.h>

#include <algorithm>
#include <cstdio>

#include "analyzer/code/go_functions.h"
#include "analyzer/code/jump_tables.h"
#include "analyzer/code/thread_locals.h"

namespace mx::analyzer {
namespace {

std::string made_up_name(uint64_t address) {
  char text[32];
  std::snprintf(text, sizeof text, "sub_%llx", static_cast<unsigned long long>(address));
  return text;
}

// Which of several names at one address people use: global before weak before local, few
// underscores.
bool better_name(const Symbol* a, const Symbol* b) {
  auto rank = [](const Symbol* s) {
    int binding = s->binding == STB_GLOBAL ? 0 : s->binding == STB_WEAK ? 1 : 2;
    int underscores = static_cast<int>(std::min(s->name.find_first_not_of('_'), s->name.size()));
    return std::make_tuple(binding, underscores, s->name.size(), s->name);
  };
  return rank(a) < rank(b);
}

}  // namespace

Discovery::Discovery(Program& program, const Image* debug)
    : program_(program), image_(program.image()), debug_(debug), decoder_(program.image()) {}

void Discovery::run() {
  add_symbols(image_, false);
  if (debug_) add_symbols(*debug_, true);
  add_go_functions();
  add_plt_stubs();
  add_frames();
  add_entries();
  do disassemble_new();
  while (add_references());
  program_.functions_.reserve(done_.size());
  for (auto& [address, f] : done_) program_.functions_.push_back(std::move(f));
  done_.clear();
  for (Function& f : program_.functions_) {
    find_jump_tables(image_, f);
    find_thread_locals(image_, f);
  }
  cut_overlapping_tables(program_.functions_);
  for (auto& [address, d] : data_) program_.data_.push_back(std::move(d));
  mark_address_taken();
  find_cold_parts();
}

void Discovery::add_symbols(const Image& image, bool debug) {
  for (const Symbol& s : image.facts().symbols) {
    if (s.section == SHN_UNDEF || s.section >= SHN_LORESERVE || s.name.empty()) continue;
    if (!s.dynamic && (s.type == STT_FUNC)) program_.has_full_symbols_ = true;
    Origin origin = debug       ? Origin::debug_file
                    : s.dynamic ? Origin::dynamic_symbol
                                : Origin::symbol;
    add_function_symbol(s, origin);
  }
  add_data_symbols(image);
}

void Discovery::add_function_symbol(const Symbol& s, Origin origin) {
  bool function = s.type == STT_FUNC || s.type == STT_GNU_IFUNC;
  bool label = s.type == STT_NOTYPE && s.binding != STB_LOCAL;
  if ((!function && !label) || !image_.executable(s.value) || image_.bytes_from(s.value).empty())
    return;
  if (!image_.code_sections().empty()) {
    const auto& code = image_.code_sections();
    bool in_code = std::any_of(code.begin(), code.end(), [&](const Section& c) {
      return s.value >= c.address && s.value - c.address < c.size;
    });
    if (!in_code) return;
  }
  auto [it, fresh] = seeds_.try_emplace(s.value);
  Seed& seed = it->second;
  if (fresh) seed.origin = origin;
  seed.size = std::max(seed.size, std::min(s.size, kLargestFunction));
  if (s.type == STT_GNU_IFUNC) seed.kind = FunctionKind::ifunc;
  bool known = std::any_of(seed.symbols.begin(), seed.symbols.end(),
                           [&](const Symbol* other) { return other->name == s.name; });
  if (!known) seed.symbols.push_back(&s);
  program_.has_symbols_ = true;
}

void Discovery::add_data_symbols(const Image& image) {
  for (const Symbol& s : image.facts().symbols) {
    bool tls = s.type == STT_TLS;
    if ((s.type != STT_OBJECT && !tls) || s.section == SHN_UNDEF || s.name.empty()) continue;
    if (s.section >= SHN_LORESERVE || (!tls && !image_.mapped(s.value))) continue;
    if (tls && s.value >= kThreadSpace) continue;
    uint64_t address = tls ? kThreadSpace + s.value : s.value;
    DataObject& d = data_[address];
    d.thread_local_storage = tls;
    if (d.name.empty() || (s.binding == STB_GLOBAL && d.local)) {
      if (!d.name.empty()) d.aliases.push_back(d.name);
      d.name = s.name;
      d.local = s.binding == STB_LOCAL;
      d.file = s.file;
    } else if (d.name != s.name &&
               std::find(d.aliases.begin(), d.aliases.end(), s.name) == d.aliases.end()) {
      d.aliases.push_back(s.name);
    }
    d.address = address;
    d.size = std::max(d.size, s.size);
  }
}

// Stubs of 8 bytes: a jump and a filler (.plt.got, and .plt of static programs).
bool Discovery::short_stubs(const Section& section) const {
  auto b = image_.bytes_at(section.address, 8);
  return b.size() == 8 && b[0] == 0xff && b[1] == 0x25 && b[6] == 0x66 && b[7] == 0x90;
}

// A stub of a function whose implementation is chosen at start-up is called like the function that
// chooses.
std::string Discovery::chosen_at_start(uint64_t resolver) const {
  auto it = seeds_.find(resolver);
  if (it == seeds_.end() || it->second.symbols.empty()) return made_up_name(resolver);
  const auto& all = it->second.symbols;
  return (*std::min_element(all.begin(), all.end(),
                            [](const Symbol* a, const Symbol* b) {
                              return std::make_tuple(a->name.size(), a->name) <
                                     std::make_tuple(b->name.size(), b->name);
                            }))
      ->name;
}

// A stub is found by its jump through a GOT slot that has a relocation with a symbol.
void Discovery::add_plt_stubs() {
  for (const Section& section : image_.code_sections()) {
    if (!image_.in_plt(section.address)) continue;
    uint64_t step = short_stubs(section) ? 8 : 16;
    for (uint64_t at = section.address; at + step <= section.address + section.size; at += step) {
      uint64_t pc = at;
      while (pc < at + step) {
        auto i = decoder_.decode(image_.bytes_from(pc), pc, at);
        if (!i) break;
        const Relocation* r =
            i->flow == Flow::indirect_jump && i->ref == Ref::memory
                ? image_.relocation_at(at + static_cast<uint64_t>(int64_t{i->distance}))
                : nullptr;
        if (r && (!r->symbol.empty() || r->type == R_X86_64_IRELATIVE)) {
          Seed& seed = seeds_[at];
          seed = Seed{step, Origin::plt, FunctionKind::plt, {}, {}};
          seed.name =
              (r->symbol.empty() ? chosen_at_start(static_cast<uint64_t>(r->addend)) : r->symbol) +
              "@plt";
          break;
        }
        pc += i->size;
      }
    }
  }
}

void Discovery::add_go_functions() {
  for (const GoFunction& f : go_functions(image_)) {
    auto [it, fresh] = seeds_.try_emplace(f.address);
    Seed& seed = it->second;
    if (fresh) seed.name = f.name, seed.origin = Origin::symbol;
    if (!seed.size) seed.size = std::min(f.size, kLargestFunction);
  }
}

bool Discovery::covered(uint64_t address) const {
  auto it = seeds_.upper_bound(address);
  for (int back = 0; back < 8 && it != seeds_.begin(); ++back) {
    --it;
    if (address - it->first < std::max<uint64_t>(it->second.size, 1)) return true;
  }
  return false;
}

void Discovery::add_frames() {
  std::vector<std::pair<uint64_t, uint64_t>> fresh;
  for (const FrameDescription& f : program_.frames_.all()) {
    if (auto it = seeds_.find(f.start); it != seeds_.end()) {
      if (it->second.size == 0) it->second.size = f.size;
    } else if (!covered(f.start) && !image_.in_plt(f.start)) {
      fresh.emplace_back(f.start, f.size);
    }
  }
  for (auto [start, size] : fresh) {
    auto next = seeds_.upper_bound(start);
    if (next != seeds_.end()) size = std::min(size, next->first - start);
    const FrameRow* row = program_.frames_.row_at(start);
    Seed seed{std::min(size, kLargestFunction), Origin::frame, FunctionKind::normal, {}, {}};
    bool fresh_frame = row && !row->cfa_is_expression && row->cfa_register == 7 &&
                       row->cfa_offset == 8 && !(row->saved & 0xffff);
    if (!fresh_frame) seed.kind = FunctionKind::cold;
    seeds_.emplace(start, std::move(seed));
  }
}

void Discovery::add_array(const char* section) {
  const Section* s = image_.section(section);
  if (!s) return;
  for (uint64_t at = s->address; at + 8 <= s->address + s->size && at - s->address < 8 * 65536;
       at += 8) {
    const Relocation* r = image_.relocation_at(at);
    uint64_t target =
        r && r->symbol.empty() ? static_cast<uint64_t>(r->addend) : image_.u64_at(at).value_or(0);
    if (image_.executable(target) && !covered(target))
      seeds_.emplace(target, Seed{0, Origin::init_array, FunctionKind::normal, {}, {}});
  }
}

void Discovery::add_entries() {
  uint64_t entry = image_.facts().entry;
  if (image_.executable(entry) && !covered(entry))
    seeds_.emplace(entry, Seed{0, Origin::entry, FunctionKind::normal, {}, "_start"});
  for (const char* name : {".init", ".fini"}) {
    const Section* s = image_.section(name);
    if (s && image_.executable(s->address) && !covered(s->address))
      seeds_.emplace(s->address, Seed{s->size,
                                      Origin::init_array,
                                      FunctionKind::normal,
                                      {},
                                      std::string("_") + (name + 1)});
  }
  for (const char* name : {".preinit_array", ".init_array", ".fini_array"}) add_array(name);
}

void Discovery::choose_names(Function& f, const Seed& seed) {
  auto symbols = seed.symbols;
  std::sort(symbols.begin(), symbols.end(), better_name);
  if (!symbols.empty()) {
    f.name = symbols[0]->name;
    f.local = symbols[0]->binding == STB_LOCAL;
    f.file = symbols[0]->file;
    f.named = true;
    for (size_t i = 1; i < symbols.size(); ++i) f.aliases.push_back(symbols[i]->name);
  } else {
    f.named = !seed.name.empty();
    f.name = f.named ? seed.name : made_up_name(f.address);
  }
}

uint64_t Discovery::limit_of(uint64_t address) const {
  uint64_t limit = address + image_.bytes_from(address).size();
  for (const Section& s : image_.code_sections())
    if (address >= s.address && address - s.address < s.size)
      limit = std::min(limit, s.address + s.size);
  auto next = seeds_.upper_bound(address);
  if (next != seeds_.end()) limit = std::min(limit, next->first);
  return limit;
}

Function Discovery::make_function(uint64_t address, const Seed& seed) {
  Function f;
  f.address = address;
  f.kind = seed.kind;
  f.origin = seed.origin;
  choose_names(f, seed);
  if (f.named && f.name.find(".cold") != std::string::npos) f.kind = FunctionKind::cold;
  uint64_t available = image_.bytes_from(address).size();
  if (seed.size) {
    f.size = std::min(seed.size, available);
    disassemble(f, address + f.size, true);
  } else {
    disassemble(f, limit_of(address), false);
  }
  return f;
}

// With an unknown size, stops after the first way out that no branch jumps over.
void Discovery::disassemble(Function& f, uint64_t limit, bool size_known) {
  uint64_t pc = f.address, furthest = f.address;
  limit = std::min(limit, f.address + kLargestFunction);
  auto bytes = image_.bytes_from(f.address);
  scratch_.clear();
  while (pc < limit) {
    auto i = decoder_.decode(bytes.subspan(pc - f.address, std::min<uint64_t>(limit - pc, 15)), pc,
                             f.address);
    if (!i) {
      f.damaged = true;
      if (!size_known) break;
      ++pc;
      continue;
    }
    if (decoder_.extra())
      f.second_refs.push_back({static_cast<uint32_t>(scratch_.size()), decoder_.extra()->target,
                               decoder_.extra()->field_at, decoder_.extra()->field_size});
    scratch_.push_back(*i);
    pc += i->size;
    if (uint64_t target = f.target_of(*i);
        (i->flow == Flow::jump || i->flow == Flow::branch) && target < limit && target > f.address)
      furthest = std::max(furthest, target);
    if (!size_known && !falls_through(i->flow) && furthest < pc) break;
  }
  if (!size_known) f.size = pc - f.address;
  f.code.assign(scratch_.begin(), scratch_.end());
}

void Discovery::disassemble_new() {
  for (auto& [address, seed] : seeds_)
    if (!done_.count(address)) done_.emplace(address, make_function(address, seed));
}

namespace {

// First bytes of what compilers and people start functions with. Asked for addresses that are only
// taken, never called.
bool starts_like_function(std::span<const uint8_t> b) {
  if (b.size() < 4) return false;
  bool rex = (b[0] & 0xf8) == 0x48 || (b[0] & 0xf8) == 0x40;
  uint8_t op = rex ? b[1] : b[0];
  if (b[0] == 0xf3 && b[1] == 0x0f && b[2] == 0x1e) return true;       // endbr64
  if (op >= 0x50 && op <= 0x57) return true;                           // push
  if (rex && (op == 0x83 || op == 0x81) && b[2] == 0xec) return true;  // sub rsp
  static const uint8_t kCommon[] = {0x89, 0x8b, 0x8d, 0x85, 0xc3, 0xe9, 0xe8, 0xb8, 0x31, 0xc7};
  return std::find(std::begin(kCommon), std::end(kCommon), op) != std::end(kCommon);
}

}  // namespace

// Would code start here? Only asked for bytes that no symbol and no frame claims.
bool Discovery::plausible(uint64_t address, uint64_t limit, bool called) {
  if (!called && !starts_like_function(image_.bytes_at(address, 4))) return false;
  Function trial;
  trial.address = address;
  disassemble(trial, limit, false);
  if (trial.damaged || trial.code.empty() || trial.code[0].padding) return false;
  auto first = image_.bytes_at(address, 2);
  if (first.size() < 2 || (first[0] == 0 && first[1] == 0)) return false;
  for (const Instruction& i :
       trial.code) {  // zeros decode as `add [rax], al`, which no compiler writes: tables in .text
    auto b = image_.bytes_at(trial.address_of(i), 2);
    if (b.size() == 2 && b[0] == 0 && b[1] == 0) return false;
  }
  return !falls_through(trial.code.back().flow);
}

void Discovery::offer(uint64_t target, bool reached) {
  if (rejected_.count(target) || !image_.executable(target)) return;
  auto it = done_.upper_bound(target);
  for (int back = 0; back < 8 && it != done_.begin(); ++back) {
    --it;
    if (it->second.contains(target)) return;
  }
  offers_.emplace_back(target, reached);
}

// Looks for functions in bytes nobody claimed. Returns whether any was added.
bool Discovery::add_references() {
  offers_.clear();
  for (auto& [address, f] : done_) {
    for (const Instruction& i : f.code) {
      if (i.ref == Ref::code)
        offer(f.target_of(i), true);
      else if (i.ref == Ref::address)
        offer(f.target_of(i), false);
    }
    for (const SecondRef& r : f.second_refs) offer(r.target, false);
  }
  for (const Relocation& r : image_.facts().relocations)
    if (r.symbol.empty()) offer(static_cast<uint64_t>(r.addend), false);
  std::sort(offers_.begin(), offers_.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, !a.second) < std::pair(b.first, !b.second);  // called ones first
  });
  bool added = false;
  for (auto [target, called] : offers_) {
    if (seeds_.count(target) || rejected_.count(target) || image_.in_plt(target)) continue;
    bool code = std::any_of(
        image_.code_sections().begin(), image_.code_sections().end(),
        [at = target](const Section& s) { return at >= s.address && at - s.address < s.size; });
    if (!code || !plausible(target, limit_of(target), called)) {
      rejected_.insert(target);
      continue;
    }
    seeds_.emplace(target, Seed{0, Origin::reference, FunctionKind::normal, {}, {}});
    done_.emplace(target, make_function(target, seeds_[target]));
    added = true;
  }
  return added;
}

}  // namespace mx::analyzer
