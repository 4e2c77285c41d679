// Every verb and flag of runc that concerns a container: what runc alone answers, mx-runtime
// answers, once handing on and once with two versions. Output, status and what the container sees
// must be the same.
#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

class Conformance : public Workshop {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    make_trees();
    ok("$IMAGE image add app:new dir:$W/new");
    setenv("ROOT", (folder_ / "rt").c_str(), 1);
    ok("runc spec -b $W/libexec && mv $W/libexec/config.json $W/spec.json");
  }

  void write_bundle(bool two) {
    Json config = default_config();
    config["process"]["args"] = {"/bin/sh", "-c",
                                 "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"};
    config["linux"]["cgroupsPath"] = "/mx-conformance-" + folder_.filename().string();
    if (two) config["annotations"]["run.mx.new"] = "image:app:new";
    write_config(config);
  }

  // The answers to all commands, one block each. $RT is the runtime with its global flags.
  std::vector<std::string> answers(const std::string& program,
                                   const std::vector<std::string>& commands) {
    setenv("RT", (program + " --root " + (folder_ / "rt").string()).c_str(), 1);
    std::vector<std::string> out;
    for (const std::string& command : commands) {
      const Outcome outcome = shell("cd $W/bundle; " + command + " </dev/null");
      out.push_back("$ " + command + "\n" + outcome.output + "status " +
                    std::to_string(outcome.status));
    }
    shell("$RT delete --force c; $RT delete --force d");
    return out;
  }

  void expect_same(const std::vector<std::string>& commands) {
    write_bundle(false);
    const auto native = answers("runc", commands);
    const auto handed_on = answers(runtime(), commands);
    write_bundle(true);
    const auto two = answers(runtime(), commands);
    for (size_t i = 0; i < commands.size(); ++i) {
      EXPECT_EQ(native[i], handed_on[i]);
      EXPECT_EQ(native[i], two[i]);
    }
  }
};

const char* const kUp =
    "i=0; until grep -q up $W/out; do sleep 0.1; i=$((i+1)); [ $i -lt 100 ] || exit 9; done";
const char* const kStatus = "$RT state c | grep -o '\"status\": \"[a-z]*\"'";

TEST_F(Conformance, LifeOfAContainer) {
  expect_same({"$RT create --bundle $W/bundle --pid-file $W/pid --no-new-keyring c >$W/out 2>&1",
               "test -s $W/pid",
               kStatus,
               "$RT start c",
               kUp,
               kStatus,
               "$RT list -q",
               "$RT create c 2>/dev/null",
               "$RT start c 2>/dev/null",
               "$RT pause c",
               kStatus,
               "$RT resume c",
               kStatus,
               "$RT delete c 2>/dev/null",
               "$RT kill c WINCH",
               "$RT kill c NOSUCH 2>/dev/null",
               kStatus,
               "$RT ps c | head -1",
               "$RT ps --format json c >/dev/null",
               "$RT events --stats c | grep -o '\"type\":\"stats\"'",
               "$RT kill c 15",
               "until $RT state c | grep -q stopped; do sleep 0.1; done",
               kStatus,
               "$RT exec c true 2>/dev/null",
               "$RT delete c",
               "$RT state c 2>/dev/null",
               "$RT delete --force c",
               "ls $ROOT"});
}

TEST_F(Conformance, RunAndItsFlags) {
  expect_same({"$RT run --detach --pid-file $W/pid c >$W/out 2>&1", kUp, kStatus,
               "$RT kill --all c KILL", "until $RT state c | grep -q stopped; do sleep 0.1; done",
               "$RT delete c", "$RT run --detach --no-pivot --preserve-fds 0 c >$W/out 2>&1", kUp,
               "$RT delete --force c", "$RT state c 2>/dev/null"});
}

TEST_F(Conformance, ExecAndItsFlags) {
  expect_same(
      {"$RT run -d c >$W/out 2>&1", kUp, "$RT exec c cat /etc/version", "$RT exec --cwd /tmp c pwd",
       "$RT exec --env A=b --env C=d c sh -c 'echo $A $C'", "$RT exec --user 1000:1000 c id",
       "$RT exec --user 1000 --additional-gids 4 --additional-gids 7 c id",
       "$RT exec --no-new-privs c grep NoNewPrivs /proc/self/status",
       "$RT exec --cap CAP_NET_RAW c grep -E 'Cap(Eff|Prm|Bnd)' /proc/self/status",
       "$RT exec c sh -c 'exit 33'", "$RT exec c nosuch 2>/dev/null",
       "$RT exec c /etc/version 2>/dev/null",
       "$RT exec --detach --pid-file $W/epid c sleep 100 >/dev/null 2>&1", "test -s $W/epid",
       "jq '.process | .args=[\"sh\",\"-c\",\"echo from file; exit 4\"] | .terminal=false | "
       "del(.rlimits)' $W/spec.json > $W/p.json;"
       " $RT exec --process $W/p.json c",
       "exec 3<$W/spec.json; $RT exec --preserve-fds 1 c sh -c 'head -c 1 <&3'",
       "$RT exec nosuch true 2>/dev/null"});
}

TEST_F(Conformance, Update) {
  expect_same({"$RT run -d c >$W/out 2>&1", kUp, "$RT update --pids-limit 77 c",
               "cat /sys/fs/cgroup/pids/mx-conformance-*/pids.max",
               "echo '{\"pids\": {\"limit\": 78}}' > $W/r.json; $RT update --resources $W/r.json c",
               "cat /sys/fs/cgroup/pids/mx-conformance-*/pids.max", "$RT update --memory 64M c",
               "cat /sys/fs/cgroup/memory/mx-conformance-*/memory.limit_in_bytes"});
}

}  // namespace
}  // namespace mx::engines
