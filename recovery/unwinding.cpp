#include "recovery/unwinding.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "analyzer/elf/byte_cursor.h"
#include "recovery/call_frames.h"

namespace mx::recovery {
namespace {

using analyzer::ByteCursor;

constexpr uint8_t kOmitted = 0xff, kIndirect = 0x80, kRelative = 0x10;
constexpr size_t kMostActions = 10000;
constexpr size_t kMostLsda = 1 << 20;

class Writer {
 public:
  template <class T>
  void number(T v) {
    auto* p = reinterpret_cast<const uint8_t*>(&v);
    bytes_.insert(bytes_.end(), p, p + sizeof v);
  }
  void uleb(uint64_t v) {
    do {
      uint8_t b = v & 0x7f;
      v >>= 7;
      number<uint8_t>(v ? b | 0x80 : b);
    } while (v);
  }
  void sleb(int64_t v) {
    for (bool more = true; more;) {
      uint8_t b = v & 0x7f;
      v >>= 7;
      more = !((v == 0 && !(b & 0x40)) || (v == -1 && (b & 0x40)));
      number<uint8_t>(more ? b | 0x80 : b);
    }
  }
  void bytes(std::span<const uint8_t> b) { bytes_.insert(bytes_.end(), b.begin(), b.end()); }
  /// A record with its length in front, padded with no-operations.
  void record(Writer& body) {
    while ((body.bytes_.size() + 4) % 8) body.number<uint8_t>(0);
    number<uint32_t>(static_cast<uint32_t>(body.bytes_.size()));
    bytes(body.bytes_);
  }
  std::vector<uint8_t> bytes_;
};

class Maker {
 public:
  Maker(Carrier& carrier, const SidedMapping& m, const Target& target, const Module& own,
        const ElfView& other, Placement at)
      : carrier_(carrier), m_(m), target_(target), own_(own), other_(other), at_(at) {}

  Unwinding run(const std::vector<FrameStub>& stubs) {
    Unwinding u;
    for (size_t i : carrier_.carried()) {
      const auto& f = m_.functions()[i];
      auto e = frame_entry(other_, m_.other_address(f));
      if (!e) continue;
      std::string why = add(*e, m_.other_address(f), m_.other_size(f));
      if (e->lsda) u.needed = true;
      if (!why.empty() && e->lsda && u.why_not.empty()) u.why_not = "`" + m_.name(f) + "`: " + why;
    }
    for (const FrameStub& s : stubs) add_stub(s);
    if (out_.bytes_.empty()) return u;
    out_.number<uint32_t>(0);
    u.frames = std::move(out_.bytes_);
    return u;
  }

 private:
  std::string add(const FrameEntry& e, uint64_t start, uint64_t size);
  void add_stub(const FrameStub& s);
  std::string types(uint64_t lsda);
  std::string type_entry(uint64_t at, uint8_t encoding);
  uint64_t slot_value(uint64_t slot) const;
  uint64_t personality(const FrameEntry& e) const;

