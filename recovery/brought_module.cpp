#include "recovery/brought_module.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "recovery/room.h"

namespace mx::recovery {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMostImage = 64 << 20;  // what is copied
constexpr uint64_t kMostSpan = 512 << 20;  // of addresses
constexpr uint64_t kMostStubs = 1 << 20;   // bytes
constexpr uint64_t kStubAlignment = 16;
constexpr uint8_t kInt3 = 0xcc;
constexpr char kAnnexMagic[8] = {'m', 'x', 'b', 'r', 'o', 'u', 'g', 'h'};

uint64_t pages(uint64_t size) { return (size + kPage - 1) & ~(kPage - 1); }

bool kernel_error(uint64_t result) { return result > ~uint64_t{4095}; }

}  // namespace

/// Stands behind the copy; tells that it is there.
/// `object` is libgcc's (struct object, 48 bytes today).
struct BroughtModule::Annex {
  char magic[8];
  uint64_t identity;
  uint64_t object[30];
};

std::unique_ptr<BroughtModule> BroughtModule::plan(const Target& target, const AddressSpace& space,
                                                   const Module& own, const Module& other,
                                                   std::shared_ptr<const SidedMapping> mapping,
                                                   Carrier::Imports imports, Outcome& problem) {
  std::unique_ptr<BroughtModule> b(new BroughtModule);
  b->own_ = own, b->other_ = other, b->mapping_ = std::move(mapping);
  uint64_t size = other.elf->end_page() - other.elf->first_page();
  // The unwinding data is at most as long as the file's, with wider pointers.
  auto [frames, frames_end] = other.elf->call_frames();
  b->stub_room_ = b->room_for_stubs();
  uint64_t stub_frames = b->stub_room_ / kStubAlignment * kMostStubUnwinding / 4;
  uint64_t room =
      size + b->stub_room_ + pages(sizeof(Annex) + 3 * (frames_end - frames) + stub_frames + kPage);
  const bool too_large =
      other.elf->end_page_in_file() - other.elf->first_page() > kMostImage || size > kMostSpan;
  b->start_ = too_large ? 0 : find_room(space, own, room);
  if (!b->start_) {
    problem.reason = Reason::kNoRoom;
    problem.sentence =
        too_large ? own.path + " is too large to be copied" : "no free addresses near " + own.path;
    return nullptr;
  }
  b->placement_ = {own.bias, b->start_ - other.elf->first_page()};
  Carrier carrier(*b->mapping_, *own.elf, *other.elf, b->placement_, std::move(imports));
  carrier.run();
  b->carried_ = carrier.carried();
  b->plan_stubs(carrier);
  b->unwinding_ =
      make_unwinding(carrier, *b->mapping_, target, own, *other.elf, b->placement_, b->stubs_);
  if (b->unwinding_.needed && b->unwinding_.why_not.empty() && !find_register_function(space))
    b->unwinding_.why_not = "the program has no __register_frame_info";
  if (b->unwinding_.needed && !b->unwinding_.why_not.empty()) {
    problem.reason = Reason::kUnwinding;
    problem.sentence = "exceptions could not pass the new code: " + b->unwinding_.why_not;
    return nullptr;
  }
  b->image_ = carrier.take_image();  // types of exceptions were written into it
  b->left_ = carrier.left();
  b->plan_redirects();
  return b;
}

uint64_t BroughtModule::room_for_stubs() const {
  using mapping::FrameChange;
  uint64_t bytes = 0;
  auto add = [&](size_t moves) { bytes += most_stub_bytes(moves) + 2 * kStubAlignment; };
  for (const auto& f : mapping_->functions()) {
    if (!SidedMapping::changed(f)) continue;
    for (const auto& s : mapping_->sites(f)) {
      if (mapping_->change_in(s) == FrameChange::rebuild) add(mapping_->moves_in(s).size());
      if (mapping_->change_out(s) == FrameChange::rebuild) add(mapping_->moves_out(s).size());
    }
  }
  return pages(std::min(bytes, kMostStubs));
}

void BroughtModule::plan_stubs(const Carrier& carrier) {
  for (size_t i : carried_) {
    const auto& f = mapping_->functions()[i];
    if (!SidedMapping::changed(f)) continue;
    for (const auto& s : mapping_->sites(f))
      for (bool inward : {true, false}) add_stub(carrier, s, inward);
  }
}

