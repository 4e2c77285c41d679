#include "recovery/stack_walk.h"

#include <sys/uio.h>

#include <cstring>

#include "analyzer/elf/byte_cursor.h"
#include "recovery/call_frames.h"

namespace mx::recovery {
namespace {

constexpr int kRbx = 3, kRbp = 6, kRsp = 7, kR12 = 12, kReturn = 16;
constexpr size_t kExpressionSteps = 1000;

/// The registers of one frame, as far as they are known.
struct RegisterSet {
  uint64_t value[17] = {};
  uint32_t known = 0;
  void set(int r, uint64_t v) { value[r] = v, known |= 1u << r; }
  bool has(uint64_t r) const { return r < 17 && (known >> r & 1); }
};

class Walker {
 public:
  Walker(pid_t pid, const AddressSpace& space, const std::vector<BroughtRange>& brought)
      : pid_(pid), space_(space), brought_(brought) {}

  std::vector<StackFrame> walk(const Registers& start, size_t most) {
    RegisterSet regs;
    const uint64_t saved[] = {start.rbx, start.rbp, start.rsp, start.r12,
                              start.r13, start.r14, start.r15, start.rip};
    const int number[] = {kRbx, kRbp, kRsp, kR12, 13, 14, 15, kReturn};
    for (size_t i = 0; i < 8; ++i) regs.set(number[i], saved[i]);
    std::vector<StackFrame> out;
    StackFrame frame;
    frame.address = start.rip;
    frame.interrupted = true;
    while (out.size() < most) {
      RegisterSet caller;
      uint64_t slot = 0;
      bool more = step(frame, regs, caller, slot);
      bool signal = signal_;
      out.push_back(frame);
      // A stack grows towards lower addresses; what does
      // not is no stack (a signal stack may lie anywhere).
      if (!more || (!signal && caller.value[kRsp] <= regs.value[kRsp])) break;
      frame = {};
      frame.address = caller.value[kReturn];
      frame.slot = slot;
      frame.interrupted = signal;
      if (frame.address == 0) break;
      regs = caller;
    }
    return out;
  }

 private:
  bool step(StackFrame& frame, const RegisterSet& regs, RegisterSet& caller, uint64_t& slot);
  bool locate(StackFrame& frame, const ElfView*& elf) const;
  bool apply(const Rule& rule, int r, uint64_t cfa, const RegisterSet& regs, RegisterSet& caller,
             uint64_t& slot);
  std::optional<uint64_t> word(uint64_t at);
  std::optional<uint64_t> evaluate(std::span<const uint8_t> code, const RegisterSet& regs,
                                   std::optional<uint64_t> first);

