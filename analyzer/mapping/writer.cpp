#include "analyzer/mapping/writer.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "analyzer/mapping/fixups.h"
#include "analyzer/mapping/identity.h"
#include "analyzer/mapping/mapping_file.h"

namespace mx::mapping {
namespace {

namespace an = mx::analyzer;

uint8_t percent(float share) {
  return static_cast<uint8_t>(std::clamp(share * 100 + 0.5f, 0.0f, 100.0f));
}

class Strings {
 public:
  uint32_t add(const std::string& text) {
    auto [it, fresh] = known_.try_emplace(text, static_cast<uint32_t>(bytes_.size()));
    if (fresh) bytes_.insert(bytes_.end(), text.c_str(), text.c_str() + text.size() + 1);
    return it->second;
  }
  const std::vector<char>& bytes() const { return bytes_; }

 private:
  std::map<std::string, uint32_t> known_{{"", 0}};
  std::vector<char> bytes_{0};
};

class Writer {
 public:
  explicit Writer(const an::Analysis& a) : a_(a), fixup_maker_(a) {}

  an::Result<std::vector<uint8_t>> run() {
    auto old_id = identity_of(a_.versions.old_program->image().path());
    auto new_id = identity_of(a_.versions.new_program->image().path());
    if (!old_id) return old_id.error();
    if (!new_id) return new_id.error();
    for (const auto* list : {&a_.functions, &a_.imports})
      for (const an::FunctionResult& r : *list) function(r);
    sort_functions();
    for (const an::DataResult& d : a_.data) data(d);
    std::stable_sort(data_.begin(), data_.end(), [](const Data& x, const Data& y) {
      return std::tuple(x.old_address == 0, x.old_address, x.new_address) <
             std::tuple(y.old_address == 0, y.old_address, y.new_address);
    });
    return assemble(old_id.value(), new_id.value());
  }

 private:
  void function(const an::FunctionResult& r);
  void call_site(const an::CallSite& s);
  void crossing(const an::Crossing& c, FrameChange& change, uint32_t& first, uint16_t& count,
                uint32_t& why_not);
  uint32_t frame(const an::Program& p, uint64_t return_address);
  void data(const an::DataResult& d);
  void sort_functions();
  std::vector<uint8_t> assemble(const Identity& old_id, const Identity& new_id) const;

