#include "analyzer/explain/crash_report.h"

#include <elf.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "analyzer/base/hex.h"
#include "analyzer/elf/call_frames.h"
#include "analyzer/elf/debug_file.h"
#include "analyzer/explain/listing.h"
#include "analyzer/explain/source_lines.h"
#include "analyzer/mapping/cache.h"

namespace mx::analyzer {
namespace {

using Json = nlohmann::ordered_json;

const char* word(Version v) { return v == Version::old_version ? "old" : "new"; }

// A function as the module alone tells it, without a comparison.
struct Place {
  std::string function;  // empty: not known
  uint64_t start = 0, size = 0;
};

class CrashReport {
 public:
  explicit CrashReport(const CrashQuestion& q)
      : q_(q), old_side_(q.version == Version::old_version) {}

  Result<std::string> run();

 private:
  void compare();
  uint64_t to_address(uint64_t given) const;
  Place place_of(uint64_t address) const;
  Json address(size_t index);
  void changed_state(const mapping::Function& f, uint64_t address, Json& j) const;
  Json listing() const;
  std::string summary() const;

  const CrashQuestion& q_;
  bool old_side_;
  std::shared_ptr<const Image> image_, debug_, other_;
  std::unique_ptr<SourceLines> lines_;
  CallFrames frames_;
  std::shared_ptr<const mapping::MappingFile> mapping_;
  std::string why_no_mapping_;
  // Of the summary: the innermost function, and the innermost one that the update changed.
  std::string innermost_, innermost_state_, changed_, changed_state_;
};

void CrashReport::compare() {
  if (q_.other.empty()) {
    why_no_mapping_ = "the other version's file is not known";
    return;
  }
  Options o;
  o.old_path = old_side_ ? q_.module : q_.other;
  o.new_path = old_side_ ? q_.other : q_.module;
  auto m = mapping::mapping_for(o);
  if (!m) {
    why_no_mapping_ = m.error().sentence;
    return;
  }
  mapping_ = m.value().file;
  if (!q_.listing) return;
  auto image = Image::load(q_.other);
  if (image) other_ = image.value();
}

// /proc/PID/maps tells where a piece of the file lies; the segment tells which address that is.
uint64_t CrashReport::to_address(uint64_t given) const {
  if (!q_.file_offsets) return given;
  for (const Segment& s : image_->facts().segments)
    if (s.type == PT_LOAD && given >= s.offset && given - s.offset < s.file_size)
      return given - s.offset + s.address;
  return given;
}

Place CrashReport::place_of(uint64_t address) const {
  Place best;
  for (const Image* image : {image_.get(), static_cast<const Image*>(debug_.get())}) {
    if (!image) continue;
    for (const Symbol& s : image->facts().symbols) {
      bool code = s.type == STT_FUNC || s.type == STT_GNU_IFUNC;
      if (!code || s.section == SHN_UNDEF || address < s.value) continue;
      if (address - s.value >= std::max<uint64_t>(s.size, 1)) continue;
      if (best.function.empty() || s.value > best.start) best = {s.name, s.value, s.size};
    }
  }
  if (!best.function.empty()) return best;
  if (const FrameDescription* f = frames_.frame_of(address)) {
    char name[32];
    std::snprintf(name, sizeof name, "sub_%llx", static_cast<unsigned long long>(f->start));
    return {name, f->start, f->size};
  }
  return best;
}

void CrashReport::changed_state(const mapping::Function& f, uint64_t address, Json& j) const {
  static const char* kStatus[] = {"identical", "changed", "added", "removed", "moved"};
  static const char* kPossible[] = {"yes", "when-inactive", "no"};
  j["status"] = kStatus[static_cast<size_t>(f.status) % 5];
  bool same =
      f.status == mapping::FunctionStatus::identical || f.status == mapping::FunctionStatus::moved;
  j["changed"] = !same;
  if (f.status == mapping::FunctionStatus::changed) {
    auto possible = old_side_ ? f.old_to_new : f.new_to_old;
    j["transplantable"] = {{"possible", kPossible[static_cast<size_t>(possible) % 3]}};
    std::string why(mapping_->text(old_side_ ? f.why_not_old_to_new : f.why_not_new_to_old));
    if (!why.empty()) j["transplantable"]["reason"] = why;
  }
  uint64_t counterpart = old_side_ ? f.new_address : f.old_address;
  if (!counterpart) return;
  j["other"] = {{"function_address", hex(counterpart)}};
  const mapping::CallSite* s =
      old_side_ ? mapping_->site_at_old(address) : mapping_->site_at_new(address);
  if (s) j["other"]["return_address"] = hex(old_side_ ? s->new_return : s->old_return);
}

Json CrashReport::address(size_t index) {
  uint64_t address = to_address(q_.addresses[index]);
  // A return address may lie behind the last byte of its function; the call before it does not.
  bool returns = index > 0 || q_.return_addresses;
  uint64_t look_up = returns && address ? address - 1 : address;
  Json j{{"address", hex(address)}};
  const mapping::Function* f = !mapping_   ? nullptr
                               : old_side_ ? mapping_->function_at_old(look_up)
                                           : mapping_->function_at_new(look_up);
  Place place = place_of(look_up);
  if (f) {
    if (place.function.empty() || place.start != (old_side_ ? f->old_address : f->new_address))
      place.function = mapping_->text(f->name);
    place.start = old_side_ ? f->old_address : f->new_address;
  }
  std::string source = lines_->of(look_up);
  if (!place.function.empty()) {
    j["function"] = place.function;
    j["offset"] = address - place.start;
  }
  if (!source.empty()) j["source"] = source;
  std::string state;
  if (f) {
    changed_state(*f, address, j);
    state = what_happened_to(*f);
  } else if (mapping_) {
    state = "which is in no function that the analysis knows";
  }
  std::string shown =
      place.function.empty() ? hex(address) + " in " + q_.module : "`" + place.function + "`";
  shown += source.empty() ? "" : " (" + source + ")";
  j["sentence"] = std::string("The ") + word(q_.version) + " version was in " + shown +
                  (state.empty() ? "" : ", " + state) + ".";
  if (index == 0) innermost_ = shown, innermost_state_ = state;
  if (changed_.empty() && j.value("changed", false)) changed_ = shown, changed_state_ = state;
  return j;
}

Json CrashReport::listing() const {
  uint64_t address = to_address(q_.addresses[0]);
  if (q_.return_addresses && address) --address;
  CodeRange own{image_.get(), 0, 0}, other;
  const mapping::Function* f = !mapping_   ? nullptr
                               : old_side_ ? mapping_->function_at_old(address)
                                           : mapping_->function_at_new(address);
  if (f) {
    own.address = old_side_ ? f->old_address : f->new_address;
    own.size = old_side_ ? f->old_size : f->new_size;
    uint64_t start = old_side_ ? f->new_address : f->old_address;
    if (other_ && start) other = {other_.get(), start, old_side_ ? f->new_size : f->old_size};
  } else {
    Place p = place_of(address);
    own.address = p.start, own.size = p.size;
  }
  auto lines = [](const std::vector<ListedInstruction>& all) {
    Json out = Json::array();
    for (const ListedInstruction& i : all) {
      out.push_back({{"address", hex(i.address)}, {"text", i.text}});
      if (i.current) out.back()["current"] = true;
    }
    return out;
  };
  Listing l = list_around(own, address, other, q_.listing);
  return {{"own", lines(l.own)}, {"other", lines(l.other)}};
}

// What a person reads first.
std::string CrashReport::summary() const {
  std::string who = std::string("The ") + word(q_.version) + " version";
  if (innermost_.empty()) return who + ": no address was given.";
  std::string verb = q_.return_addresses ? " was in a call from " : " was in ";
  std::string text =
      who + verb + innermost_ + (innermost_state_.empty() ? "" : ", " + innermost_state_);
  if (!changed_.empty() && changed_ != innermost_)
    text += ", on the way from " + changed_ + ", " + changed_state_;
  else if (mapping_ && changed_.empty() && q_.addresses.size() > 1)
    text += "; no function on this stack was changed";
  return text + ".";
}

Result<std::string> CrashReport::run() {
  auto image = Image::load(q_.module);
  if (!image) return image.error();
  image_ = image.value();
  auto debug = load_debug_file(*image_, "");
  if (debug) debug_ = debug.value();
  frames_ = CallFrames::parse(*image_);
  lines_ = std::make_unique<SourceLines>(image_, debug_);
  compare();
  Json j{{"schema", 1}, {"version", word(q_.version)}, {"module", q_.module}};
  j["compared"] = mapping_ != nullptr;
  if (!why_no_mapping_.empty()) j["why_not_compared"] = why_no_mapping_;
  Json list = Json::array();
  for (size_t k = 0; k < q_.addresses.size(); ++k) list.push_back(address(k));
  j["sentence"] = summary();
  j["addresses"] = std::move(list);
  if (q_.listing && !q_.addresses.empty()) j["listing"] = listing();
  return j.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<std::string> crash_report(const CrashQuestion& question) {
  return CrashReport(question).run();
}

}  // namespace mx::analyzer