  pid_t pid_;
  const AddressSpace& space_;
  const std::vector<BroughtRange>& brought_;
  std::vector<uint8_t> page_;
  uint64_t page_at_ = 1;
  bool signal_ = false;
};

std::optional<uint64_t> Walker::word(uint64_t at) {
  constexpr uint64_t kPage = 4096;
  uint64_t page = at & ~(kPage - 1);
  uint64_t v;
  if (at - page > kPage - 8) {  // across two pages
    iovec local{&v, 8}, remote{reinterpret_cast<void*>(at), 8};
    if (process_vm_readv(pid_, &local, 1, &remote, 1, 0) != 8) return {};
    return v;
  }
  if (page_at_ != page) {
    page_.resize(kPage);
    page_at_ = 1;
    iovec local{page_.data(), kPage}, remote{reinterpret_cast<void*>(page), kPage};
    if (process_vm_readv(pid_, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(kPage)) return {};
    page_at_ = page;
  }
  std::memcpy(&v, page_.data() + (at - page), 8);
  return v;
}

bool Walker::locate(StackFrame& frame, const ElfView*& elf) const {
  uint64_t address = frame.address;
  for (const BroughtRange& b : brought_)
    if (auto it = b.stands_for.find(address); it != b.stands_for.end() && !frame.interrupted) {
      address = it->second;
      break;
    }
  for (const BroughtRange& b : brought_)
    if (address >= b.start && address < b.end) {
      frame.module = b.path, frame.in_module = address - b.bias, elf = b.elf.get();
      return true;
    }
  const Module* m = space_.module_at(address);
  if (!m) return false;
  frame.module = m->path, frame.in_module = address - m->bias, elf = m->elf.get();
  return true;
}

bool Walker::step(StackFrame& frame, const RegisterSet& regs, RegisterSet& caller, uint64_t& slot) {
  const ElfView* elf = nullptr;
  signal_ = false;
  if (!locate(frame, elf)) return false;
  // A return address may lie behind the function's last instruction (a call that does not return).
  uint64_t look = frame.in_module - (frame.interrupted ? 0 : 1);
  auto entry = frame_entry(*elf, look);
  if ((!entry || !entry->signal) &&
      !frame.interrupted) {  // a signal frame's restorer is looked up as it is
    auto here = frame_entry(*elf, frame.in_module);
    if (here && here->signal) entry = here, look = frame.in_module;
  }
  if (!entry) return false;
  signal_ = entry->signal;
  auto rules = rules_at(*entry, look);
  if (!rules) return false;
  uint64_t cfa;
  if (rules->cfa_is_expression) {
    auto v = evaluate(rules->cfa_expression, regs, {});
    if (!v) return false;
    cfa = *v;
  } else {
    if (!regs.has(rules->cfa_register)) return false;
    cfa = regs.value[rules->cfa_register] + static_cast<uint64_t>(rules->cfa_offset);
  }
  frame.cfa = cfa;
  caller = regs;
  caller.known &= ~(1u << kReturn);
  caller.set(kRsp, cfa);
  for (int r = 0; r < 17; ++r)
    if (!apply(rules->registers[r], r, cfa, regs, caller, slot)) return false;
  return caller.has(kReturn);
}

bool Walker::apply(const Rule& rule, int r, uint64_t cfa, const RegisterSet& regs,
                   RegisterSet& caller, uint64_t& slot) {
  auto load = [&](uint64_t at) {
    auto v = word(at);
    if (!v) return false;
    caller.set(r, *v);
    if (r == kReturn) slot = at;
    return true;
  };
  switch (rule.kind) {
    case Rule::Kind::same:
      return true;
    case Rule::Kind::undefined:
      caller.known &= ~(1u << r);
      return true;
    case Rule::Kind::offset:
      return load(cfa + static_cast<uint64_t>(rule.offset));
    case Rule::Kind::value_offset:
      caller.set(r, cfa + static_cast<uint64_t>(rule.offset));
      return true;
    case Rule::Kind::reg:
      if (regs.has(static_cast<uint64_t>(rule.offset))) caller.set(r, regs.value[rule.offset]);
      return true;
    case Rule::Kind::expression: {
      auto at = evaluate(rule.expression, regs, cfa);
      return at && load(*at);
    }
    case Rule::Kind::value_expression: {
      auto v = evaluate(rule.expression, regs, cfa);
      if (v) caller.set(r, *v);
      return v.has_value();
    }
  }
  return false;
}

/// The operations that call frame information uses: glibc's
/// signal frame, PLT stubs, gcc's realigned frames.
std::optional<uint64_t> Walker::evaluate(std::span<const uint8_t> code, const RegisterSet& regs,
                                         std::optional<uint64_t> first) {
  analyzer::ByteCursor in(code, 0);
  std::vector<uint64_t> s;
  if (first) s.push_back(*first);
  auto binary = [&](auto f) {
    if (s.size() < 2) return false;
    uint64_t b = s.back();
    s.pop_back();
    s.back() = f(s.back(), b);
    return true;
  };
  for (size_t steps = 0; !in.at_end() && steps < kExpressionSteps; ++steps) {
    uint8_t op = in.number<uint8_t>();
    bool good = true;
    if (op >= 0x30 && op <= 0x4f) {
      s.push_back(op - 0x30u);
    } else if (op >= 0x70 && op <= 0x8f) {
      int64_t offset = in.sleb();
      good = regs.has(op - 0x70u);
      s.push_back(good ? regs.value[op - 0x70] + static_cast<uint64_t>(offset) : 0);
    } else {
      switch (op) {
        case 0x06: {
          good = !s.empty();
          auto v = good ? word(s.back()) : std::nullopt;
          good = v.has_value();
          if (good) s.back() = *v;
          break;
        }
        case 0x08:
          s.push_back(in.number<uint8_t>());
          break;
        case 0x09:
          s.push_back(static_cast<uint64_t>(int64_t{in.number<int8_t>()}));
          break;
        case 0x0a:
          s.push_back(in.number<uint16_t>());
          break;
        case 0x0b:
          s.push_back(static_cast<uint64_t>(int64_t{in.number<int16_t>()}));
          break;
        case 0x10:
          s.push_back(in.uleb());
          break;
        case 0x11:
          s.push_back(static_cast<uint64_t>(in.sleb()));
          break;
        case 0x12:
          good = !s.empty();
          if (good) s.push_back(s.back());
          break;
        case 0x1a:
          good = binary([](uint64_t a, uint64_t b) { return a & b; });
          break;
        case 0x1c:
          good = binary([](uint64_t a, uint64_t b) { return a - b; });
          break;
        case 0x22:
          good = binary([](uint64_t a, uint64_t b) { return a + b; });
          break;
        case 0x23:
          good = !s.empty();
          if (good) s.back() += in.uleb();
          break;
        case 0x24:
          good = binary([](uint64_t a, uint64_t b) { return b < 64 ? a << b : 0; });
          break;
        case 0x2a:
          good = binary([](uint64_t a, uint64_t b) {
            return uint64_t{static_cast<int64_t>(a) >= static_cast<int64_t>(b)};
          });
          break;
        default:
          good = false;
      }
    }
    if (!good || in.failed()) return {};
  }
  if (s.empty()) return {};
  return s.back();
}

}  // namespace

std::vector<StackFrame> walk_stack(pid_t pid, const Registers& registers, const AddressSpace& space,
                                   const std::vector<BroughtRange>& brought, size_t most) {
  return Walker(pid, space, brought).walk(registers, most);
}

std::vector<StackFrame> walk_stack(pid_t pid, const Registers& registers, size_t most) {
  auto space = address_space(pid);
  if (!space) return {StackFrame{registers.rip, 0, 0, true, "", 0}};
  return walk_stack(pid, registers, space.value(), {}, most);
}

std::vector<uint64_t> addresses_of(const std::vector<StackFrame>& stack) {
  std::vector<uint64_t> out;
  for (const StackFrame& f : stack) out.push_back(f.address);
  return out;
}

}  // namespace mx::recovery
