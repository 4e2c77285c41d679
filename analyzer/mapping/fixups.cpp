#include "analyzer/mapping/fixups.h"

#include <algorithm>

namespace mx::mapping {

namespace an = mx::analyzer;

FixupMaker::FixupMaker(const an::Analysis& a)
    : a_(a),
      old_imports_(imports_of(*a.versions.old_program)),
      new_imports_(imports_of(*a.versions.new_program)) {
  for (const an::DataResult& d : a.data) {
    if (!d.old_address || !d.new_address || d.status == an::DataStatus::resized) continue;
    data_to_new_[d.old_address] = d.new_address;
    data_to_old_[d.new_address] = d.old_address;
  }
}

FixupMaker::Imports FixupMaker::imports_of(const an::Program& p) {
  Imports out;
  for (const an::Function& f : p.functions())
    if (f.kind == an::FunctionKind::plt) out.stub.try_emplace(p.import_at(f.address), f.address);
  for (const an::Relocation& r : p.image().facts().relocations)
    if (!r.symbol.empty()) out.slot.try_emplace(r.symbol, r.address);
  return out;
}

// The same thing in the other version; 0 when it has none.
uint64_t FixupMaker::counterpart(bool old_side, const an::Meaning& m, uint64_t target) const {
  const an::Program& own = old_side ? *a_.versions.old_program : *a_.versions.new_program;
  const an::Program& other = old_side ? *a_.versions.new_program : *a_.versions.old_program;
  const Imports& there = old_side ? new_imports_ : old_imports_;
  auto find = [](const auto& map, const auto& key) {
    auto it = map.find(key);
    return it == map.end() ? uint64_t{0} : it->second;
  };
  switch (m.kind) {
    case an::MeaningKind::function: {
      uint32_t g = own.function_containing(m.address);
      if (g == an::kNone) return 0;
      const an::Match& match =
          old_side ? a_.correspondence->of_old(g) : a_.correspondence->of_new(g);
      bool start = m.address == own.functions()[g].address;
      return match.other == an::kNone || !start ? 0 : other.functions()[match.other].address;
    }
    case an::MeaningKind::import: {
      uint32_t g = own.function_containing(target);
      if (g != an::kNone) return find(there.stub, own.import_at(own.functions()[g].address));
      return find(there.slot, own.import_at(target));
    }
    case an::MeaningKind::data: {
      if (const an::DataObject* d = own.data_containing(m.address)) {
        uint64_t base = find(old_side ? data_to_new_ : data_to_old_, d->address);
        return base ? base + (m.address - d->address) : 0;
      }
      return old_side ? a_.correspondence->new_data(m.address)
                      : a_.correspondence->old_data(m.address);
    }
    default:
      return 0;
  }
}

Fixup FixupMaker::fixup(bool old_side, const an::Meaning& m, uint64_t target) const {
  Fixup f;
  f.target = target;
  f.other = counterpart(old_side, m, target);
  const an::Image& image = (old_side ? a_.versions.old_program : a_.versions.new_program)->image();
  switch (m.kind) {
    case an::MeaningKind::function:
      f.kind = FixupKind::function;
      break;
    case an::MeaningKind::import:
      f.kind = FixupKind::import;
      break;
    case an::MeaningKind::string:
    case an::MeaningKind::constant:
      f.kind = FixupKind::constant;
      break;
    case an::MeaningKind::table:
      f.kind = FixupKind::table;
      break;
    default:
      f.kind = image.constant(m.address) && !f.other ? FixupKind::constant : FixupKind::data;
  }
  if (m.through_got && m.kind != an::MeaningKind::import) f.kind = FixupKind::local_got;
  if (an::is_thread_local(target)) f.kind = FixupKind::thread;
  return f;
}

void FixupMaker::append(bool old_side, uint32_t index, std::vector<Fixup>& out) const {
  const an::Program& p = old_side ? *a_.versions.old_program : *a_.versions.new_program;
  const an::Function& f = p.functions()[index];
  size_t first = out.size();
  auto add = [&](const an::Instruction& i, const an::Meaning& m, uint64_t target, uint8_t at,
                 uint8_t size, bool absolute) {
    if (m.kind == an::MeaningKind::none || (m.kind == an::MeaningKind::inside && !absolute) ||
        size == 0)
      return;
    Fixup x = fixup(old_side, m, target);
    x.offset = i.offset + at;
    x.field_size = size;
    x.absolute = absolute;
    x.to_end = static_cast<uint8_t>(i.size - at);
    out.push_back(x);
  };
  for (const an::Instruction& i : f.code) {
    if (i.ref == an::Ref::none) continue;
    an::Meaning m = an::meaning_of(p, f, i);
    uint64_t target = i.ref == an::Ref::thread ? m.address : f.target_of(i);
    add(i, m, target, i.field_at, i.field_size, i.absolute);
  }
  for (const an::SecondRef& r : f.second_refs)
    add(f.code[r.instruction], an::meaning_of_address(p, f, r.target), r.target, r.field_at,
        r.field_size, true);
  std::sort(out.begin() + static_cast<long>(first), out.end(),
            [](const Fixup& x, const Fixup& y) { return x.offset < y.offset; });
}

}  // namespace mx::mapping