  const an::Analysis& a_;
  FixupMaker fixup_maker_;
  Strings strings_;
  std::vector<Function> functions_;
  std::vector<uint32_t> by_new_;
  std::vector<CallSite> sites_;
  std::vector<Frame> frames_;
  std::map<std::vector<uint8_t>, uint32_t> frame_index_;
  std::vector<Data> data_;
  std::vector<Fixup> fixups_;
  std::vector<Move> moves_;
};

Place place_of(an::PlaceKind k) {
  switch (k) {
    case an::PlaceKind::memory:
      return Place::frame;
    case an::PlaceKind::reg:
      return Place::reg;
    case an::PlaceKind::address:
      return Place::address;
    default:
      return Place::constant;
  }
}

uint32_t Writer::frame(const an::Program& p, uint64_t return_address) {
  const an::FrameRow* row = p.frames().row_at(return_address - 1);
  if (!row) return kNothing;
  Frame f;
  f.cfa_offset = row->cfa_offset;
  f.cfa_register = row->cfa_register;
  f.expression = row->cfa_is_expression || row->has_expression_registers;
  f.saved = row->saved;
  for (size_t r = 0; r < 17; ++r)
    if (row->saved >> r & 1) f.where[r] = row->where[r];
  std::vector<uint8_t> key(sizeof f);
  std::memcpy(key.data(), &f, sizeof f);
  auto [it, fresh] = frame_index_.try_emplace(key, static_cast<uint32_t>(frames_.size()));
  if (fresh) frames_.push_back(f);
  return it->second;
}

void Writer::crossing(const an::Crossing& c, FrameChange& change, uint32_t& first, uint16_t& count,
                      uint32_t& why_not) {
  change = static_cast<FrameChange>(c.change);
  first = static_cast<uint32_t>(moves_.size());
  count = static_cast<uint16_t>(c.moves.size());
  why_not = strings_.add(c.why_not);
  for (const an::ValueMove& m : c.moves) {
    Move x;
    x.from = m.from;
    x.to = static_cast<int32_t>(m.to);
    x.name = strings_.add(m.variable);
    x.from_place = place_of(m.from_kind), x.to_place = place_of(m.to_kind);
    x.size = m.size;
    moves_.push_back(x);
  }
}

void Writer::call_site(const an::CallSite& s) {
  CallSite c;
  c.old_return = s.old_return;
  c.new_return = s.new_return;
  c.old_frame = frame(*a_.versions.old_program, s.old_return);
  c.new_frame = frame(*a_.versions.new_program, s.new_return);
  c.old_depth = s.old_depth ? static_cast<int32_t>(*s.old_depth) : -1;
  c.new_depth = s.new_depth ? static_cast<int32_t>(*s.new_depth) : -1;
  c.confidence = percent(s.confidence);
  crossing(*s.old_to_new, c.to_new, c.first_move_to_new, c.moves_to_new, c.why_not_to_new);
  crossing(*s.new_to_old, c.to_old, c.first_move_to_old, c.moves_to_old, c.why_not_to_old);
  sites_.push_back(c);
}

void Writer::function(const an::FunctionResult& r) {
  const an::Function *o = a_.old_function(r), *n = a_.new_function(r);
  Function f;
  if (o) f.old_address = o->address, f.old_size = static_cast<uint32_t>(o->size);
  if (n) f.new_address = n->address, f.new_size = static_cast<uint32_t>(n->size);
  f.name = strings_.add(a_.name_of(r));
  f.status = static_cast<FunctionStatus>(r.status);
  f.matched_by = static_cast<MatchedBy>(r.by);
  f.old_to_new = static_cast<Possible>(r.old_to_new.possible);
  f.new_to_old = static_cast<Possible>(r.new_to_old.possible);
  f.kind = static_cast<Kind>((o ? o : n)->kind);
  f.confidence = percent(r.confidence);
  f.parameters_differ = !r.parameters_differ.empty();
  f.damaged = (o && o->damaged) || (n && n->damaged);
  f.why_not_old_to_new = strings_.add(r.old_to_new.reasons.empty() ? "" : r.old_to_new.reasons[0]);
  f.why_not_new_to_old = strings_.add(r.new_to_old.reasons.empty() ? "" : r.new_to_old.reasons[0]);
  f.first_call_site = static_cast<uint32_t>(sites_.size());
  f.call_sites = static_cast<uint32_t>(r.call_sites.size());
  for (const an::CallSite& s : r.call_sites) call_site(s);
  std::sort(sites_.begin() + f.first_call_site, sites_.end(),
            [](const CallSite& x, const CallSite& y) { return x.old_return < y.old_return; });
  // A cold part goes with its function, so it has fixups even when nothing in it changed.
  bool same =
      (r.status == an::FunctionStatus::identical || r.status == an::FunctionStatus::moved) &&
      (o ? o : n)->kind != an::FunctionKind::cold;
  f.first_old_fixup = static_cast<uint32_t>(fixups_.size());
  if (o && !same) fixup_maker_.append(true, r.old_index, fixups_);
  f.old_fixups = static_cast<uint32_t>(fixups_.size()) - f.first_old_fixup;
  f.first_new_fixup = static_cast<uint32_t>(fixups_.size());
  if (n && !same) fixup_maker_.append(false, r.new_index, fixups_);
  f.new_fixups = static_cast<uint32_t>(fixups_.size()) - f.first_new_fixup;
  functions_.push_back(f);
}

void Writer::sort_functions() {
  std::stable_sort(functions_.begin(), functions_.end(), [](const Function& x, const Function& y) {
    return std::tuple(x.old_address == 0, x.old_address, x.new_address) <
           std::tuple(y.old_address == 0, y.old_address, y.new_address);
  });
  by_new_.resize(functions_.size());
  std::iota(by_new_.begin(), by_new_.end(), 0u);
  std::erase_if(by_new_, [&](uint32_t i) { return functions_[i].new_address == 0; });
  std::stable_sort(by_new_.begin(), by_new_.end(), [&](uint32_t x, uint32_t y) {
    return functions_[x].new_address < functions_[y].new_address;
  });
}

void Writer::data(const an::DataResult& d) {
  Data r;
  r.old_address = d.old_address;
  r.new_address = d.new_address;
  r.old_size = d.old_size;
  r.new_size = d.new_size;
  r.name = strings_.add(d.name);
  r.status = static_cast<DataStatus>(d.status);
  r.writable = d.writable;
  r.by_references = d.by_votes;
  data_.push_back(r);
}

std::vector<uint8_t> Writer::assemble(const Identity& old_id, const Identity& new_id) const {
  Header h;
  std::memcpy(h.magic, kMagic, sizeof kMagic);
  h.version = kVersion;
  h.header_size = sizeof h;
  h.old_file = old_id;
  h.new_file = new_id;
  std::vector<uint8_t> out(sizeof h);
  auto table = [&](Table& t, const auto& records) {
    out.resize((out.size() + 7) & ~size_t{7});
    t = {out.size(), records.size()};
    auto* bytes = reinterpret_cast<const uint8_t*>(records.data());
    out.insert(out.end(), bytes, bytes + records.size() * sizeof records[0]);
  };
  table(h.functions, functions_);
  table(h.by_new_address, by_new_);
  table(h.call_sites, sites_);
  table(h.frames, frames_);
  table(h.data, data_);
  table(h.fixups, fixups_);
  table(h.moves, moves_);
  table(h.strings, strings_.bytes());
  h.file_size = out.size();
  std::memcpy(out.data(), &h, sizeof h);
  h.checksum = checksum_of(out);
  std::memcpy(out.data(), &h, sizeof h);
  return out;
}

}  // namespace

an::Result<std::vector<uint8_t>> write_mapping(const an::Analysis& analysis) {
  return Writer(analysis).run();
}

}  // namespace mx::mapping
