#include "analyzer/elf/call_frames.h"

#include <algorithm>
#include <map>
#include <memory>

#include "analyzer/elf/encoded_pointer.h"

namespace mx::analyzer {
namespace {

constexpr size_t kMostRows = 100'000;
constexpr int kReturnAddressColumn = 16;

// Common Information Entry: what the descriptions that point to it share.
struct Common {
  uint64_t code_factor = 1;
  int64_t data_factor = -8;
  uint8_t pointer_encoding = 0, lsda_encoding = kNoPointer;
  bool has_augmentation = false;
  bool signal_frame = false;
  ByteCursor program{{}, 0};
};

std::optional<Common> parse_common(ByteCursor in) {
  Common c;
  uint8_t version = in.number<uint8_t>();
  const char* augmentation = in.text();
  if (!augmentation || (version != 1 && version != 3)) return {};
  c.code_factor = in.uleb();
  c.data_factor = in.sleb();
  if (version == 1)
    in.number<uint8_t>();
  else
    in.uleb();
  if (augmentation[0] == 'z') {
    c.has_augmentation = true;
    ByteCursor data = in.take(in.uleb());
    for (const char* p = augmentation + 1; *p; ++p) {
      if (*p == 'R')
        c.pointer_encoding = data.number<uint8_t>();
      else if (*p == 'S')
        c.signal_frame = true;
      else if (*p == 'L')
        c.lsda_encoding = data.number<uint8_t>();
      else if (*p == 'P')
        encoded_pointer(data, data.number<uint8_t>() & 0x7f);
      else
        break;
    }
  } else if (augmentation[0]) {
    return {};
  }
  if (in.failed()) return {};
  c.program = in;
  return c;
}

// Runs call frame instructions and collects one row per address.
class Machine {
 public:
  struct Row {
    uint64_t address = 0;  // first one where `rule` holds
    FrameRow rule;
  };
  Machine(const Common& common, uint64_t start) : common_(common), address_(start) {}

  void set_initial() { initial_ = row_; }
  bool run(ByteCursor in) {
    while (!in.at_end() && !bad_) step(in);
    return !bad_ && !in.failed();
  }
  std::vector<Row> finish() {
    rows_.push_back({address_, row_});
    return std::move(rows_);
  }

 private:
  void step(ByteCursor& in);
  void extended(ByteCursor& in, uint8_t op);
  void advance(uint64_t delta) {
    if (rows_.size() >= kMostRows) {
      bad_ = true;
      return;
    }
    if (delta == 0) return;
    rows_.push_back({address_, row_});
    address_ += delta * common_.code_factor;
  }
  void save(uint64_t reg, int64_t offset) {
    if (reg >= row_.where.size()) return;
    if (offset < INT16_MIN ||
        offset > INT16_MAX) {  // no compiler saves a register that far from the CFA
      bad_ = true;
      return;
    }
    row_.saved |= 1u << reg;
    row_.where[reg] = static_cast<int16_t>(offset);
  }
  void forget(uint64_t reg) {
    if (reg < row_.where.size()) row_.saved &= ~(1u << reg);
  }
  void restore(uint64_t reg) {
    if (reg >= row_.where.size()) return;
    if (initial_.saved >> reg & 1)
      save(reg, initial_.where[reg]);
    else
      forget(reg);
  }
  void define(uint64_t reg, int64_t offset) {
    row_.cfa_is_expression = false;
    row_.cfa_register = static_cast<uint8_t>(reg);
    row_.cfa_offset = static_cast<int32_t>(offset);
  }