void BroughtModule::add_stub(const Carrier& carrier, const mapping::CallSite& s, bool inward) {
  const auto& m = *mapping_;
  if ((inward ? m.change_in(s) : m.change_out(s)) != mapping::FrameChange::rebuild) return;
  uint64_t own = own_.bias + m.own_return(s), other = placement_.copy_bias + m.other_return(s);
  StubPlan plan;
  plan.from = inward ? m.own_shape(s) : m.other_shape(s);
  plan.to = inward ? m.other_shape(s) : m.own_shape(s);
  plan.moves = inward ? m.moves_in(s) : m.moves_out(s);
  plan.leads_to = inward ? other : own;
  plan.address = [&](uint64_t a) { return inward ? carrier.counterpart(a) : own_.bias + a; };
  auto code = make_stub(plan);
  uint64_t at =
      next_stub_ + kStubAlignment;  // with a byte in front, for who looks up the one before
  if (!code || at + code->size() > stub_room_) return;
  next_stub_ = (at + code->size() + kStubAlignment - 1) / kStubAlignment * kStubAlignment;
  stubs_.push_back(
      {stubs_start() + at, inward ? own : other, inward, plan.from, &s, std::move(*code)});
}

const FrameStub* BroughtModule::stub_for(const mapping::CallSite& site, bool inward) const {
  for (const FrameStub& s : stubs_)
    if (s.site == &site && s.inward == inward) return &s;
  return nullptr;
}

const FrameStub* BroughtModule::stub_at(uint64_t address) const {
  auto it = std::lower_bound(stubs_.begin(), stubs_.end(), address,
                             [](const FrameStub& s, uint64_t a) { return s.at < a; });
  return it != stubs_.end() && it->at == address ? &*it : nullptr;
}

void BroughtModule::plan_redirects() {
  const auto& m = *mapping_;
  std::set<size_t> dropped;
  for (size_t i : carried_) {
    const auto& f = m.functions()[i];
    if (!SidedMapping::changed(f) || f.kind == mapping::Kind::cold) continue;
    if (SidedMapping::parameters_differ(f)) continue;  // the process's own callers call its own
    Redirect r;
    r.function = i;
    r.at = own_.bias + m.own_address(f);
    auto code = own_.elf->bytes(m.own_address(f), sizeof r.own);
    // A very short function: the bytes up to the next one are padding.
    bool room = m.own_size(f) >= sizeof r.own;
    for (uint64_t k = std::max<uint32_t>(m.own_size(f), 1); !room && k < sizeof r.own; ++k) {
      if (m.function_at_own(m.own_address(f) + k) || code.empty() ||
          (code[k] != 0x90 && code[k] != 0xcc && code[k] != 0x0f && code[k] != 0x66 &&
           code[k] != 0x1f && code[k] != 0))
        break;
      room = k + 1 == sizeof r.own;
    }
    if (code.empty() || !room) {
      left_[i] = "it is shorter than a jump";
      dropped.insert(i);
      continue;
    }
    std::memcpy(r.own, code.data(), sizeof r.own);
    r.jump[0] = 0xe9;
    auto distance =
        static_cast<int32_t>(placement_.copy_bias + m.other_address(f) - (r.at + sizeof r.jump));
    std::memcpy(r.jump + 1, &distance, 4);
    redirects_.push_back(r);
  }
  // Others call it at its own entry, so it simply stays as it is.
  for (size_t i : dropped) carried_.erase(i);
}

bool BroughtModule::fits(const Module& own, const Module& other,
                         const SidedMapping& mapping) const {
  return own_.elf == own.elf && own_.bias == own.bias && other_.elf == other.elf &&
         mapping_.get() == &mapping;
}

uint64_t BroughtModule::annex_size() const {
  return pages(sizeof(Annex) + unwinding_.frames.size());
}

uint64_t BroughtModule::identity() const {
  uint64_t h = 0xcbf29ce484222325;
  auto mix = [&](uint64_t v) { h = (h ^ v) * 0x100000001b3; };
  for (size_t at = 0; at + 8 <= image_.size(); at += 8) {
    uint64_t v;
    std::memcpy(&v, image_.data() + at, 8);
    if (v) mix(v ^ at);
  }
  for (const FrameStub& s : stubs_) {
    mix(s.at);
    for (uint8_t b : s.code) mix(b);
  }
  mix(placement_.own_bias);
  mix(placement_.copy_bias);
  return h;
}

