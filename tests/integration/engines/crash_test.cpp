// A version that crashes in a container is carried over the crash with the other version's code:
// the analysis runs in the container, where the files are.
#include <set>

#include "tests/integration/engines/support/docker.hpp"
#include "tests/integration/engines/support/faulty.hpp"

namespace mx::engines {
namespace {

class Crash : public WithFaulty<Workshop>, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    make_trees();
    add_faulty();
    setenv("ROOT", (folder_ / "rt").c_str(), 1);
    ok("$IMAGE image add app:new dir:$W/new");
    configure("runc", "[report]\nreplay-bundle = \"on\"\ncore = \"on\"\n");
  }

  void carry_over(const std::string& leader, const Json& seccomp);
  void expect_seen_again(const std::string& folder);
};

// What an engine gives a container without further rights, as podman makes it of
// containers-common's profile; older ones (docker's up to 20.10) refuse what looks into other
// processes, so this does.
Json engines_profile() {
  const Json file = Json::parse(ok("cat /usr/share/containers/seccomp.json"));
  const std::set<std::string> refused = {
      "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise"};
  Json rules = Json::array();
  for (Json rule : file["syscalls"]) {
    const bool needs_rights = rule.contains("includes") && rule["includes"].contains("caps");
    const bool elsewhere = rule.contains("includes") && rule["includes"].contains("arches") &&
                           rule["includes"]["arches"].dump().find("amd64") == std::string::npos;
    if (rule["action"] != "SCMP_ACT_ALLOW" || needs_rights || elsewhere) continue;
    Json names = Json::array();
    for (const Json& name : rule["names"])
      if (!refused.contains(name.get<std::string>())) names.push_back(name);
    Json out = {{"names", names}, {"action", "SCMP_ACT_ALLOW"}};
    if (rule.contains("args") && rule["args"].is_array()) out["args"] = rule["args"];
    rules.push_back(out);
  }
  return {{"defaultAction", "SCMP_ACT_ERRNO"},
          {"architectures", {"SCMP_ARCH_X86_64"}},
          {"syscalls", rules}};
}

void Crash::carry_over(const std::string& leader, const Json& seccomp) {
  Json config = default_config();
  if (!seccomp.is_null()) config["linux"]["seccomp"] = seccomp;
  config["process"]["args"] = {"/bin/faulty"};
  config["process"]["rlimits"][0]["soft"] = 1024;
  config["annotations"] = {{"run.mx.new", "image:app:new"}, {"run.mx.leader", leader}};
  write_config(config);
  start_container(runtime(), "m");
  expect_carried_over(2);
  expect_seen_again(
      "$W/state/*/out/" +
      ok("grep '\"crash\"' $W/state/*/out/report.jsonl | head -1 | jq -r .directory"));
  ok("$R --root $ROOT kill m KILL");
}

// On the host, from what the image holds.
void Crash::expect_seen_again(const std::string& folder) {
  ASSERT_TRUE(wait_for("[ -e " + folder + "/replay/bundle.json ] && [ -e " + folder + "/core ]"))
      << ok("ls -l " + folder + "; cat " + folder + "/*.txt");
  const std::string replayed = ok("$MX replay --root $W/new " + folder);
  EXPECT_NE(replayed.find("measure"), std::string::npos) << replayed;
  EXPECT_NE(replayed.find("the crash came again at the same place"), std::string::npos) << replayed;
  const auto other = shell("$MX replay --root $W/old " + folder + " 2>&1");
  EXPECT_EQ(other.status, 125) << other.output;
  EXPECT_NE(other.output.find("is not the file that the program had mapped"), std::string::npos);
}

TEST_P(Crash, TheOtherVersionsCodeCarriesItOver) { carry_over(GetParam(), nullptr); }

TEST_P(Crash, UnderAnEnginesProfileToo) { carry_over(GetParam(), engines_profile()); }

INSTANTIATE_TEST_SUITE_P(Leader, Crash, ::testing::Values("old", "new"),
                         [](const auto& info) { return std::string(info.param); });

// docker's own default profile and capabilities, its log driver, its cgroup.
class DockerCrash : public WithFaulty<Docker>, public ::testing::WithParamInterface<const char*> {
 protected:
  void add_programs() override { add_faulty(); }
};

TEST_P(DockerCrash, UnderDockersDefaultProfile) {
  // Its first process, so that the profile is the one that is compared below.
  ok("rm -f $W/say && mkfifo $W/say");
  start_daemon("sleep 1000 > " + (folder_ / "say").string(), folder_ / "keeper.log");
  start_daemon("bash -c 'exec $RUN -i --name box -e MX_LEADER=" + std::string(GetParam()) +
                   " app:old /bin/faulty < $W/say > $W/m.out'",
               folder_ / "m.err");
  expect_carried_over(2);
  EXPECT_EQ(ok("jq -r '.linux.seccomp.defaultAction' $W/state/*/config.json"), "SCMP_ACT_ERRNO");
  EXPECT_EQ(inspect("box", ".State.Status") + " " + inspect("box", ".RestartCount"), "running 0");
  EXPECT_EQ(ok("$DOCKER exec box cat /etc/version"),
            ok("$MX status --json $(ls $W/state) | jq -r .leader"));
  ok("$DOCKER rm -f box");
}

INSTANTIATE_TEST_SUITE_P(Leader, DockerCrash, ::testing::Values("old", "new"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace mx::engines