  Carrier& carrier_;
  const SidedMapping& m_;
  const Target& target_;
  const Module& own_;
  const ElfView& other_;
  Placement at_;
  Writer out_;
};

// What a slot of the survivor, filled by its loader, must hold in this process.
uint64_t Maker::slot_value(uint64_t slot) const {
  const auto* r = other_.relocation_at(slot);
  if (!r) return carrier_.counterpart(other_.value<uint64_t>(slot).value_or(0));
  if (r->type == R_X86_64_RELATIVE) return carrier_.counterpart(static_cast<uint64_t>(r->addend));
  if (r->symbol_value)
    if (uint64_t own = carrier_.counterpart(r->symbol_value)) return own;
  for (const auto& own : own_.elf->relocations()) {
    bool filled = own.type == R_X86_64_64 || own.type == R_X86_64_GLOB_DAT;
    if (!filled || own.symbol != r->symbol) continue;
    uint64_t v = 0;
    return target_.read(own_.bias + own.address, &v, sizeof v) ? v : 0;
  }
  for (const auto& own : own_.elf->relocations())
    if (own.type == R_X86_64_COPY && own.symbol == r->symbol) return own_.bias + own.address;
  return 0;
}

uint64_t Maker::personality(const FrameEntry& e) const {
  return e.personality_indirect ? slot_value(e.personality) : carrier_.counterpart(e.personality);
}

std::string Maker::add(const FrameEntry& e, uint64_t start, uint64_t size) {
  if (e.start != start || e.size > size + 16)
    return "its unwinding data covers more than the function";
  uint64_t routine = 0;
  if (e.personality) {
    routine = personality(e);
    if (!routine) return "its exception handling routine is not known in the process";
  }
  if (e.lsda)
    if (std::string why = types(e.lsda); !why.empty()) return why;
  size_t common_at = out_.bytes_.size();
  Writer common;
  common.number<uint32_t>(0);
  common.number<uint8_t>(1);
  const char* augmentation =
      e.personality ? (e.signal ? "zPLRS" : "zPLR") : (e.signal ? "zRS" : "zR");
  common.bytes({reinterpret_cast<const uint8_t*>(augmentation), std::strlen(augmentation) + 1});
  common.uleb(e.code_align);
  common.sleb(e.data_align);
  common.number<uint8_t>(static_cast<uint8_t>(e.return_register));
  if (e.personality) {
    common.uleb(11);
    common.number<uint8_t>(0);  // absolute
    common.number<uint64_t>(routine);
    common.number<uint8_t>(0);
    common.number<uint8_t>(0);
  } else {
    common.uleb(1);
    common.number<uint8_t>(0);
  }
  common.bytes(e.common);
  out_.record(common);
  size_t entry_at = out_.bytes_.size();
  Writer entry;
  entry.number<uint32_t>(static_cast<uint32_t>(entry_at + 4 - common_at));
  entry.number<uint64_t>(at_.copy_bias + e.start);
  entry.number<uint64_t>(e.size);
  entry.uleb(e.personality ? 8 : 0);
  if (e.personality) entry.number<uint64_t>(e.lsda ? at_.copy_bias + e.lsda : 0);
  entry.bytes(e.own);
  out_.record(entry);
  return "";
}

// The stub's first instruction copies rsp to r11, which stays as it is. Unwinders look up the byte
// before a return address.
void Maker::add_stub(const FrameStub& s) {
  constexpr uint8_t kDefineCfa = 0x0c, kAdvance = 0x40, kOffset = 0x80, kFirstInstruction = 3;
  size_t common_at = out_.bytes_.size();
  Writer common;
  common.number<uint32_t>(0);
  common.number<uint8_t>(1);
  common.bytes({reinterpret_cast<const uint8_t*>("zR"), 3});
  common.uleb(1);
  common.sleb(-8);
  common.number<uint8_t>(16);
  common.uleb(1);
  common.number<uint8_t>(0);  // absolute
  out_.record(common);
  size_t entry_at = out_.bytes_.size();
  Writer entry;
  entry.number<uint32_t>(static_cast<uint32_t>(entry_at + 4 - common_at));
  entry.number<uint64_t>(s.at - 1);
  entry.number<uint64_t>(s.code.size() + 1);
  entry.uleb(0);
  auto define = [&](uint64_t reg) {
    entry.number<uint8_t>(kDefineCfa);
    entry.uleb(reg);
    entry.uleb(static_cast<uint64_t>(s.shape.depth));
  };
  define(7);
  for (uint8_t r = 0; r < 17; ++r) {
    if (!(s.shape.rule->saved >> r & 1)) continue;
    entry.number<uint8_t>(kOffset | r);
    entry.uleb(static_cast<uint64_t>(-s.shape.rule->where[r] / 8));
  }
  entry.number<uint8_t>(kAdvance | (kFirstInstruction + 1));
  define(11);
  out_.record(entry);
}

// Walks the call-site table and its actions for the types that they name (Itanium C++ ABI,
// exception handling tables).
std::string Maker::types(uint64_t lsda) {
  constexpr const char* kDamaged = "its exception tables are not understood";
  auto all = other_.bytes_from(lsda);
  all = all.first(std::min(all.size(), kMostLsda));
  ByteCursor in(all, lsda);
  if (in.number<uint8_t>() != kOmitted) return "its landing pads have another base";
  uint8_t encoding = in.number<uint8_t>();
  if (encoding == kOmitted) return in.failed() ? kDamaged : "";
  uint64_t distance = in.uleb();
  uint64_t base = in.address() + distance;
  uint8_t site_encoding = in.number<uint8_t>();
  ByteCursor sites = in.take(in.uleb());
  uint64_t actions = in.address();
  auto number = [&] {
    return site_encoding == 0x01 ? sites.uleb() : uint64_t{sites.number<uint32_t>()};
  };
  if (in.failed() || (site_encoding != 0x01 && site_encoding != 0x03)) return kDamaged;
  std::set<uint64_t> first, wanted;
  while (!sites.at_end()) {
    number(), number(), number();
    if (uint64_t action = sites.uleb()) first.insert(actions + action - 1);
  }
  std::set<uint64_t> seen;
  for (uint64_t at : first)
    while (seen.size() < kMostActions && seen.insert(at).second) {
      ByteCursor a(other_.bytes_from(at), at);
      int64_t filter = a.sleb();
      uint64_t link = a.address();
      int64_t next = a.sleb();
      if (a.failed()) return kDamaged;
      if (filter > 0) wanted.insert(static_cast<uint64_t>(filter));
      if (filter < 0) {  // an exception specification: a list of types
        ByteCursor list(other_.bytes_from(base + static_cast<uint64_t>(-filter) - 1), 0);
        while (uint64_t index = list.uleb()) wanted.insert(index);
      }
      if (!next) break;
      at = link + static_cast<uint64_t>(next);
    }
  unsigned size = (encoding & 0x0f) == 0x03 || (encoding & 0x0f) == 0x0b ? 4
                  : (encoding & 0x0f) == 0                               ? 8
                                                                         : 0;
  if (!size) return kDamaged;
  for (uint64_t index : wanted)
    if (std::string why = type_entry(base - index * size, encoding); !why.empty()) return why;
  return "";
}

std::string Maker::type_entry(uint64_t at, uint8_t encoding) {
  bool wide = (encoding & 0x0f) == 0;
  uint64_t v = wide ? other_.value<uint64_t>(at).value_or(0)
                    : static_cast<uint64_t>(int64_t{other_.value<int32_t>(at).value_or(0)});
  if ((encoding & 0x0f) == 0x03) v &= 0xffffffff;
  if (wide)
    if (const auto* r = other_.relocation_at(at)) v = static_cast<uint64_t>(r->addend);
  if (v == 0) return "";  // catches everything
  bool relative = (encoding & 0x70) == kRelative;
  if (relative) v += at;
  uint64_t type = encoding & kIndirect ? slot_value(v) : carrier_.counterpart(v);
  if (!type) return "a type that it catches is not known in the process";
  if (encoding & kIndirect)
    return carrier_.put(v, &type, 8) ? "" : "its types lie outside the file";
  uint64_t field = relative ? type - (at_.copy_bias + at) : type;
  if (!wide && (relative ? static_cast<uint64_t>(int64_t{static_cast<int32_t>(field)}) != field
                         : field >> 32))
    return "a type that it catches is out of reach";
  return carrier_.put(at, &field, wide ? 8 : 4) ? "" : "its types lie outside the file";
}

}  // namespace

Unwinding make_unwinding(Carrier& carrier, const SidedMapping& mapping, const Target& target,
                         const Module& own, const ElfView& other, Placement placement,
                         const std::vector<FrameStub>& stubs) {
  return Maker(carrier, mapping, target, own, other, placement).run(stubs);
}

uint64_t find_register_function(const AddressSpace& space) {
  for (bool library : {true, false})
    for (const Module& m : space.modules) {
      if ((library_key(m.path) == "libgcc_s.so.1") != library) continue;
      if (!library && !m.main) continue;
      if (auto at = m.elf->symbol("__register_frame_info")) return m.bias + *at;
    }
  return 0;
}

}  // namespace mx::recovery