bool BroughtModule::present(const Target& target) const {
  Annex a{};
  return target.read(annex(), &a, sizeof a) &&
         std::memcmp(a.magic, kAnnexMagic, sizeof kAnnexMagic) == 0 && a.identity == identity_;
}

bool BroughtModule::has_room(const AddressSpace& space) const {
  uint64_t end = annex() + annex_size();
  return std::none_of(space.ranges.begin(), space.ranges.end(),
                      [&](const Range& r) { return r.start < end && r.end > start_; });
}

BroughtRange BroughtModule::range() const {
  BroughtRange r{start_, stubs_start(), placement_.copy_bias, other_.elf, other_.path};
  for (const FrameStub& s : stubs_) r.stands_for[s.at] = s.stands_for;
  return r;
}

std::string BroughtModule::map(Target& target) {
  auto call = [&](long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d) -> std::string {
    uint64_t result = 0;
    const uint64_t arguments[6] = {a, b, c, d, ~uint64_t{0}, 0};
    if (!target.system_call(number, arguments, result))
      return "a call in the process could not be made";
    if (kernel_error(result))
      return std::string("memory for the new code: ") + strerror(static_cast<int>(-result));
    if (number == SYS_mmap && result != a) return "the memory for the new code is taken";
    return "";
  };
  std::string why = call(SYS_mmap, start_, annex() + annex_size() - start_, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE);
  for (const auto& s : other_.elf->segments()) {
    if (!why.empty()) break;
    if (s.flags & PF_W) continue;
    uint64_t from = (placement_.copy_bias + s.address) & ~(kPage - 1);
    uint64_t to = pages(placement_.copy_bias + s.address + s.memory_size);
    why = call(SYS_mprotect, from, to - from, PROT_READ | (s.flags & PF_X ? PROT_EXEC : 0), 0);
  }
  if (why.empty() && stub_room_)
    why = call(SYS_mprotect, stubs_start(), stub_room_, PROT_READ | PROT_EXEC, 0);
  return why;
}

std::string BroughtModule::fill(Target& target) {
  // Runs of pages that hold something; the rest stays untouched and costs nothing.
  uint64_t at = 0;
  static constexpr std::array<uint8_t, kPage> kZeros{};
  auto empty = [&](uint64_t page) {
    return std::memcmp(image_.data() + page, kZeros.data(), kPage) == 0;
  };
  while (at < image_.size()) {
    if (empty(at)) {
      at += kPage;
      continue;
    }
    uint64_t end = at + kPage;
    while (end < image_.size() && !empty(end)) end += kPage;
    if (!target.write(start_ + at, image_.data() + at, end - at))
      return "the new code could not be written";
    at = end;
  }
  std::vector<uint8_t> stubs(next_stub_, kInt3);
  for (const FrameStub& s : stubs_)
    std::copy(s.code.begin(), s.code.end(),
              stubs.begin() + static_cast<long>(s.at - stubs_start()));
  if (!stubs.empty() && !target.write(stubs_start(), stubs.data(), stubs.size()))
    return "the stubs could not be written";
  if (!unwinding_.frames.empty() &&
      !target.write(annex() + sizeof(Annex), unwinding_.frames.data(), unwinding_.frames.size()))
    return "the unwinding data could not be written";
  return "";
}

std::string BroughtModule::write(Target& target, const AddressSpace& space) {
  std::string why = map(target);
  if (why.empty()) why = fill(target);
  if (!why.empty()) return why;
  uint64_t function = unwinding_.frames.empty() ? 0 : find_register_function(space);
  if (function &&
      !target.function_call(function, annex() + sizeof(Annex), annex() + offsetof(Annex, object)) &&
      unwinding_.needed)
    return "the unwinding data could not be made known";
  Annex a{};
  std::memcpy(a.magic, kAnnexMagic, sizeof kAnnexMagic);
  a.identity = identity_ = identity();
  return target.write(annex(), &a, offsetof(Annex, object)) ? ""
                                                            : "the new code could not be written";
}

std::string BroughtModule::put_redirects(Target& target) const {
  for (const Redirect& r : redirects_)
    if (!target.write(r.at, r.jump, sizeof r.jump)) return "an entry could not be written";
  return "";
}

std::string BroughtModule::take_redirects(Target& target) const {
  std::string why;
  for (const Redirect& r : redirects_)
    if (!target.write(r.at, r.own, sizeof r.own)) why = "an entry could not be written back";
  return why;
}

}  // namespace mx::recovery
