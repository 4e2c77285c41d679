// Saves what `mx replay` needs to make a crash come again (shim/replay/bundle.h): the memory of the
// checkpoint that was woken for it, from its witness, and the log from there on.
#pragma once
#include <string>
#include <vector>

#include "shim/monitor/arena.h"
#include "shim/replay/bundle.h"

namespace mx::monitor {

/// Where the checkpoint stands, and the log up to the crash; noted before it is woken.
struct ReplayOrigin {
  uint32_t process = 0;  ///< index of the pair
  stream::Version version = stream::Version::kOld;
  uint64_t turn = 0;
  uint32_t slot = 0;
  uint32_t round = 0, shared_slot = 0;  ///< of a checkpoint made with others: Sleeper::round, slot
  std::vector<replay::LanePlace> lanes;
  /// What it shares with other processes, as it was then: who is woken goes on in it.
  struct Bytes {
    uint64_t offset;  ///< in the arena's file
    std::vector<char> bytes;
  };
  std::vector<Bytes> shared;
};

/// REQUIRES: a version of the pair `process` has crashed (Process::recovery says which), and its
/// checkpoint still sleeps.
ReplayOrigin replay_origin(const Arena& arena, uint32_t process);
/// Asks the checkpoint that is about to be woken for a witness. False: another one still sleeps.
bool ask_for_witness(const Arena& arena, uint32_t process);
void end_witness(const Arena& arena, uint32_t process);
/// Fills `folder`/replay, or `folder`/replay.txt with the reason why not, and ends the witness.
/// Takes as long as it takes: in a process of its own.
void save_replay_bundle(const Arena& arena, const ReplayOrigin& origin,
                        const replay::CrashPlace& crash, const std::string& folder);

}  // namespace mx::monitor
