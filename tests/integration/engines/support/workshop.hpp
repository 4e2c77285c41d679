// What every engine test needs: a folder of its own, root trees, mx's configuration, a shell.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mx::engines {

using Json = nlohmann::ordered_json;

struct Outcome {
  int status = 0;
  std::string output;  // standard output
  std::string errors;
};

// Runs a shell command with MX_CONFIG set; $W is the workshop's folder.
Outcome shell(const std::string& command);
// Its standard output without the last newline; the test fails if the status is not 0.
std::string ok(const std::string& command);

// Adds a bind mount to a bundle's configuration.
void add_bind(Json& config, const std::string& destination, const std::filesystem::path& source,
              const std::vector<std::string>& options);

// Waits until `command` succeeds, at most `seconds` (the engines give no event for it).
bool wait_for(const std::string& command, int seconds = 20);

class Workshop : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Writes mx's config with this inner runtime; called by SetUp with "runc".
  void configure(const std::string& inner, const std::string& more = "");
  // Root trees $W/old and $W/new: busybox, /etc/version, different /etc/passwd, links that try to
  // lead a mount astray.
  void make_trees();
  // Adds redis-server and its libraries to both trees
  // (dynamic programs: each version its own libc).
  void add_redis();
  // Adds nginx (a master and a worker), or lighttpd, serving a page at this port.
  void add_nginx(int port);
  void add_lighttpd(int port);
  // Copies a program of the host and the libraries it needs into both trees.
  void add_program(const std::string& program);
  // The only container serves HTTP at this port. Under load the program's code is ruined in one
  // version: in its first process or, if `worker`, in the child of it that serves. No client may
  // see anything of it.
  void crash_under_load(int port, const std::string& version, bool worker);
  // The pid in the container of a version's first process, from the only report in $W/state.
  std::string pid_of(const std::string& version);
  // The pid on the host of a version's first process
  // now, as `mx status` of the only container says it.
  std::string host_pid_of(const std::string& version);
  // Waits until both versions have a checkpoint (the monitor makes them in its own time).
  bool wait_for_checkpoints();
  // An OCI bundle $W/bundle of runc spec's defaults for $W/old, changed by `change`.
  template <typename Change>
  void make_bundle(Change change) {
    Json config = default_config();
    change(config);
    write_config(config);
  }
  Json default_config();
  void write_config(const Json& config);
  // Starts the bundle in the background, with `program` as the runtime; its standard input comes
  // from $W/say, a FIFO that the test keeps open, its output goes to $W/ID.out.
  void start_container(const std::string& program, const std::string& id);
  // Waits until the container has written so many lines that match.
  void expect_lines(const std::string& id, const std::string& line, int count);
  // Of the only container.
  std::string report();
  // A daemon that runs until the test ends (SIGTERM by pid, then waited for).
  pid_t start_daemon(const std::string& command, const std::string& log);
  // The last one first.
  static void end_daemons(std::vector<pid_t>& daemons);
  // Unmounts what is mounted in $W, and removes it if `nothing` is to be left.
  static void leave(bool nothing);

  std::filesystem::path folder_;
  std::vector<pid_t> daemons_;
};

// Paths of the programs under test.
std::string runtime();
std::string image_tool();

}  // namespace mx::engines
