#include "analyzer/match/globals.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace mx::analyzer {
namespace {

class DataMatcher {
 public:
  DataMatcher(const Versions& v, const Correspondence& c)
      : c_(c),
        old_(v.old_program->data()),
        new_(v.new_program->data()),
        a_(*v.old_program),
        b_(*v.new_program) {}

  std::vector<DataResult> run() {
    old_to_new_.assign(old_.size(), kNone);
    taken_.assign(new_.size(), false);
    by_vote();
    by_key(true);
    by_key(false);
    std::vector<DataResult> out;
    for (size_t o = 0; o < old_.size(); ++o)
      out.push_back(result(&old_[o], old_to_new_[o] == kNone ? nullptr : &new_[old_to_new_[o]]));
    unnamed(out);
    for (size_t n = 0; n < new_.size(); ++n)
      if (!taken_[n]) out.push_back(result(nullptr, &new_[n]));
    return out;
  }

 private:
  void take(size_t o, size_t n) {
    old_to_new_[o] = static_cast<uint32_t>(n);
    taken_[n] = true;
  }
  void by_vote();
  void by_key(bool exact);
  void unnamed(std::vector<DataResult>& out) const;
  DataResult result(const DataObject* o, const DataObject* n) const;
  DataStatus status(const DataObject& o, const DataObject& n) const;
  static std::string section(const Program& p, uint64_t address) {
    if (is_thread_local(address)) return ".tdata";  // or .tbss: the loader makes one block of both
    const Section* s = p.image().section_at(address);
    return s ? s->name : "";
  }

  const Correspondence& c_;
  const std::vector<DataObject>&old_, &new_;
  const Program &a_, &b_;
  std::vector<uint32_t> old_to_new_;
  std::vector<bool> taken_;
};

// Equal base names that code refers to at the same place: tells statics of one name apart.
void DataMatcher::by_vote() {
  std::map<uint64_t, size_t> at;
  for (size_t n = 0; n < new_.size(); ++n) at[new_[n].address] = n;
  for (size_t o = 0; o < old_.size(); ++o) {
    auto it = at.find(c_.new_data(old_[o].address));
    if (it != at.end() && !taken_[it->second] &&
        base_name(old_[o].name) == base_name(new_[it->second].name))
      take(o, it->second);
  }
}

void DataMatcher::by_key(bool exact) {
  using Key = std::tuple<std::string, std::string, std::string>;
  std::map<Key, std::pair<std::vector<size_t>, std::vector<size_t>>> groups;
  auto key = [&](const Program& p, const DataObject& d) {
    return exact ? Key{d.name, d.file, ""}
                 : Key{std::string(base_name(d.name)), "", section(p, d.address)};
  };
  for (size_t o = 0; o < old_.size(); ++o)
    if (old_to_new_[o] == kNone) groups[key(a_, old_[o])].first.push_back(o);
  for (size_t n = 0; n < new_.size(); ++n)
    if (!taken_[n]) groups[key(b_, new_[n])].second.push_back(n);
  for (auto& [k, g] : groups) {
    if (!exact && g.first.size() != g.second.size()) continue;
    for (size_t i = 0; i < std::min(g.first.size(), g.second.size()); ++i)
      take(g.first[i], g.second[i]);
  }
}

DataStatus DataMatcher::status(const DataObject& o, const DataObject& n) const {
  if (o.size != n.size) return DataStatus::resized;
  if (section(a_, o.address) != section(b_, n.address)) return DataStatus::moved_section;
  auto x = a_.image().bytes_at(o.address, o.size), y = b_.image().bytes_at(n.address, n.size);
  if (x.size() != y.size()) return DataStatus::content;
  for (size_t at = 0; at < x.size();) {
    const Relocation* r = a_.image().relocation_at(o.address + at);
    const Relocation* s = b_.image().relocation_at(n.address + at);
    if (!r != !s || (r && r->symbol != s->symbol)) return DataStatus::content;
    bool pointer = !a_.image().position_independent() && (o.address + at) % 8 == 0 &&
                   at + 8 <= x.size() && a_.image().mapped(*a_.image().u64_at(o.address + at)) &&
                   b_.image().mapped(*b_.image().u64_at(n.address + at));
    if (r || pointer) {
      at += 8;
      continue;
    }
    if (x[at] != y[at]) return DataStatus::content;
    ++at;
  }
  return DataStatus::same;
}

DataResult DataMatcher::result(const DataObject* o, const DataObject* n) const {
  DataResult r;
  const DataObject& any = o ? *o : *n;
  const Program& p = o ? a_ : b_;
  r.name = any.name;
  r.file = any.file;
  r.section = section(p, any.address);
  r.writable = !p.image().constant(any.address);
  if (o) r.old_address = o->address, r.old_size = o->size;
  if (n) r.new_address = n->address, r.new_size = n->size;
  r.status = !n ? DataStatus::removed : !o ? DataStatus::added : status(*o, *n);
  return r;
}

// Variables without a name, known only because code refers to them.
void DataMatcher::unnamed(std::vector<DataResult>& out) const {
  std::vector<std::pair<uint64_t, uint64_t>> pairs(c_.data().begin(), c_.data().end());
  std::sort(pairs.begin(), pairs.end());
  for (auto [o, n] : pairs) {
    auto known = [](const Program& p, uint64_t address) {
      return p.image().mapped(address) || is_thread_local(address);
    };
    if (a_.data_containing(o) || b_.data_containing(n) || !known(a_, o) || !known(b_, n)) continue;
    char name[32];
    std::snprintf(name, sizeof name, "data_%llx", static_cast<unsigned long long>(o));
    DataResult r;
    r.name = name;
    r.old_address = o;
    r.new_address = n;
    r.section = section(a_, o);
    r.writable = !a_.image().constant(o);
    r.by_votes = true;
    out.push_back(std::move(r));
  }
}

}  // namespace

std::vector<DataResult> match_data(const Versions& v, const Correspondence& c) {
  return DataMatcher(v, c).run();
}

}  // namespace mx::analyzer
