#include "analyzer/match/meaning.h"

#include <elf.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "analyzer/base/hash.h"

namespace mx::analyzer {
namespace {

Meaning import_named(const std::string& name, bool got) {
  return {MeaningKind::import, got, hash_text(name), 0};
}

// Does a relocation rewrite any of these bytes when the program is loaded?
bool relocated(const Image& image, uint64_t address, uint64_t size) {
  const auto& all = image.facts().relocations;
  auto it = std::lower_bound(all.begin(), all.end(), address >= 7 ? address - 7 : 0,
                             [](const Relocation& r, uint64_t a) { return r.address < a; });
  return it != all.end() && it->address < address + size;
}

// In a program at fixed addresses a pointer's low bytes may read like text.
bool pointer(const Image& image, uint64_t address) {
  if (image.position_independent() || address % 8) return false;
  auto value = image.u64_at(address);
  return value && image.mapped(*value);
}

// Go keeps all text in one piece without zeros, and the length in the next instruction:
// lea text(%rip),%rax; mov $5,%ebx. Where it does not, the start of the text has to do.
std::optional<uint64_t> length_behind(const Image& image, uint64_t next) {
  constexpr uint32_t kStart = 8;
  auto b = image.bytes_at(next, 6);
  if (b.size() < 6) return kStart;
  size_t at = b[0] == 0x41 ? 1 : 0;
  if ((b[at] & 0xf8) != 0xb8) return kStart;
  uint32_t length;
  std::memcpy(&length, b.data() + at + 1, sizeof length);
  return length && length < 65536 ? length : kStart;
}

// A GOT slot stands for what the loader puts into it.
std::optional<Meaning> through_got(const Program& program, const Function& f, uint64_t slot) {
  const Image& image = program.image();
  if (const Relocation* r = image.relocation_at(slot)) {
    bool names = r->type == R_X86_64_GLOB_DAT || r->type == R_X86_64_JUMP_SLOT ||
                 r->type == R_X86_64_TPOFF64 || r->type == R_X86_64_DTPMOD64;
    if (names && !r->symbol.empty()) return import_named(r->symbol, true);
    const Section* s = image.section_at(slot);
    if (r->type == R_X86_64_RELATIVE && s && s->name.compare(0, 4, ".got") == 0) {
      Meaning m = meaning_of_address(program, f, static_cast<uint64_t>(r->addend));
      m.through_got = true;
      return m;
    }
    if (r->type == R_X86_64_TPOFF64)  // the loader fills it with a variable's distance
      return Meaning{MeaningKind::data, true, 0, kThreadSpace + static_cast<uint64_t>(r->addend)};
    if (r->type == R_X86_64_DTPMOD64)
      return Meaning{MeaningKind::constant, true,
                     combine(r->type, static_cast<uint64_t>(r->addend)), slot};
    return {};
  }
  const Section* s = image.position_independent() ? nullptr : image.section_at(slot);
  if (!s || s->name != ".got") return {};
  auto value = image.u64_at(slot);
  if (!value || !image.mapped(*value)) return {};
  Meaning m = meaning_of_address(program, f, *value);
  m.through_got = true;
  return m;
}

}  // namespace

Meaning meaning_of_address(const Program& program, const Function& f, uint64_t address) {
  const Image& image = program.image();
  if (f.contains(address)) return {MeaningKind::inside, false, 0, address};
  for (const JumpTable& t : f.tables)
    if (t.address == address) return {MeaningKind::table, false, 0, address};
  if (image.executable(address)) {
    uint32_t g = program.function_containing(address);
    if (g != kNone && program.functions()[g].kind == FunctionKind::plt)
      return import_named(program.import_at(program.functions()[g].address), false);
    return {MeaningKind::function, false, 0, address};
  }
  auto text = image.string_at(address);
  // Text that does not end inside its variable is no text, it only looks like some.
  const DataObject* d = text ? program.data_containing(address) : nullptr;
  bool ends = !d || !d->size || address - d->address + text->size() < d->size;
  if (text && ends && !pointer(image, address) && !relocated(image, address, text->size()))
    return {MeaningKind::string, false, hash_text(*text), address};
  return {MeaningKind::data, false, 0, address};
}

Meaning meaning_of(const Program& program, const Function& f, const Instruction& i) {
  const Image& image = program.image();
  if (i.ref == Ref::none) return {};
  if (i.ref == Ref::thread) return {MeaningKind::data, false, 0, image.thread_address(i.distance)};
  uint64_t target = f.target_of(i);
  if (i.ref != Ref::memory) {
    Meaning m = meaning_of_address(program, f, target);
    if (m.kind == MeaningKind::string && image.go())
      if (auto length = length_behind(image, f.next_of(i)))
        m.hash = hash_bytes(image.bytes_at(target, *length));
    return m;
  }
  if (auto m = through_got(program, f, target)) return *m;
  for (const JumpTable& t : f.tables)
    if (t.address == target) return {MeaningKind::table, false, 0, target};
  bool flows = i.flow == Flow::indirect_jump || i.flow == Flow::indirect_call;
  if (!flows && i.access && !image.executable(target) && image.constant(target)) {
    auto bytes = image.bytes_at(target, i.access);
    if (!bytes.empty() && !relocated(image, target, i.access))
      return {MeaningKind::constant, false, hash_bytes(bytes), target};
  }
  return {MeaningKind::data, false, 0, target};
}

Meaning meaning_of(const Program& program, const Function& f, const Step& s) {
  return meaning_of(program, f, f.code[s.instruction]);
}

uint64_t place_of(const Program& program, const Function& f, const Step& s) {
  if (s.kind() == MeaningKind::none || s.kind() == MeaningKind::import) return 0;
  const Instruction& i = f.code[s.instruction];
  if (s.through_got || i.ref == Ref::thread) return meaning_of(program, f, i).address;
  return f.target_of(i);
}

std::string describe(const Program& program, const Meaning& m) {
  char text[64];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(m.address));
  if (m.kind == MeaningKind::string) {
    auto s = program.image().string_at(m.address);
    std::string quoted = "\"";
    for (char c : s ? s->substr(0, 60) : std::string_view()) {
      if (c == '\n')
        quoted += "\\n";
      else if (c == '"' || c == '\\')
        (quoted += '\\') += c;
      else if (static_cast<unsigned char>(c) < 32)
        quoted += '.';
      else
        quoted += c;
    }
    return quoted + (s && s->size() > 60 ? "…\"" : "\"");
  }
  auto with_offset = [&](const std::string& name, uint64_t start) {
    if (m.address == start) return name;
    std::snprintf(text, sizeof text, "+0x%llx", static_cast<unsigned long long>(m.address - start));
    return name + text;
  };
  if (m.kind == MeaningKind::function || m.kind == MeaningKind::inside) {
    uint32_t g = program.function_containing(m.address);
    if (g != kNone) return with_offset(program.functions()[g].name, program.functions()[g].address);
  } else if (const DataObject* d = program.data_containing(m.address)) {
    return with_offset(d->name, d->address);
  }
  return text;
}

