#include "shim/replay/bundle.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "shim/sites/elf_image.h"
#include "shim/sites/mapped_file.h"

namespace mx::replay {

using nlohmann::ordered_json;

namespace {
constexpr int kFormat = 1;
constexpr const char* kNames[] = {"old", "new"};

// Of a file that somebody else may have written: nothing is cut to fit.
template <typename T>
T number(const ordered_json& j) {
  const bool fits = j.is_number_unsigned()
                        ? std::in_range<T>(j.get<uint64_t>())
                        : j.is_number_integer() && std::in_range<T>(j.get<int64_t>());
  if (!fits) throw std::runtime_error(j.dump() + " is no number for this place");
  return j.get<T>();
}

std::vector<uint64_t> numbers(const ordered_json& list) {
  std::vector<uint64_t> out;
  for (const auto& j : list) out.push_back(number<uint64_t>(j));
  return out;
}

}  // namespace

void write_bundle(const Bundle& b, const std::string& folder) {
  ordered_json j{{"format", kFormat},
                 {"protocol", b.protocol},
                 {"process", b.process},
                 {"version", kNames[b.version & 1]},
                 {"tree", b.tree},
                 {"program", b.program},
                 {"root", b.root},
                 {"folder", b.folder},
                 {"signal", b.crash.signal},
                 {"address", b.crash.address},
                 {"symbol", b.crash.symbol},
                 {"turn", b.turn},
                 {"slot", b.slot},
                 {"round", b.round},
                 {"shared_slot", b.shared_slot},
                 {"layout", b.layout},
                 {"auxiliary", b.auxiliary}};
  for (const char* list : {"lanes", "arena", "files", "modules"}) j[list] = ordered_json::array();
  for (const LanePlace& l : b.lanes)
    j["lanes"].push_back({{"lane", l.lane}, {"from", l.from}, {"to", l.to}});
  for (const ArenaPart& p : b.arena) j["arena"].push_back({{"offset", p.offset}, {"size", p.size}});
  for (const OpenFile& f : b.files)
    j["files"].push_back(
        {{"number", f.number}, {"path", f.path}, {"flags", f.flags}, {"offset", f.offset}});
  for (const MappedFile& m : b.modules)
    j["modules"].push_back({{"path", m.path}, {"build_id", m.build_id}, {"size", m.size}});
  std::ofstream out(folder + "/bundle.json");
  out << j.dump(1, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  if (!out.flush()) throw std::runtime_error("bundle.json cannot be written");
}

Bundle read_bundle(const std::string& folder) {
  std::ifstream in(folder + "/bundle.json");
  if (!in) throw std::runtime_error("there is no replay bundle in " + folder);
  try {
    const ordered_json j = ordered_json::parse(in);
    if (j.at("format") != kFormat) throw std::runtime_error("another format");
    Bundle b;
    b.protocol = number<uint32_t>(j.at("protocol"));
    b.process = number<uint32_t>(j.at("process"));
    b.version = j.at("version") == kNames[1];
    b.tree = j.at("tree");
    b.program = j.at("program");
    b.root = j.at("root");
    b.folder = j.at("folder");
    b.crash = {number<int>(j.at("signal")), j.at("address"), j.at("symbol")};
    b.turn = number<uint64_t>(j.at("turn"));
    b.slot = number<uint32_t>(j.at("slot")) & 1;
    b.round = number<uint32_t>(j.at("round"));
    b.shared_slot = number<uint32_t>(j.at("shared_slot"));
    b.layout = numbers(j.at("layout"));
    b.auxiliary = numbers(j.at("auxiliary"));
    for (const auto& l : j.at("lanes"))
      b.lanes.push_back({number<uint32_t>(l.at("lane")), number<uint64_t>(l.at("from")),
                         number<uint64_t>(l.at("to"))});
    for (const auto& p : j.at("arena"))
      b.arena.push_back({number<uint64_t>(p.at("offset")), number<uint64_t>(p.at("size"))});
    for (const auto& f : j.at("files"))
      b.files.push_back({number<int>(f.at("number")), f.at("path"), number<uint64_t>(f.at("flags")),
                         number<uint64_t>(f.at("offset"))});
    for (const auto& m : j.at("modules"))
      b.modules.push_back({m.at("path"), m.at("build_id"), number<uint64_t>(m.at("size"))});
    return b;
  } catch (const std::exception& e) {
    throw std::runtime_error(folder + "/bundle.json: " + e.what());
  }
}

std::string build_id_of(const std::string& path) {
  const auto file = sites::MappedFile::open(path);
  if (!file) return {};
  const auto image = sites::ElfImage::parse(file.value().bytes());
  if (!image) return {};
  std::string text;
  constexpr const char* kDigits = "0123456789abcdef";
  for (const uint8_t byte : image.value().build_id()) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace mx::replay
