// What `mx run` or a container's settings asked for.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "oci/start/identity.hpp"
#include "shim/stream/arena.h"

namespace mx::monitor {

struct Options {
  std::string program[2];  ///< by stream::Version
  std::string root[2];
  std::vector<std::string> args;
  std::string argv0;  ///< what both versions get as argv[0]; empty: the leader's program
  stream::Version leader = stream::Version::kOld;
  bool full_lockstep = false;
  bool serial_threads = false;
  bool recovery = true;
  double hang_timeout_s = 10;
  std::string rules, report;
  std::string crash_dir;       ///< a folder for each crash goes here; empty: in the state folder
  bool replay_bundle = false;  ///< crash folders hold what `mx replay` needs
  bool core = false;           ///< … and a core file
  std::string id;              ///< of this run's state folder; empty: a fresh one
  /// Where control.sock and crash/ go. Empty: the monitor
  /// makes a state folder of its own (shim/operator).
  std::string state_folder;
  /// A container: this process is its first one, and each version starts as its identity says.
  bool container = false;
  const start::Launch* identity[2] = {nullptr, nullptr};
  uint64_t address_space = 0;      ///< what their RLIMIT_AS has been raised by
  int host_tables = -1;            ///< folder of site tables from the host, opened
  bool terminal = false;           ///< standard input is the container's terminal
  std::vector<std::string> notes;  ///< sentences for the report
};

}  // namespace mx::monitor
