// x86-64 decoding with Capstone, and by length alone where Capstone does not know an instruction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/code/instruction.h"
#include "analyzer/elf/image.h"

namespace mx::analyzer {

// A second address in the same instruction (`movq $handler, table(%rip)`): rare, kept aside.
struct ExtraRef {
  uint64_t target = 0;
  uint8_t field_at = 0, field_size = 0;
};

// Not thread-safe: one decoder a thread. Keeps a reference to the image.
class Decoder {
 public:
  explicit Decoder(const Image& image);
  ~Decoder();
  Decoder(const Decoder&) = delete;

  // Decodes the instruction at `bytes` that lies at `address`. Its offset is counted from `base`.
  // Empty: not an instruction. Sets extra() when there is a second address.
  std::optional<Instruction> decode(std::span<const uint8_t> bytes, uint64_t address,
                                    uint64_t base);
  const std::optional<ExtraRef>& extra() const { return extra_; }

  // Assembly text (Intel syntax) of one instruction, "(bad)" where there is none.
  std::string text(std::span<const uint8_t> bytes, uint64_t address);

 private:
  struct Engine;
  const Image& image_;
  std::unique_ptr<Engine> engine_;
  std::optional<ExtraRef> extra_;
};

// Bytes of memory that an instruction touches, where Capstone says `said`: it says 16 for some that
// read fewer.
uint8_t bytes_accessed(unsigned id, uint8_t said);

// Hash of an instruction's bytes without `size` of them at `at`.
uint32_t token_without(std::span<const uint8_t> bytes, size_t at, size_t size);

// Length in bytes of the x86-64 instruction at the start of `bytes`, from its prefixes, opcode map
// and ModR/M; 0 when it is invalid or cut off. Source: Intel SDM volume 2, chapter 2 and appendix
// A.
unsigned instruction_length(std::span<const uint8_t> bytes);

}  // namespace mx::analyzer
