// Length decoding only. Used where Capstone 4 does not know an instruction (newer AVX-512, CET, …).
#include <algorithm>

#include "analyzer/code/decoder.h"

namespace mx::analyzer {
namespace {

struct Shape {
  bool valid = true, modrm = false;
  unsigned immediate = 0;
};

bool in(uint8_t x, uint8_t low, uint8_t high) { return x >= low && x <= high; }

// One-byte opcode map. `z` is the size of Iz (2 with the 66 prefix, else 4).
Shape one_byte(uint8_t op, unsigned z, bool rex_w, bool address32) {
  if (op < 0x40) {
    uint8_t low = op & 7;
    if (low < 4) return {true, true, 0};
    if (low == 4) return {true, false, 1};
    if (low == 5) return {true, false, z};
    return {false, false, 0};
  }
  if (in(op, 0x50, 0x5f) || in(op, 0x90, 0x99) || in(op, 0x9b, 0x9f)) return {};
  if (op == 0x63) return {true, true, 0};
  if (op == 0x68) return {true, false, z};
  if (op == 0x69) return {true, true, z};
  if (op == 0x6a) return {true, false, 1};
  if (op == 0x6b) return {true, true, 1};
  if (in(op, 0x6c, 0x6f)) return {};
  if (in(op, 0x70, 0x7f) || in(op, 0xe0, 0xe7) || op == 0xeb) return {true, false, 1};
  if (op == 0x81) return {true, true, z};
  if (op == 0x80 || op == 0x83) return {true, true, 1};
  if (in(op, 0x84, 0x8f)) return {true, true, 0};
  if (in(op, 0xa0, 0xa3)) return {true, false, address32 ? 4u : 8u};
  if (op == 0xa8 || in(op, 0xb0, 0xb7)) return {true, false, 1};
  if (op == 0xa9) return {true, false, z};
  if (in(op, 0xa4, 0xaf)) return {};
  if (in(op, 0xb8, 0xbf)) return {true, false, rex_w ? 8u : z};
  if (op == 0xc0 || op == 0xc1 || op == 0xc6) return {true, true, 1};
  if (op == 0xc2 || op == 0xca) return {true, false, 2};
  if (op == 0xc7) return {true, true, z};
  if (op == 0xc8) return {true, false, 3};
  if (op == 0xcd) return {true, false, 1};
  if (op == 0xc3 || op == 0xc9 || op == 0xcb || op == 0xcc || op == 0xcf) return {};
  if (in(op, 0xd0, 0xd3) || in(op, 0xd8, 0xdf)) return {true, true, 0};
  if (op == 0xd7 || in(op, 0xec, 0xef)) return {};
  if (op == 0xe8 || op == 0xe9) return {true, false, 4};
  if (op == 0xf1 || op == 0xf4 || op == 0xf5 || in(op, 0xf8, 0xfd)) return {};
  if (op == 0xf6 || op == 0xf7 || op == 0xfe || op == 0xff) return {true, true, 0};
  return {false, false, 0};
}

bool imm8_in_0f(uint8_t op) {
  return in(op, 0x70, 0x73) || op == 0xa4 || op == 0xac || op == 0xba || op == 0xc2 || op == 0xc4 ||
         op == 0xc5 || op == 0xc6;
}

Shape two_byte(uint8_t op) {
  if (in(op, 0x80, 0x8f)) return {true, false, 4};
  if (op == 0x05 || op == 0x06 || op == 0x07 || op == 0x08 || op == 0x09 || op == 0x0b ||
      in(op, 0x30, 0x37) || op == 0x77 || in(op, 0xa0, 0xa2) || in(op, 0xa8, 0xaa) ||
      in(op, 0xc8, 0xcf))
    return {};
  if (op == 0x04 || op == 0x0a || op == 0x0c) return {false, false, 0};
  return {true, true, imm8_in_0f(op) ? 1u : 0u};
}

// Bytes of ModR/M with its SIB and displacement; 0 when cut off.
unsigned modrm_length(std::span<const uint8_t> b) {
  if (b.empty()) return 0;
  uint8_t mod = b[0] >> 6, rm = b[0] & 7;
  if (mod == 3) return 1;
  unsigned n = 1;
  uint8_t base = rm;
  if (rm == 4) {
    if (b.size() < 2) return 0;
    base = b[1] & 7;
    n = 2;
  }
  if (mod == 1) return n + 1;
  if (mod == 2 || base == 5) return n + 4;
  return n;
}

}  // namespace

unsigned instruction_length(std::span<const uint8_t> bytes) {
  bytes = bytes.first(std::min<size_t>(bytes.size(), 15));
  size_t i = 0;
  bool operand16 = false, address32 = false;
  while (i < bytes.size()) {
    uint8_t p = bytes[i];
    if (p == 0x66)
      operand16 = true;
    else if (p == 0x67)
      address32 = true;
    else if (p != 0xf2 && p != 0xf3 && p != 0xf0 && p != 0x2e && p != 0x36 && p != 0x3e &&
             p != 0x26 && p != 0x64 && p != 0x65)
      break;
    ++i;
  }
  bool rex_w = false;
  if (i < bytes.size() && (bytes[i] & 0xf0) == 0x40) rex_w = bytes[i++] & 8;
  if (i >= bytes.size()) return 0;
  uint8_t op = bytes[i++];
  unsigned z = operand16 && !rex_w ? 2 : 4;
  Shape shape;
  size_t left = bytes.size() - i;
  if (op == 0xc5 || op == 0xc4 || op == 0x62) {
    size_t payload = op == 0xc5 ? 1 : op == 0xc4 ? 2 : 3;
    if (left < payload + 1) return 0;
    uint8_t map = op == 0xc5 ? 1 : bytes[i] & (op == 0xc4 ? 0x1f : 0x07);
    i += payload;
    op = bytes[i++];
    if (map == 1)
      shape = {true, op != 0x77, imm8_in_0f(op) ? 1u : 0u};
    else if (map == 2 || map == 5 || map == 6)
      shape = {true, true, 0};
    else if (map == 3)
      shape = {true, true, 1};
    else
      return 0;
  } else if (op == 0x0f) {
    if (left < 1) return 0;
    op = bytes[i++];
    if (op == 0x38 || op == 0x3a) {
      if (i >= bytes.size()) return 0;
      shape = {true, true, op == 0x3a ? 1u : 0u};
      ++i;
    } else {
      shape = two_byte(op);
    }
  } else {
    shape = one_byte(op, z, rex_w, address32);
    bool test = (op == 0xf6 || op == 0xf7) && i < bytes.size() && ((bytes[i] >> 3) & 7) < 2;
    if (test) shape.immediate = op == 0xf6 ? 1 : z;
  }
  if (!shape.valid) return 0;
  if (shape.modrm) {
    unsigned n = modrm_length(bytes.subspan(i));
    if (n == 0) return 0;
    i += n;
  }
  i += shape.immediate;
  return i <= bytes.size() ? static_cast<unsigned>(i) : 0;
}

}  // namespace mx::analyzer
