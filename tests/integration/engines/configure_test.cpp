// `mx configure` for the four engines, as an administrator calls it: shown first, done, done again,
// undone. The forms that files may have are in tests/unit/oci/configure_test.cpp; that dockerd,
// containerd and podman run with what is written, in their tests. CRI-O is no Debian package: its
// file is read as TOML.
#include <fstream>

#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

struct Engine {
  const char* name;
  const char* file;
  const char* before;   // nullptr: there is no file
  const char* restart;  // what the user is told to do
};

const Engine kEngines[] = {
    {"docker", "etc/docker/daemon.json",
     "{\n\t\"log-level\": \"warn\",\n\t\"default-runtime\":\"runc\" }", "systemctl reload docker"},
    {"docker", "etc/docker/daemon.json", nullptr, "systemctl reload docker"},
    {"containerd", "etc/containerd/config.toml",
     "# a\nversion = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  "
     "default_runtime_name='runc' # b",
     "systemctl restart containerd"},
    {"containerd", "etc/containerd/config.toml", nullptr, "systemctl restart containerd"},
    {"crio", "etc/crio/crio.conf.d/99-mx.conf", nullptr, "systemctl restart crio"},
    {"podman", "etc/containers/containers.conf.d/99-mx.conf", nullptr, "nothing to restart"},
};

class Configure : public Workshop, public ::testing::WithParamInterface<Engine> {
 protected:
  std::string call(const std::string& words) {
    return ok("$IMAGE configure " + std::string(GetParam().name) + " --root $W/node " + words);
  }
  // Names and contents of all files of the node.
  std::string node() {
    return ok(
        "mkdir -p $W/node && cd $W/node && find . -type f | sort | while read f; do echo \"$f "
        "$(sha256sum < $f)\"; done");
  }
};

TEST_P(Configure, ShownDoneOnceAndUndone) {
  const Engine& engine = GetParam();
  const std::filesystem::path file = folder_ / "node" / engine.file;
  std::filesystem::create_directories(file.parent_path());
  if (engine.before != nullptr) std::ofstream(file) << engine.before;
  const std::string before = node();
  for (const std::string options : {"", "--set-default"}) {
    EXPECT_NE(call(options + " --dry-run").find("would become:"), std::string::npos);
    EXPECT_EQ(node(), before);
    const std::string said = call(options);
    EXPECT_NE(said.find(options.empty() ? engine.restart : ""), std::string::npos) << said;
    const std::string text = ok("cat " + file.string());
    EXPECT_NE(text.find("/usr/bin/mx-runtime"), std::string::npos) << text;
    // As the engine reads it.
    ok("/usr/bin/python3 -c 'import json, sys, tomllib; t = open(sys.argv[1]).read(); "
       "json.loads(t) if sys.argv[1].endswith(\"json\") else tomllib.loads(t)' " +
       file.string());
    const std::string after = node();
    EXPECT_NE(call(options).find("nothing to change"), std::string::npos);
    EXPECT_EQ(node(), after);
    call("--undo --dry-run");
    EXPECT_EQ(node(), after);
    call("--undo");
    EXPECT_EQ(node(), before) << text;
    call("--undo");
    EXPECT_EQ(node(), before);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, Configure, ::testing::ValuesIn(kEngines), [](const auto& info) {
  return std::string(info.param.name) + (info.param.before ? "_with_a_file" : "");
});

class ConfigureOthers : public Workshop {};

TEST_F(ConfigureOthers, AFileThatIsNotMxsIsLeftAlone) {
  for (const char* engine : {"crio", "podman"}) {
    ok("echo '# mine' > $W/own.conf");
    for (const char* more : {"", " --undo"}) {
      const Outcome outcome =
          shell(std::string("$IMAGE configure ") + engine + " --config $W/own.conf" + more);
      EXPECT_EQ(outcome.status, 1);
      EXPECT_NE(outcome.errors.find("was not written by mx"), std::string::npos) << outcome.errors;
      EXPECT_EQ(ok("cat $W/own.conf"), "# mine");
    }
  }
}

TEST_F(ConfigureOthers, WrongCallsAreRefused) {
  for (const char* words : {"", "lxc", "docker --nonsense", "docker --config", "docker podman"})
    EXPECT_NE(shell(std::string("$IMAGE configure ") + words).status, 0) << words;
}

}  // namespace
}  // namespace mx::engines
