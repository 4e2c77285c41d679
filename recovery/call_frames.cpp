#include "recovery/call_frames.h"

#include <algorithm>

#include "analyzer/elf/encoded_pointer.h"

namespace mx::recovery {
namespace {

using analyzer::ByteCursor;

constexpr uint8_t kIndirect = 0x80;

/// The instructions that are left in a cursor.
std::span<const uint8_t> rest(const ElfView& elf, const ByteCursor& in) {
  return elf.bytes(in.address(), in.left());
}

struct Common {
  FrameEntry entry;
  uint8_t lsda_encoding = analyzer::kNoPointer;
  bool augmented = false;
};

/// What follows the length of the record at `address` (of
/// either kind); nothing if no record can stand there.
std::optional<ByteCursor> record_at(const ElfView& elf, uint64_t address) {
  auto [start, end] = elf.call_frames();
  if (address < start || address >= end) return {};
  ByteCursor in(elf.bytes(address, end - address), address);
  uint64_t length = in.number<uint32_t>();
  if (length == 0xffffffff) length = in.number<uint64_t>();
  return in.take(length);
}

std::optional<Common> common_at(const ElfView& elf, uint64_t address) {
  auto record = record_at(elf, address);
  if (!record) return {};
  ByteCursor& body = *record;
  if (body.number<uint32_t>() != 0) return {};
  Common c;
  uint8_t version = body.number<uint8_t>();
  const char* augmentation = body.text();
  if (!augmentation || (version != 1 && version != 3)) return {};
  c.entry.code_align = body.uleb();
  c.entry.data_align = body.sleb();
  c.entry.return_register = version == 1 ? body.number<uint8_t>() : body.uleb();
  if (augmentation[0] == 'z') {
    c.augmented = true;
    ByteCursor data = body.take(body.uleb());
    for (const char* p = augmentation + 1; *p; ++p) {
      if (*p == 'R') {
        c.entry.pointer_encoding = data.number<uint8_t>();
      } else if (*p == 'S') {
        c.entry.signal = true;
      } else if (*p == 'L') {
        c.lsda_encoding = data.number<uint8_t>();
      } else if (*p == 'P') {
        uint8_t encoding = data.number<uint8_t>();
        c.entry.personality =
            analyzer::encoded_pointer(data, encoding & static_cast<uint8_t>(~kIndirect))
                .value_or(0);
        c.entry.personality_indirect = encoding & kIndirect;
      } else {
        break;
      }
    }
  } else if (augmentation[0]) {
    return {};
  }
  if (body.failed()) return {};
  c.entry.common = rest(elf, body);
  return c;
}

std::optional<FrameEntry> entry_at(const ElfView& elf, uint64_t address) {
  auto record = record_at(elf, address);
  if (!record) return {};
  ByteCursor& body = *record;
  uint64_t id_at = body.address();
  uint32_t id = body.number<uint32_t>();
  if (id == 0 || body.failed()) return {};
  auto c = common_at(elf, id_at - id);
  if (!c) return {};
  FrameEntry e = c->entry;
  auto first = analyzer::encoded_pointer(body, e.pointer_encoding);
  auto size = analyzer::encoded_pointer(body, e.pointer_encoding & 0x0f);
  if (!first || !size || *size == 0 || *first + *size < *first) return {};
  e.start = *first, e.size = *size;
  if (c->augmented) {
    ByteCursor data = body.take(body.uleb());
    if (c->lsda_encoding != analyzer::kNoPointer)
      e.lsda = analyzer::encoded_pointer(data, c->lsda_encoding & static_cast<uint8_t>(~kIndirect))
                   .value_or(0);
  }
  if (body.failed()) return {};
  e.own = rest(elf, body);
  return e;
}

void make_index(const ElfView& elf) {
  elf.frame_index_made = true;
  auto [start, end] = elf.call_frames();
  if (start == end) return;
  ByteCursor in(elf.bytes(start, end - start), start);
  uint64_t last_common = 0;
  uint8_t encoding = 0x1b;
  while (!in.at_end()) {
    uint64_t at = in.address();
    uint64_t length = in.number<uint32_t>();
    if (length == 0) break;
    if (length == 0xffffffff) length = in.number<uint64_t>();
    ByteCursor body = in.take(length);
    uint64_t id_at = body.address();
    uint32_t id = body.number<uint32_t>();
    if (in.failed() || id == 0) continue;
    if (id_at - id != last_common) {
      auto c = common_at(elf, id_at - id);
      if (!c) continue;
      last_common = id_at - id;
      encoding = c->entry.pointer_encoding;
    }
    auto first = analyzer::encoded_pointer(body, encoding);
    auto size = analyzer::encoded_pointer(body, encoding & 0x0f);
    if (first && size && *size && !body.failed()) elf.frame_index.push_back({*first, *size, at});
  }
  std::stable_sort(elf.frame_index.begin(), elf.frame_index.end(),
                   [](auto& a, auto& b) { return a.start < b.start; });
}

/// Runs call frame instructions up to one address.
class Machine {
 public:
  Machine(const FrameEntry& entry, uint64_t wanted)
      : entry_(entry), at_(entry.start), wanted_(wanted) {}
  std::optional<FrameRules> run() {
    step_through(entry_.common);
    initial_ = now_;
    done_ = false;
    step_through(entry_.own);
    if (bad_) return {};
    return now_;
  }

