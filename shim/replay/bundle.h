// A replay bundle: the folder `replay` of a crash folder (docs/crash-report.md).
//
//   bundle.json      struct Bundle
//   checkpoint.core  memory and registers of the checkpoint before the crash
//   maps             its memory map
//   arena            parts of the arena, one behind the other: the log, the agent, the tables
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace mx::replay {

/// Bytes of the arena: where they stand there, in the order of the file.
struct ArenaPart {
  uint64_t offset, size;
};

struct LanePlace {
  uint32_t lane;
  uint64_t from, to;  ///< of the log: the checkpoint's place, and the end
};

struct OpenFile {
  int number;
  std::string path;
  uint64_t flags, offset;
};

struct MappedFile {
  std::string path, build_id;  ///< "": it has none
  uint64_t size;
};

struct CrashPlace {
  int signal = 0;
  std::string address, symbol;  ///< as in the crash line
};

struct Bundle {
  uint32_t protocol = 0;  ///< kProtocolVersion
  uint32_t process = 0;   ///< index of the pair: 0 is the first process
  int version = 0;        ///< stream::Version
  /// The root that the version was started with (--old-root, an image's), as the monitor saw it, as
  /// it saw all paths here.
  std::string tree;
  std::string program;
  std::string root, folder;  ///< its root, which it may have changed since, and working directory
  CrashPlace crash;
  uint64_t turn = 0;
  uint32_t slot = 0;                    ///< which of the version's two checkpoints it was
  uint32_t round = 0, shared_slot = 0;  ///< Sleeper::round, slot: the copy of what it shares
  std::vector<LanePlace> lanes;
  std::vector<ArenaPart> arena;
  std::vector<OpenFile> files;
  std::vector<MappedFile> modules;
  /// As in struct prctl_mm_map, from start_code to env_end.
  std::vector<uint64_t> layout;
  std::vector<uint64_t> auxiliary;  ///< the auxiliary vector
};

/// Writes or reads `folder`/bundle.json. Throw std::runtime_error.
void write_bundle(const Bundle& b, const std::string& folder);
Bundle read_bundle(const std::string& folder);

/// Hexadecimal digits; "" if the file has none or cannot be read.
std::string build_id_of(const std::string& path);

}  // namespace mx::replay