  const Common& common_;
  uint64_t address_;
  FrameRow row_, initial_;
  std::vector<Row> rows_;
  std::vector<FrameRow> stack_;
  bool bad_ = false;
};

void Machine::step(ByteCursor& in) {
  uint8_t op = in.number<uint8_t>(), low = op & 0x3f;
  switch (op >> 6) {
    case 1:
      advance(low);
      break;
    case 2:
      save(low, static_cast<int64_t>(in.uleb()) * common_.data_factor);
      break;
    case 3:
      restore(low);
      break;
    default:
      extended(in, op);
  }
}

void Machine::extended(ByteCursor& in, uint8_t op) {
  switch (op) {
    case 0x00:
      break;    // nop
    case 0x01:  // set_loc
      if (auto a = encoded_pointer(in, common_.pointer_encoding); a && *a > address_) {
        rows_.push_back({address_, row_});
        address_ = *a;
      } else
        bad_ = true;
      break;
    case 0x02:
      advance(in.number<uint8_t>());
      break;
    case 0x03:
      advance(in.number<uint16_t>());
      break;
    case 0x04:
      advance(in.number<uint32_t>());
      break;
    case 0x05: {
      uint64_t r = in.uleb();
      save(r, static_cast<int64_t>(in.uleb()) * common_.data_factor);
      break;
    }
    case 0x06:
      restore(in.uleb());
      break;
    case 0x07:
    case 0x08:
      forget(in.uleb());
      break;  // undefined, same_value
    case 0x09:
      forget(in.uleb());
      in.uleb();
      break;  // register
    case 0x0a:
      if (stack_.size() < 64)
        stack_.push_back(row_);
      else
        bad_ = true;
      break;
    case 0x0b:
      if (stack_.empty()) {
        bad_ = true;
        break;
      }
      {
        row_ = stack_.back();
        stack_.pop_back();
      }
      break;
    case 0x0c: {
      uint64_t r = in.uleb();
      define(r, static_cast<int64_t>(in.uleb()));
      break;
    }
    case 0x0d:
      row_.cfa_register = static_cast<uint8_t>(in.uleb());
      break;
    case 0x0e:
      row_.cfa_offset = static_cast<int32_t>(in.uleb());
      break;
    case 0x0f:
      row_.cfa_is_expression = true;
      in.skip(in.uleb());
      break;
    case 0x10:
    case 0x16:  // expression, val_expression
      forget(in.uleb());
      in.skip(in.uleb());
      row_.has_expression_registers = true;
      break;
    case 0x11: {
      uint64_t r = in.uleb();
      save(r, in.sleb() * common_.data_factor);
      break;
    }
    case 0x12: {
      uint64_t r = in.uleb();
      define(r, in.sleb() * common_.data_factor);
      break;
    }
    case 0x13:
      row_.cfa_offset = static_cast<int32_t>(in.sleb() * common_.data_factor);
      break;
    case 0x14:
    case 0x15:
      forget(in.uleb());
      in.sleb();
      break;  // val_offset
    case 0x2e:
      in.uleb();
      break;  // GNU_args_size
    default:
      bad_ = true;
  }
}

}  // namespace

bool same_layout(const FrameRow& a, const FrameRow& b) {
  if (a.cfa_is_expression || b.cfa_is_expression) return false;
  if (a.has_expression_registers || b.has_expression_registers) return false;
  if (a.cfa_register != b.cfa_register || a.cfa_offset != b.cfa_offset || a.saved != b.saved)
    return false;
  for (size_t r = 0; r < a.where.size(); ++r)
    if ((a.saved >> r & 1) && a.where[r] != b.where[r]) return false;
  return true;
}

CallFrames CallFrames::parse(const Image& image) {
  CallFrames result;
  const Section* section = image.section(".eh_frame");
  if (!section) return result;
  ByteCursor in(image.bytes_at(section->address, section->size), section->address);
  std::map<uint64_t, std::optional<Common>> commons;
  KnownRules known;
  while (!in.at_end()) {
    uint64_t entry = in.address();
    uint64_t length = in.number<uint32_t>();
    if (length == 0) break;
    if (length == 0xffffffff) length = in.number<uint64_t>();
    ByteCursor body = in.take(length);
    if (in.failed()) break;
    uint64_t id_address = body.address();
    uint32_t id = body.number<uint32_t>();
    if (id == 0) {
      commons[entry] = parse_common(body);
      continue;
    }
    auto common = commons.find(id_address - id);
    if (common == commons.end() || !common->second) {
      ++result.damaged_;
      continue;
    }
    const Common& c = *common->second;
    auto start = encoded_pointer(body, c.pointer_encoding);
    auto size = encoded_pointer(body, c.pointer_encoding & 0x0f);
    bool handles = false;
    if (c.has_augmentation) {
      ByteCursor data = body.take(body.uleb());
      // Not resolved: 0 in the field itself means that there is none.
      if (c.lsda_encoding != kNoPointer)
        handles = encoded_pointer(data, c.lsda_encoding & 0x0f).value_or(1) != 0;
    }
    if (!start || !size || body.failed() || *size == 0 || *start + *size < *start) {
      ++result.damaged_;
      continue;
    }
    Machine machine(c, *start);
    bool good = machine.run(c.program);
    machine.set_initial();
    good = machine.run(body) && good;
    if (!good || !image.executable(*start)) {
      ++result.damaged_;
      continue;
    }
    auto first = static_cast<uint32_t>(result.rows_.size());
    for (const auto& row : machine.finish()) result.add_row(row.address - *start, row.rule, known);
    auto count = static_cast<uint32_t>(result.rows_.size()) - first;
    result.frames_.push_back({*start, *size, c.signal_frame, handles, first, count});
  }
  result.rows_.shrink_to_fit();
  auto& frames = result.frames_;
  std::stable_sort(frames.begin(), frames.end(),
                   [](const auto& a, const auto& b) { return a.start < b.start; });
  for (size_t i = 0; i + 1 < frames.size(); ++i)
    frames[i].size = std::min(frames[i].size, frames[i + 1].start - frames[i].start);
  std::erase_if(frames, [](const FrameDescription& f) { return f.size == 0; });
  return result;
}

const FrameDescription* CallFrames::frame_of(uint64_t address) const {
  auto it = std::upper_bound(frames_.begin(), frames_.end(), address,
                             [](uint64_t a, const FrameDescription& f) { return a < f.start; });
  if (it == frames_.begin()) return nullptr;
  --it;
  return address - it->start < it->size ? &*it : nullptr;
}

const FrameRow* CallFrames::row_at(uint64_t address) const {
  const FrameDescription* f = frame_of(address);
  if (!f) return nullptr;
  auto first = rows_.begin() + f->first_row, last = first + f->rows;
  auto it = std::upper_bound(first, last, address - f->start,
                             [](uint64_t a, const Row& r) { return a < r.offset; });
  return it == first ? nullptr : &rules_[std::prev(it)->rule];
}

// What lies further away than 4 GiB lies behind every function.
void CallFrames::add_row(uint64_t offset, const FrameRow& rule, KnownRules& known) {
  if (offset > UINT32_MAX) return;
  auto [it, fresh] = known.try_emplace(rule, static_cast<uint32_t>(rules_.size()));
  if (fresh) rules_.push_back(rule);
  rows_.push_back({static_cast<uint32_t>(offset), it->second});
}

}  // namespace mx::analyzer
