// The mapping file, byte by byte. docs/mapping-format.md explains it. All numbers little-endian,
// records 8-aligned.
#pragma once

#include <cstdint>

namespace mx::mapping {

constexpr char kMagic[8] = {'M', 'X', 'M', 'A', 'P', '\r', '\n', 0};
constexpr uint32_t kVersion = 4;  // raise with every change of a record or of a meaning
// A thread-local variable's address: this plus its offset in the block of its module.
constexpr uint64_t kThreadSpace = 1ULL << 62;
constexpr bool is_thread_local(uint64_t address) { return address >> 62 == 1; }
constexpr uint32_t kNothing = 0xffffffff;

// Identifies one file: its build-id (or a hash of its bytes when it has none) and its size.
struct Identity {
  uint8_t id[40] = {};
  uint32_t id_size = 0;
  uint32_t reserved = 0;
  uint64_t file_size = 0;
  bool operator==(const Identity&) const = default;
};

struct Table {
  uint64_t offset = 0;  // from the start of the file
  uint64_t count = 0;   // records
};

struct Header {
  char magic[8] = {};
  uint32_t version = 0;
  uint32_t header_size = 0;
  uint64_t file_size = 0;
  uint64_t checksum = 0;  // of the whole file with this field 0
  Identity old_file, new_file;
  Table functions, by_new_address, call_sites, frames, data, fixups, moves, strings;
};

enum class FunctionStatus : uint8_t { identical, changed, added, removed, moved };
enum class MatchedBy : uint8_t { name, content, call_graph, order, similarity };
enum class Possible : uint8_t { yes, when_inactive, no };
enum class Kind : uint8_t { normal, cold, plt, ifunc };

// Sorted by old address; those without one (added) follow, sorted by new address.
struct Function {
  uint64_t old_address = 0, new_address = 0;  // 0: the version has it not
  uint32_t old_size = 0, new_size = 0;        // bytes
  uint32_t name = 0;                          // offset in strings
  uint32_t first_call_site = 0, call_sites = 0;
  uint32_t first_old_fixup = 0, old_fixups = 0;  // of the old code (changed, removed, cold)
  uint32_t first_new_fixup = 0, new_fixups = 0;  // of the new code (changed, added, cold)
  uint32_t why_not_old_to_new = 0, why_not_new_to_old = 0;  // offsets in strings; "" for yes
  FunctionStatus status = FunctionStatus::identical;
  MatchedBy matched_by = MatchedBy::name;
  Possible old_to_new = Possible::yes, new_to_old = Possible::yes;
  Kind kind = Kind::normal;
  uint8_t confidence = 0;         // per cent
  uint8_t damaged = 0;            // 1: some bytes are no known instructions
  uint8_t parameters_differ = 0;  // 1: callers of one version cannot call the other's code
  uint32_t reserved2 = 0;
};

// How a frame that waits at a call becomes one of the other version.
enum class FrameChange : uint8_t {
  no,
  same,     // by its return address alone
  rebuild,  // when the call returns: by moves, and as the frame records say
};

// Where a frame of one version can become a frame of the other. Sorted by old return address within
// a function.
struct CallSite {
  uint64_t old_return = 0, new_return = 0;
  uint32_t old_frame = kNothing, new_frame = kNothing;  // index in frames
  int32_t old_depth = -1,
          new_depth = -1;  // bytes from the stack pointer to the CFA; -1 not certain
  uint32_t first_move_to_new = 0, first_move_to_old = 0;  // of rebuild
  uint32_t why_not_to_new = 0, why_not_to_old = 0;        // offsets in strings; "" unless no
  uint16_t moves_to_new = 0, moves_to_old = 0;
  uint8_t confidence = 0;  // per cent
  FrameChange to_new = FrameChange::no, to_old = FrameChange::no;
  uint8_t reserved = 0;
};

enum class Place : uint8_t { frame, reg, constant, address };

// One value of a frame that is rebuilt. All moves of a call site happen at once.
struct Move {
  int64_t from = 0;   // frame: bytes from the CFA; reg: DWARF's number; constant: the value;
                      // address: of something in the version whose frame it becomes
  int32_t to = 0;     // frame or reg
  uint32_t name = 0;  // of the variable
  Place from_place = Place::frame, to_place = Place::frame;
  uint8_t size = 8;  // 1, 2, 4 or 8 bytes
  uint8_t reserved[5] = {};
};

// How the caller's registers are found. Register numbers are DWARF's (6 rbp, 7 rsp, 16 return
// address).
struct Frame {
  int32_t cfa_offset = 0;
  uint8_t cfa_register = 0;
  uint8_t expression = 0;  // 1: needs a DWARF expression; the other fields are not to be used
  uint16_t reserved = 0;
  uint32_t saved = 0;  // bit r: register r is stored at CFA + where[r]
  int32_t where[17] = {};
};

enum class DataStatus : uint8_t { same, content, resized, moved_section, added, removed };

// A variable. Sorted by old address; those without one (added) follow.
struct Data {
  uint64_t old_address = 0, new_address = 0;
  uint64_t old_size = 0, new_size = 0;  // 0 when not known
  uint32_t name = 0;
  DataStatus status = DataStatus::same;
  uint8_t writable = 0;
  uint8_t by_references = 0;  // 1: paired because code refers to it, not by name
  uint8_t reserved = 0;
};

// What an address in code means, and so how to make it fit into the other version's process.
enum class FixupKind : uint8_t {
  function,   // code: `other` is the counterpart's address
  import,     // PLT stub or GOT slot of a symbol: `other` is the other version's
  data,       // a variable: `other` is the counterpart's address
  constant,   // read-only bytes (text, numbers): may be read from a copy of this version's bytes
  table,      // a jump table: must be read from a copy; its targets lie in this code
  local_got,  // a GOT slot that holds the address of something local; `other` is what it must hold
  thread,     // the field is a distance from the thread pointer; target and other: see kThreadSpace
};

// One address field in the code of a changed, added or removed function or of a cold part. Sorted
// by offset within a function.
struct Fixup {
  uint32_t offset = 0;     // of the field, from the start of the function
  uint8_t field_size = 0;  // 1, 2, 4 or 8 bytes
  uint8_t absolute =
      0;  // 1: the field is the address; 0: the distance from the end of the instruction
  uint8_t to_end = 0;  // bytes from the field to the end of the instruction
  FixupKind kind = FixupKind::data;
  uint64_t target = 0;  // address in this version
  uint64_t other = 0;   // address in the other version; 0: it has none
};

static_assert(sizeof(Identity) == 56 && sizeof(Header) == 32 + 2 * 56 + 8 * 16);
static_assert(sizeof(Function) == 72 && sizeof(CallSite) == 56 && sizeof(Frame) == 80);
static_assert(sizeof(Data) == 40 && sizeof(Fixup) == 24 && sizeof(Move) == 24);

}  // namespace mx::mapping
