#include "find_sites.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "branch_targets.h"
#include "decode.h"
#include "find_entries.h"
#include "function_bounds.h"
#include "mapped_file.h"
#include "region.h"

namespace mx::sites {
namespace {

constexpr uint64_t kAlignment = 16;  // where compilers put functions
constexpr uint64_t kAddressLimit = uint64_t{1} << 32;

bool is_syscall(const uint8_t* at) { return at[0] == 0x0f && at[1] == 0x05; }

/// `left` bytes are there.
bool may_be_counter(const uint8_t* at, ptrdiff_t left) {
  return at[1] == 0x31 || (left > 2 && at[1] == 0x01 && at[2] == 0xf9);
}

/// Where the bytes of syscall, rdtsc and rdtscp stand in the code, ascending.
std::vector<uint64_t> find_candidates(const ElfImage& image) {
  std::vector<uint64_t> found;
  for (const Segment& code : image.code()) {
    const uint8_t* begin = code.bytes.data();
    const uint8_t* end = begin + code.bytes.size();
    for (const uint8_t* at = begin; at + 1 < end; ++at) {
      at = static_cast<const uint8_t*>(std::memchr(at, 0x0f, end - at - 1));
      if (!at) break;
      if (is_syscall(at) || may_be_counter(at, end - at))
        found.push_back(code.address + (at - begin));
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

/// Functions of a hostile file may overlap: what was found first counts. Ascending by offset.
void leave_out_overlaps(std::vector<Site>* sites) {
  std::ranges::stable_sort(*sites, {}, &Site::offset);
  uint64_t free_from = 0;
  std::erase_if(*sites, [&](const Site& site) {
    if (site.offset < free_from) return true;
    free_from = uint64_t{site.offset} + site.len;
    return false;
  });
}

class Finder {
 public:
  explicit Finder(const ElfImage& image)
      : image_(image), bounds_(image), targets_(image, bounds_.entries()) {}

  void run(const std::vector<uint64_t>& candidates) {
    for (auto at = candidates.begin(); at != candidates.end();) {
      const Function function = bounds_.around(*at);
      const auto end = std::lower_bound(at, candidates.end(), function.end);
      function_sites(function, {at, end});
      at = end;
    }
    for (std::vector<Site>* found : {&sites_, &counters_}) {
      leave_out_overlaps(found);
      for (Site& site : *found) {
        const Segment* code = image_.code_at(site.offset);
        site.file_offset = static_cast<uint32_t>(code->file_offset + (site.offset - code->address));
      }
    }
  }
  const std::vector<Site>& sites() const { return sites_; }
  const std::vector<Site>& counters() const { return counters_; }

 private:
  /// The sites of one function; `candidates` are the places in it where one may be. `part`: it is
  /// already a part of a gap.
  void function_sites(const Function& function, std::span<const uint64_t> candidates,
                      bool part = false) {
    if (function.has_frame && function.frame.signal_handler)
      return refuse_all(candidates, Reason::kSignalReturn, 0);
    if (!targets_.complete()) return refuse_all(candidates, Reason::kIndirectJump, 0);

    const Bytes bytes = bytes_of(function);
    std::vector<uint64_t> branches;
    const std::vector<Instruction> instructions = decoder_.decode(bytes, function.begin, &branches);
    if (instructions.empty() && function.guessed && !part) return gap_sites(function, candidates);
    if (instructions.empty()) {
      const Reason reason = function.guessed ? Reason::kNoBounds : Reason::kUndecodable;
      return refuse_all(candidates, reason, function.guessed ? kGuessedBounds : 0);
    }
    if (function.has_frame && !read_landing_pads(image_, function.frame, &branches))
      return refuse_all(candidates, Reason::kLandingPads, 0);
    for (const uint64_t target : branches) targets_.mark(target);

    RegionFinder regions(&decoder_,
                         {function, bytes, instructions, targets_, *image_.code_at(function.begin),
                          [this](uint64_t address) { return may_begin(address); }});
    for (size_t i = 0; i < instructions.size(); ++i)
      if (instructions[i].kind == Kind::kSyscall)
        sites_.push_back(regions.find(i));
      else if (instructions[i].kind == Kind::kCounter)
        add_counter(regions.find(i));
  }

  /// A gap that does not decode as a whole: takes the pieces between aligned places that something
  /// refers to, which are mostly functions.
  void gap_sites(const Function& gap, std::span<const uint64_t> candidates) {
    for (auto at = candidates.begin(); at != candidates.end();) {
      Function piece = gap;
      piece.begin = *at & ~(kAlignment - 1);
      while (piece.begin > gap.begin && !targets_.marked(piece.begin)) piece.begin -= kAlignment;
      piece.begin = std::max(piece.begin, gap.begin);
      piece.end = (*at & ~(kAlignment - 1)) + kAlignment;
      while (piece.end < gap.end && !targets_.marked(piece.end)) piece.end += kAlignment;
      piece.end = std::min(piece.end, gap.end);
      const auto end = std::lower_bound(at, candidates.end(), piece.end);
      function_sites(piece, {at, end}, true);
      at = end;
    }
  }

  /// False only if the code around `address` decodes cleanly and has no instruction there.
  bool may_begin(uint64_t address) {
    if (address < neighbour_.begin || address >= neighbour_.end) {
      neighbour_ = bounds_.around(address);
      const Bytes bytes = bytes_of(neighbour_);
      neighbour_code_.clear();
      if (bytes.size() <= neighbour_budget_) {
        neighbour_budget_ -= bytes.size();
        std::vector<uint64_t> ignored;
        neighbour_code_ = decoder_.decode(bytes, neighbour_.begin, &ignored);
      }
    }
    return neighbour_code_.empty() ||
           std::any_of(neighbour_code_.begin(), neighbour_code_.end(),
                       [&](const Instruction& i) { return i.address == address; });
  }

  Bytes bytes_of(const Function& function) const {
    const Segment& code = *image_.code_at(function.begin);
    return code.bytes.subspan(function.begin - code.address, function.end - function.begin);
  }

  void add_counter(const Site& site) {
    if (site.flags & kRewritable) counters_.push_back(site);
  }

  void refuse_all(std::span<const uint64_t> candidates, Reason reason, uint8_t flags) {
    for (const uint64_t address : candidates) {
      const Segment& code = *image_.code_at(address);
      if (!is_syscall(&code.bytes[address - code.address])) continue;
      Site site{};
      site.offset = static_cast<uint32_t>(address);
      site.len = site.size = 2;
      site.flags = flags;
      site.reason = reason;
      sites_.push_back(site);
    }
  }

  const ElfImage& image_;
  FunctionBounds bounds_;
  BranchTargets targets_;
  Decoder decoder_;
  std::vector<Site> sites_, counters_;
  Function neighbour_{};  // the last one may_begin() looked at
  std::vector<Instruction> neighbour_code_;
  size_t neighbour_budget_ = size_t{1} << 25;  // bytes: a hostile file must not keep it decoding
};

}  // namespace

Result<TableBytes> find_sites(const ElfImage& image) {
  for (const Segment& code : image.code())
    if (code.end() > kAddressLimit || code.file_offset + code.bytes.size() > kAddressLimit)
      return Error{"code above 4 GiB"};
  const std::vector<uint64_t> candidates = find_candidates(image);
  if (candidates.empty())
    return TableBytes({}, find_lock_entries(image, {}), {}, image.build_id(), code_hash(image));
  Finder finder(image);
  finder.run(candidates);
  std::vector<Site> all;
  std::ranges::merge(finder.sites(), finder.counters(), std::back_inserter(all), {}, &Site::offset,
                     &Site::offset);
  return TableBytes(finder.sites(), find_lock_entries(image, all), finder.counters(),
                    image.build_id(), code_hash(image));
}

Result<TableBytes> find_sites(Bytes elf_file) {
  const auto image = ElfImage::parse(elf_file);
  if (!image) return Error{image.error()};
  return find_sites(image.value());
}

Result<TableBytes> find_sites_file(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (!file) return Error{file.error()};
  auto table = find_sites(file.value().bytes());
  if (!table) return Error{path + ": " + table.error()};
  return table;
}

}  // namespace mx::sites
