// The result of comparing two versions, and the call that makes it. Start here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/base/result.h"
#include "analyzer/dwarf/debug_info.h"
#include "analyzer/dwarf/frame_variables.h"
#include "analyzer/match/correspondence.h"

namespace mx::analyzer {

enum class FunctionStatus : uint8_t {
  identical,  // equal after taking addresses out
  changed,
  added,    // only the new version has it
  removed,  // only the old version has it
  moved,    // equal, under another name
};

enum class FrameChange : uint8_t {
  no,
  same,     // every value is where the other version looks for it
  rebuild,  // some lie elsewhere, and it is known where
};

// One value of a frame on its way to where the other version keeps it.
struct ValueMove {
  PlaceKind from_kind = PlaceKind::memory, to_kind = PlaceKind::memory;
  int64_t from = 0, to = 0;  // memory: bytes from the CFA; reg: DWARF's number; constant: the value
  uint8_t size = 8;          // 1, 2, 4 or 8 bytes
  std::string variable;
};

// How a frame that waits in a call becomes one of the other version.
struct Crossing {
  FrameChange change = FrameChange::no;
  std::vector<ValueMove> moves;  // of rebuild; all of them at once
  std::string why_not;           // of no: one phrase
};

// A call that both versions make at the same place of a function: where a stack frame can change
// over.
struct CallSite {
  uint64_t old_return = 0, new_return = 0;  // return addresses
  float confidence = 0;
  bool frame_known = false;  // call frame information covers both
  bool frame_same = false;   // same rule, saved registers, depth
  std::optional<uint32_t> old_depth,
      new_depth;        // bytes from the stack pointer to the CFA, where it is certain
  std::string why_not;  // when !frame_same: one phrase
  std::shared_ptr<const Crossing> old_to_new, new_to_old;  // never null; the same for many sites
};

enum class Possible : uint8_t { yes, when_inactive, no };

// Can the frames and data of one version go on with the other version's code?
struct Verdict {
  Possible possible = Possible::yes;
  std::vector<std::string> reasons;  // why not, or why only while no frame is active; empty for yes
};

struct FunctionResult {
  uint32_t old_index = kNone, new_index = kNone;  // in Program::functions()
  FunctionStatus status = FunctionStatus::identical;
  MatchedBy by = MatchedBy::name;
  float confidence = 1;
  uint32_t steps_old = 0, steps_new = 0, steps_common = 0;  // instructions without padding
  std::vector<CallSite> call_sites;
  uint32_t old_sites = 0,
           new_sites = 0;          // calls in each version; call_sites.size() of them are paired
  Verdict old_to_new, new_to_old;  // of changed functions
  std::string parameters_differ;   // "": they do not, or nobody knows; else one phrase
  std::vector<std::string> changed_types;  // types this function uses that have another layout
};

enum class DataStatus : uint8_t { same, content, resized, moved_section, added, removed };

struct DataResult {
  std::string name, file;
  uint64_t old_address = 0, new_address = 0, old_size = 0, new_size = 0;
  std::string section;
  DataStatus status = DataStatus::same;
  bool writable = false;
  bool by_votes = false;  // paired by the code that refers to it, not by name
};

struct CallEdge {
  std::string from, to;
  bool operator<(const CallEdge& o) const { return std::tie(from, to) < std::tie(o.from, o.to); }
  bool operator==(const CallEdge& o) const = default;
};

struct Counts {
  size_t identical = 0, changed = 0, added = 0, removed = 0, moved = 0;
};

struct Analysis {
  Versions versions;
  std::shared_ptr<const Correspondence> correspondence;
  std::shared_ptr<const DebugInfo> old_debug, new_debug;  // null: no DWARF
  std::vector<FunctionResult>
      functions;  // real functions and cold parts; sorted: old address, then added ones
  std::vector<FunctionResult> imports;  // PLT stubs
  std::vector<DataResult> data;
  std::vector<TypeChange> types;
  std::vector<CallEdge> added_edges, removed_edges;
  Counts counts;  // of `functions` without cold parts
  double seconds = 0;

  const Function* old_function(const FunctionResult& r) const;
  const Function* new_function(const FunctionResult& r) const;
  // The name to show: the new one, unless only the old one is real.
  std::string name_of(const FunctionResult& r) const;
};

struct Options {
  std::string old_path, new_path;
  std::string old_debug, new_debug;  // separate debug files; empty: searched
  bool use_dwarf = true;
};

// Compares two programs. Both files are only read. Errors: one sentence each.
Result<std::shared_ptr<const Analysis>> analyze(const Options& options);

const char* to_string(FunctionStatus s);
const char* to_string(MatchedBy m);
const char* to_string(Possible p);
const char* to_string(FrameChange c);
const char* to_string(DataStatus s);

}  // namespace mx::analyzer