namespace {

Step step_of(const Program& program, const Function& f, uint32_t k) {
  const Instruction& i = f.code[k];
  Meaning m = meaning_of(program, f, i);
  uint64_t key = combine(i.token, m.hash);
  Step s;
  s.key = static_cast<uint32_t>(key ^ key >> 32);
  s.instruction = k;
  s.kind_number = static_cast<uint32_t>(m.kind);
  s.through_got = m.through_got;
  s.has_content = m.hash != 0;
  return s;
}

}  // namespace

Features features_of(const Program& program, const Function& f) {
  Features out;
  size_t count = static_cast<size_t>(
      std::count_if(f.code.begin(), f.code.end(), [](const Instruction& i) { return !i.padding; }));
  out.steps.reserve(count);
  std::vector<uint32_t> position(f.code.size());  // of an instruction among the steps
  for (uint32_t k = 0; k < f.code.size(); ++k) {
    position[k] = static_cast<uint32_t>(out.steps.size());
    const Instruction& i = f.code[k];
    if (i.padding) continue;
    Step s = step_of(program, f, k);
    out.steps.push_back(s);
    if (s.kind() == MeaningKind::function && i.ref != Ref::address) {
      uint32_t g = program.function_containing(place_of(program, f, s));
      if (g != kNone) out.callees.push_back(g);
    }
  }
  out.callees.shrink_to_fit();
  uint64_t h = out.steps.size();
  for (uint32_t p = 0; p < out.steps.size(); ++p) {
    const Step& s = out.steps[p];
    h = combine(h, s.key);
    h = combine(h, uint64_t{s.kind_number});
    if (s.kind() != MeaningKind::inside) continue;
    uint32_t target = f.index_at(place_of(program, f, s));
    if (target != kNone) h = combine(h, uint64_t{position[target]} - p);
  }
  out.shape = h;
  return out;
}

}  // namespace mx::analyzer
