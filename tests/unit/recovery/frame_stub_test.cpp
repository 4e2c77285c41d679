// Runs stubs: random frames, values in random places,
// one stub between them, and then a look at every value.
#include "recovery/frame_stub.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>

namespace mx::recovery::test {

extern "C" {
struct Machine {
  uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rax, rdx;
  const void* code;
};
void mx_test_enter(Machine*);
void mx_test_landing();
}

namespace {

using mapping::Move;
using mapping::Place;

// Enters a stub as a call returns to it; the stub leads to the landing.
asm(R"(
.bss
mx_test_state: .skip 8
mx_test_stack: .skip 8
.text
mx_test_enter:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, mx_test_stack(%rip)
  mov %rdi, mx_test_state(%rip)
  mov 0(%rdi), %rbx
  mov 8(%rdi), %rbp
  mov 16(%rdi), %r12
  mov 24(%rdi), %r13
  mov 32(%rdi), %r14
  mov 40(%rdi), %r15
  mov 48(%rdi), %rsp
  mov 56(%rdi), %rax
  mov 64(%rdi), %rdx
  jmp *72(%rdi)
mx_test_landing:
  mov mx_test_state(%rip), %rcx
  mov %rbx, 0(%rcx)
  mov %rbp, 8(%rcx)
  mov %r12, 16(%rcx)
  mov %r13, 24(%rcx)
  mov %r14, 32(%rcx)
  mov %r15, 40(%rcx)
  mov %rsp, 48(%rcx)
  mov %rax, 56(%rcx)
  mov %rdx, 64(%rcx)
  mov mx_test_stack(%rip), %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
)");

constexpr int kKept[] = {3, 6, 12, 13, 14, 15};

uint64_t& reg(Machine& m, int r) {
  switch (r) {
    case 3:
      return m.rbx;
    case 6:
      return m.rbp;
    case 12:
      return m.r12;
    case 13:
      return m.r13;
    case 14:
      return m.r14;
    default:
      return m.r15;
  }
}

class FrameStubs : public ::testing::Test {
 protected:
  FrameStubs()
      : code_(static_cast<uint8_t*>(mmap(nullptr, 65536, PROT_READ | PROT_WRITE | PROT_EXEC,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~FrameStubs() override { munmap(code_, 65536); }
  size_t below(size_t n) { return random_() % n; }
  /// A frame with some registers saved, and the slots that are free for values.
  mapping::Frame frame(int32_t& depth, std::set<int32_t>& free) {
    mapping::Frame f;
    depth = 16 * static_cast<int32_t>(8 + below(8));
    bool by_rbp = below(3) == 0;
    f.cfa_register = by_rbp ? 6 : 7;
    f.cfa_offset = by_rbp ? 16 : depth;
    f.saved = 1u << 16;
    f.where[16] = -8;
    int32_t at = -16;
    for (int r : {6, 3, 12, 13, 14, 15}) {
      if (!(r == 6 && by_rbp) && below(2)) continue;
      f.saved |= 1u << r;
      f.where[r] = at;
      at -= 8;
    }
    for (free.clear(); at >= -depth; at -= 8) free.insert(at);
    return f;
  }
  static std::vector<int> holders(const mapping::Frame& f) {
    std::vector<int> out;
    for (int r : kKept)
      if (f.saved >> r & 1 && !(r == 6 && f.cfa_register == 6)) out.push_back(r);
    return out;
  }
  uint8_t* code_;
  std::mt19937 random_{20261127};
};

uint64_t cut(uint64_t v, int size) { return size == 8 ? v : v & ((uint64_t{1} << 8 * size) - 1); }

TEST_F(FrameStubs, EveryValueArrives) {
  for (int round = 0; round < 3000; ++round) {
    int32_t own_depth = 0, other_depth = 0;
    std::set<int32_t> own_free, other_free;
    mapping::Frame own = frame(own_depth, own_free), other = frame(other_depth, other_free);
    std::vector<uint64_t> stack(1024);
    for (auto& w : stack) w = random_() * uint64_t{0x9e3779b97f4a7c15};
    auto cfa = reinterpret_cast<uint64_t>(stack.data() + 900) & ~uint64_t{15};
    auto word = [&](int64_t at) {
      return reinterpret_cast<uint8_t*>(cfa + static_cast<uint64_t>(at));
    };
    auto value = [&](int64_t at, int size) {
      uint64_t v = 0;
      std::memcpy(&v, word(at), static_cast<size_t>(size));
      return v;
    };
    Machine m{};
    std::map<int, uint64_t> callers;  // what the caller had in its registers
    for (int r : kKept) {
      reg(m, r) = random_() * uint64_t{0x9e3779b97f4a7c15};
      callers[r] = own.saved >> r & 1 ? value(own.where[r], 8) : reg(m, r);
    }
    if (own.cfa_register == 6) m.rbp = cfa - static_cast<uint64_t>(own.cfa_offset);
    std::vector<Move> moves;
    std::map<std::pair<Place, int32_t>, std::pair<uint64_t, int>> wanted;
    std::vector<int32_t> from_slots(own_free.begin(), own_free.end()),
        to_slots(other_free.begin(), other_free.end());
    std::shuffle(to_slots.begin(), to_slots.end(), random_);
    auto from_registers = holders(own), to_registers = holders(other);
    std::shuffle(to_registers.begin(), to_registers.end(), random_);
    for (size_t k = below(10); k-- > 0;) {
      Move x;
      x.size = static_cast<uint8_t>(1 << below(4));
      uint64_t v = random_();
      size_t kind = below(3);
      if (kind == 0) {
        x.from_place = Place::frame, x.from = from_slots[below(from_slots.size())];
        v = value(x.from, x.size);
      } else if (kind == 1 && !from_registers.empty()) {
        x.from_place = Place::reg, x.from = from_registers[below(from_registers.size())];
        v = reg(m, static_cast<int>(x.from));
      } else {
        x.from_place = below(2) ? Place::constant : Place::address,
        x.from = static_cast<int64_t>(v);
        if (x.from_place == Place::address) v += 7;
      }
      if (below(2) && !to_registers.empty()) {
        x.to_place = Place::reg, x.to = to_registers.back();
        to_registers.pop_back();
      } else {
        x.to_place = Place::frame, x.to = to_slots.back();
        to_slots.pop_back();
      }
      wanted[{x.to_place, x.to}] = {cut(v, x.size), x.size};
      moves.push_back(x);
    }
    StubPlan plan{{&own, own_depth},
                  {&other, other_depth},
                  moves,
                  [](uint64_t a) { return a + 7; },
                  reinterpret_cast<uint64_t>(&mx_test_landing)};
    auto code = make_stub(plan);
    ASSERT_TRUE(code) << round;
    ASSERT_LE(code->size(), most_stub_bytes(moves.size()));
    std::memcpy(code_, code->data(), code->size());
    m.rsp = cfa - static_cast<uint64_t>(own_depth);
    m.rax = 1234567, m.rdx = 7654321, m.code = code_;
    uint64_t return_address = value(-8, 8), outside = value(0, 8);
    mx_test_enter(&m);
    EXPECT_EQ(m.rsp, cfa - static_cast<uint64_t>(other_depth));
    EXPECT_EQ(m.rax, 1234567u);
    EXPECT_EQ(m.rdx, 7654321u);
    EXPECT_EQ(value(-8, 8), return_address);
    EXPECT_EQ(value(0, 8), outside);
    if (other.cfa_register == 6) {
      EXPECT_EQ(m.rbp, cfa - static_cast<uint64_t>(other.cfa_offset));
    }
    for (int r : kKept)
      EXPECT_EQ(other.saved >> r & 1 ? value(other.where[r], 8) : reg(m, r), callers[r])
          << round << " r" << r;
    for (auto [to, v] : wanted) {
      uint64_t got = to.first == Place::reg ? reg(m, to.second) : value(to.second, v.second);
      EXPECT_EQ(got, v.first) << round << (to.first == Place::reg ? " register " : " frame ")
                              << to.second;
    }
    if (HasFailure()) return;
  }
}

TEST_F(FrameStubs, WhatNoFrameHasIsRefused) {
  mapping::Frame f;
  f.cfa_register = 7, f.cfa_offset = 64, f.saved = 1u << 16 | 1u << 3, f.where[16] = -8,
  f.where[3] = -16;
  auto made = [&](Move m, int32_t depth = 64) {
    std::vector<Move> moves{m};
    return make_stub({{&f, depth}, {&f, 64}, moves, [](uint64_t) { return uint64_t{0}; }, 1})
        .has_value();
  };
  Move good;
  good.from = -24, good.to = -32;
  EXPECT_TRUE(made(good));
  EXPECT_FALSE(made(good, -1));
  EXPECT_FALSE(made(good, 60));
  EXPECT_FALSE(made(good, 1 << 30));
  for (int64_t from :
       {int64_t{-72}, int64_t{-16}, int64_t{-8}, int64_t{1} << 40, INT64_MIN, INT64_MAX}) {
    Move m = good;
    m.from = from;
    EXPECT_FALSE(made(m)) << from;
  }
  for (int32_t to : {-72, -20, -8, 1 << 20, INT32_MIN, INT32_MAX}) {
    Move m = good;
    m.to = to;
    EXPECT_FALSE(made(m)) << to;
  }
  for (int64_t r : {int64_t{0}, int64_t{6}, int64_t{7}, int64_t{12}, int64_t{17}, int64_t{-1}}) {
    Move m = good;
    m.from_place = Place::reg, m.from = r;
    EXPECT_FALSE(made(m)) << r;
  }
  Move sized = good;
  sized.size = 3;
  EXPECT_FALSE(made(sized));
  Move lost = good;
  lost.from_place = Place::address;
  EXPECT_FALSE(made(lost));
  f.where[3] = -80;
  EXPECT_FALSE(made(good));
  f.where[3] = -16, f.saved |= 1u << 5;
  EXPECT_FALSE(made(good));
}

}  // namespace
}  // namespace mx::recovery::test
