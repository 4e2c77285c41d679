#include "analyzer/code/thread_locals.h"

#include <cstring>
#include <optional>

#include "analyzer/code/decoder.h"

namespace mx::analyzer {
namespace {

// The operands of an instruction, as far as they matter here. Registers are numbered as in ModRM.
struct Operands {
  bool fs = false, wide = false;  // %fs: prefix; REX.W
  bool two_byte = false;          // opcode map 0f…, or VEX
  uint8_t opcode = 0, mod = 0, reg = 0, base = 0;
  bool no_base = false;      // an address without a register
  uint8_t displacement = 0;  // where 4 bytes of it lie; 0: it has none, or fewer
  uint8_t immediate = 0;     // where 4 bytes of it may lie: behind the rest
};

// Source: Intel SDM volume 2, chapter 2.
std::optional<Operands> operands_of(std::span<const uint8_t> b) {
  Operands o;
  size_t p = 0;
  for (; p < b.size(); ++p) {
    if (b[p] == 0x64)
      o.fs = true;
    else if (b[p] != 0x66 && b[p] != 0xf2 && b[p] != 0xf3 && b[p] != 0x3e && b[p] != 0x2e)
      break;
  }
  uint8_t rex = 0;
  if (p < b.size() && (b[p] & 0xf0) == 0x40) rex = b[p++];
  if (p + 1 >= b.size()) return {};
  if (b[p] == 0xc5 || b[p] == 0xc4) {  // VEX: the same bits, turned round
    bool three = b[p] == 0xc4;
    if (!(b[p + 1] & 0x80)) rex |= 4;
    if (three && !(b[p + 1] & 0x20)) rex |= 1;
    p += three ? 3 : 2;
    o.two_byte = true;
  } else if (b[p] == 0x0f) {
    p += b[p + 1] == 0x38 || b[p + 1] == 0x3a ? 2 : 1;
    o.two_byte = true;
  }
  if (p + 1 >= b.size()) return {};
  o.wide = rex & 8;
  o.opcode = b[p];
  if (!o.two_byte && o.opcode == 0x05) {  // add $imm32,%rax
    o.mod = 3;
    o.immediate = static_cast<uint8_t>(p + 1);
    return o;
  }
  uint8_t m = b[p + 1];
  p += 2;
  o.mod = m >> 6;
  o.reg = static_cast<uint8_t>((m >> 3 & 7) | (rex & 4) << 1);
  uint8_t low = m & 7;
  if (o.mod != 3 && low == 4) {
    if (p >= b.size()) return {};
    low = b[p++] & 7;
    o.no_base = o.mod == 0 && low == 5;
  }
  o.base = static_cast<uint8_t>(low | (rex & 1) << 3);
  if (o.mod == 2 || o.no_base) o.displacement = static_cast<uint8_t>(p);
  p += o.mod == 1 ? 1 : o.displacement ? 4 : 0;
  o.immediate = static_cast<uint8_t>(p);
  return o;
}

class Finder {
 public:
  Finder(const Image& image, Function& f)
      : image_(image), f_(f), block_(static_cast<int64_t>(image.thread_block())) {}

  void run() {
    for (const Instruction& i : f_.code) learn(i);
    if (!pointer_ && !indexed_) return;
    for (const Instruction& i : f_.code) learn(i);  // copies that stand before their origin
    for (Instruction& i : f_.code) mark(i);
  }

 private:
  std::span<const uint8_t> bytes(const Instruction& i) const {
    return image_.bytes_at(f_.address_of(i), i.size);
  }
  std::optional<int32_t> number(const Instruction& i, uint8_t at) const {
    auto b = bytes(i);
    if (at == 0 || at + size_t{4} > b.size()) return {};
    int32_t v;
    std::memcpy(&v, b.data() + at, 4);
    return v;
  }
  bool reads_thread_pointer(const Instruction& i, const Operands& o) const {
    return o.fs && o.no_base && number(i, o.displacement) == 0;
  }
  void learn(const Instruction& i);
  void mark(Instruction& i);
  void set(Instruction& i, uint8_t at);

  const Image& image_;
  Function& f_;
  int64_t block_;
  uint32_t pointer_ = 0;  // bit r: register r holds the thread pointer somewhere in this function
  uint32_t indexed_ = 0;  // bit r: it holds a distance from it
};

// mov %fs:0,%r and its copies; %fs:(%r) and add %fs:0,%r.
void Finder::learn(const Instruction& i) {
  auto o = operands_of(bytes(i));
  if (!o || o->two_byte) return;
  if (o->opcode == 0x8b && reads_thread_pointer(i, *o)) pointer_ |= 1u << o->reg;
  if (o->opcode == 0x03 && reads_thread_pointer(i, *o)) indexed_ |= 1u << o->reg;
  if (o->fs && o->mod != 3 && !o->no_base) indexed_ |= 1u << o->base;
  if (o->mod != 3 || !o->wide) return;
  if (o->opcode == 0x89 && (pointer_ >> o->reg & 1)) pointer_ |= 1u << o->base;
  if (o->opcode == 0x8b && (pointer_ >> o->base & 1)) pointer_ |= 1u << o->reg;
}

void Finder::mark(Instruction& i) {
  if (i.ref != Ref::none || i.padding) return;
  auto o = operands_of(bytes(i));
  if (!o) return;
  bool from_pointer = o->mod == 2 && !o->fs && (pointer_ >> o->base & 1);
  if (from_pointer) return set(i, o->displacement);
  if (o->two_byte || o->mod != 3 || !o->wide) return;
  bool adds = o->opcode == 0x05 || (o->opcode == 0x81 && (o->reg & 7) == 0);
  if (adds && (pointer_ >> o->base & 1)) return set(i, o->immediate);
  if (o->opcode == 0xc7 && (indexed_ >> o->base & 1)) set(i, o->immediate);
}

void Finder::set(Instruction& i, uint8_t at) {
  auto v = number(i, at);
  if (!v || *v >= 0 || *v < -block_) return;
  i.ref = Ref::thread;
  i.distance = *v;
  i.absolute = 1;
  i.field_at = at & 15;
  i.field_size = 4;
  i.token = token_without(bytes(i), at, 4);
}

}  // namespace

void find_thread_locals(const Image& image, Function& f) {
  if (image.thread_block() && f.kind != FunctionKind::plt) Finder(image, f).run();
}

}  // namespace mx::analyzer