 private:
  void step_through(std::span<const uint8_t> program) {
    ByteCursor in(program, 0);
    program_ = program;
    while (!in.at_end() && !bad_ && !done_) step(in);
    bad_ = bad_ || in.failed();
  }
  void step(ByteCursor& in);
  void extended(ByteCursor& in, uint8_t op);
  void advance(uint64_t delta) {
    uint64_t next = at_ + delta * entry_.code_align;
    if (next > wanted_)
      done_ = true;
    else
      at_ = next;
  }
  void set(uint64_t reg, Rule rule) {
    if (reg < 17) now_.registers[reg] = rule;
  }
  int64_t factored(ByteCursor& in) { return static_cast<int64_t>(in.uleb()) * entry_.data_align; }
  void define(uint64_t reg, int64_t offset) {
    now_.cfa_is_expression = false;
    now_.cfa_register = static_cast<uint32_t>(reg);
    now_.cfa_offset = offset;
  }
  std::span<const uint8_t> block(ByteCursor& in) {
    uint64_t size = in.uleb();
    uint64_t from = in.address();
    in.skip(size);
    return in.failed() ? std::span<const uint8_t>{} : program_.subspan(from, size);
  }

  const FrameEntry& entry_;
  uint64_t at_, wanted_;
  std::span<const uint8_t> program_;
  FrameRules now_, initial_;
  std::vector<FrameRules> stack_;
  bool bad_ = false, done_ = false;
};

void Machine::step(ByteCursor& in) {
  uint8_t op = in.number<uint8_t>(), low = op & 0x3f;
  switch (op >> 6) {
    case 1:
      advance(low);
      break;
    case 2:
      set(low, {Rule::Kind::offset, factored(in), {}});
      break;
    case 3:
      if (low < 17) set(low, initial_.registers[low]);
      break;
    default:
      extended(in, op);
  }
}

void Machine::extended(ByteCursor& in, uint8_t op) {
  uint64_t r;
  switch (op) {
    case 0x00:
      break;
    case 0x01: {  // set_loc: the field's own address is not known here, so only absolute ones
      uint64_t a = in.number<uint64_t>();
      if ((entry_.pointer_encoding & 0x7f) != 0)
        bad_ = true;
      else if (a > wanted_)
        done_ = true;
      else
        at_ = a;
      break;
    }
    case 0x02:
      advance(in.number<uint8_t>());
      break;
    case 0x03:
      advance(in.number<uint16_t>());
      break;
    case 0x04:
      advance(in.number<uint32_t>());
      break;
    case 0x05:
      r = in.uleb();
      set(r, {Rule::Kind::offset, factored(in), {}});
      break;
    case 0x06:
      r = in.uleb();
      if (r < 17) set(r, initial_.registers[r]);
      break;
    case 0x07:
      set(in.uleb(), {Rule::Kind::undefined, 0, {}});
      break;
    case 0x08:
      set(in.uleb(), {});
      break;
    case 0x09:
      r = in.uleb();
      set(r, {Rule::Kind::reg, static_cast<int64_t>(in.uleb()), {}});
      break;
    case 0x0a:
      if (stack_.size() < 64)
        stack_.push_back(now_);
      else
        bad_ = true;
      break;
    case 0x0b:
      if (stack_.empty()) {
        bad_ = true;
        break;
      }
      now_ = stack_.back();
      stack_.pop_back();
      break;
    case 0x0c:
      r = in.uleb();
      define(r, static_cast<int64_t>(in.uleb()));
      break;
    case 0x0d:
      now_.cfa_register = static_cast<uint32_t>(in.uleb());
      break;
    case 0x0e:
      now_.cfa_offset = static_cast<int64_t>(in.uleb());
      break;
    case 0x0f:
      now_.cfa_is_expression = true;
      now_.cfa_expression = block(in);
      break;
    case 0x10:
      r = in.uleb();
      set(r, {Rule::Kind::expression, 0, block(in)});
      break;
    case 0x11:
      r = in.uleb();
      set(r, {Rule::Kind::offset, in.sleb() * entry_.data_align, {}});
      break;
    case 0x12:
      r = in.uleb();
      define(r, in.sleb() * entry_.data_align);
      break;
    case 0x13:
      now_.cfa_offset = in.sleb() * entry_.data_align;
      break;
    case 0x14:
      r = in.uleb();
      set(r, {Rule::Kind::value_offset, factored(in), {}});
      break;
    case 0x15:
      r = in.uleb();
      set(r, {Rule::Kind::value_offset, in.sleb() * entry_.data_align, {}});
      break;
    case 0x16:
      r = in.uleb();
      set(r, {Rule::Kind::value_expression, 0, block(in)});
      break;
    case 0x2e:
      in.uleb();
      break;  // GNU_args_size
    default:
      bad_ = true;
  }
}

}  // namespace

std::optional<FrameEntry> frame_entry(const ElfView& elf, uint64_t address) {
  if (!elf.frame_index_made) make_index(elf);
  const auto& all = elf.frame_index;
  auto it = std::upper_bound(all.begin(), all.end(), address,
                             [](uint64_t a, const ElfView::FrameIndex& f) { return a < f.start; });
  if (it == all.begin()) return {};
  --it;
  if (address - it->start >= it->size) return {};
  return entry_at(elf, it->entry);
}

std::optional<FrameRules> rules_at(const FrameEntry& entry, uint64_t address) {
  return Machine(entry, address).run();
}

}  // namespace mx::recovery
