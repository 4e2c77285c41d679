// What somebody may try who sets annotations, builds images, or is the program that runs. See
// docs/security.md.
#include <fstream>
#include <sstream>

#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

class Security : public Workshop {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    setenv("ROOT", (folder_ / "rt").c_str(), 1);
    make_trees();
    ok("gcc -static -O1 -w -o $W/old/bin/hostile " MX_SOURCE
       "/tests/integration/engines/support/hostile.c && cp $W/old/bin/hostile $W/new/bin/");
  }

  Json two(const std::vector<std::string>& args) {
    Json config = default_config();
    config["process"]["args"] = args;
    config["process"]["noNewPrivileges"] = false;
    config["annotations"]["run.mx.new"] = "image:app:new";
    return config;
  }

  static void give(Json& config, const std::vector<std::string>& capabilities) {
    for (const char* set : {"bounding", "effective", "permitted"})
      config["process"]["capabilities"][set] = capabilities;
  }

  // Every line of the hostile program but those that are allowed to succeed.
  void expect_held(std::string output, bool may_chroot) {
    output += "\n";
    for (const std::string line : {"descriptors 0", "map_files 0", "own-in 0", "own-out 0", "end"})
      EXPECT_NE(output.find(line + "\n"), std::string::npos) << line << "\n" << output;
    EXPECT_EQ(output.find("chroot DONE") != std::string::npos, may_chroot) << output;
    if (may_chroot) {
      for (const std::string line :
           {"escaped-in 0", "escaped-out 0", "escaped-host No such file or directory"})
        EXPECT_NE(output.find(line), std::string::npos) << line << "\n" << output;
    }
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);)
      EXPECT_TRUE(line.find(" DONE") == line.npos || line == "chroot DONE") << line;
  }

  // Of a creation that must fail: the message, within five seconds of processor time and 1 GiB.
  std::string refusal() {
    const Outcome outcome = shell(
        "rm -f $W/log; ulimit -t 5 -v 1048576; cd $W/bundle && $R --log $W/log --log-format json "
        "--root $ROOT create m </dev/null");
    EXPECT_EQ(outcome.status, 1) << outcome.errors;
    EXPECT_EQ(outcome.output, "");
    EXPECT_EQ(ok("ls $W/state $W/store/containers $ROOT 2>/dev/null | grep -v : || true"), "");
    return ok("tail -1 $W/log | jq -r .msg");
  }
};

// With the capabilities that docker gives, and without any as a plain user; leading from either
// root; by exec too.
TEST_F(Security, AVersionCannotReachTheMonitor) {
  ok("$IMAGE image add app:new dir:$W/new");
  const std::vector<std::string> dockers = {
      "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
      "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
      "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
      "CAP_KILL",    "CAP_AUDIT_WRITE"};
  for (const char* leader : {"old", "new"})
    for (const bool rights : {true, false}) {
      Json config = two({"/bin/hostile"});
      config["annotations"]["run.mx.leader"] = leader;
      give(config, rights ? dockers : std::vector<std::string>{});
      if (!rights) config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
      write_config(config);
      const Outcome outcome = shell("cd $W/bundle && $R --root $ROOT run m </dev/null");
      EXPECT_EQ(outcome.status, 0) << outcome.errors;
      expect_held(outcome.output, rights);
    }
  Json config = two({"/bin/sh", "-c", "echo up; while :; do sleep 0.1; done"});
  give(config, dockers);
  write_config(config);
  start_container(runtime(), "m");
  expect_lines("m", "up", 1);
  expect_held(ok("$R --root $ROOT exec m /bin/hostile"), true);
  EXPECT_NE(ok("$MX status m").find("leader     old"), std::string::npos);  // the monitor answers
  ok("$R --root $ROOT kill m KILL");
}

// A second image whose programs are links to the host's, through the root or through pid 1's.
TEST_F(Security, AnImagesLinksEndInItsOwnRoot) {
  ok("echo host > $W/secret && rm $W/new/bin/cat");
  for (const std::string target : {"$W/secret", "/../../../../../../..$W/secret",
                                   "/proc/1/root$W/secret", "/proc/self/root/..$W/secret"}) {
    ok("ln -sf " + target +
       " $W/new/etc/link && ln -sf ../../../../..$(command -v busybox) $W/new/bin/cat; rm -rf "
       "$W/store; "
       "$IMAGE image add app:new dir:$W/new");
    Json config = two({"/bin/sh", "-c", "busybox cat /etc/link; echo end"});
    config["annotations"]["run.mx.leader"] = "new";
    write_config(config);
    const Outcome outcome = shell("cd $W/bundle && $R --root $ROOT run m </dev/null");
    EXPECT_EQ(outcome.output, "end\n") << target << outcome.errors;
  }
  // The program itself: not found in the image's own root.
  ok("ln -sf /usr/bin/env $W/new/bin/only-a-link; cp $W/old/bin/busybox $W/old/bin/only-a-link; rm "
     "-rf $W/store; $IMAGE image add app:new dir:$W/new");
  write_config(two({"/bin/only-a-link"}));
  EXPECT_NE(refusal().find("has no program /bin/only-a-link"), std::string::npos);
}

TEST_F(Security, SettingsGiveNoHostPathAndNoRights) {
  ok("$IMAGE image add app:new dir:$W/new && mkdir -p $W/vol && ln -s / $W/vol/root && ln -s ../.. "
     "$W/vol/up");
  for (const char* source :
       {"volume:/vol/root/etc", "volume:/vol/up/etc", "volume:/vol/../etc", "volume:/sys/fs",
        "volume:/proc/1/root", "volume:/dev/shm", "image:/etc", "image:../store", "dir:/etc",
        "oci:/x", "docker-daemon:app"}) {
    Json config = two({"/bin/true"});
    config["annotations"]["run.mx.new"] = source;
    add_bind(config, "/vol", folder_ / "vol", {"rbind"});
    write_config(config);
    EXPECT_NE(refusal().find("run.mx.new"), std::string::npos) << source;
  }
  // Not settings at all.
  for (const char* name :
       {"user", "capabilities", "seccomp", "mount", "upper", "libexec", "state"}) {
    Json config = two({"/bin/true"});
    config["annotations"][std::string("run.mx.") + name] = "root";
    write_config(config);
    EXPECT_NE(refusal().find(std::string("run.mx.") + name), std::string::npos);
  }
  // Variables for mx's own programs and for the loader do not act outside the container.
  Json config = two({"/bin/sh", "-c", "cat /etc/version"});
  config["process"]["env"] = {"PATH=/bin",        "LD_PRELOAD=/tmp/evil.so",
                              "MX_CONFIG=/tmp/x", "MX_STATE_DIR=/tmp",
                              "MX_ENTER={}",      "MX_FAULT=kill:1"};
  write_config(config);
  const Outcome outcome = shell("cd $W/bundle && $R --root $ROOT run m </dev/null");
  EXPECT_EQ(outcome.output, "old\n") << outcome.errors;
  EXPECT_EQ(ok("grep -c '\"failover\"' $W/store/reports/m-*/report.jsonl || true"), "0");
}

TEST_F(Security, HostileConfigurations) {
  ok("$IMAGE image add app:new dir:$W/new");
  const std::string good = two({"/bin/true"}).dump();
  const auto refused = [&](const std::string& text, const std::string& message) {
    std::ofstream(folder_ / "bundle/config.json") << text;
    const std::string said = refusal();
    EXPECT_NE(said.find(message), std::string::npos) << message << ": " << said;
  };
  refused(good + std::string(100 << 20, ' '), "larger than 16 MiB");
  refused("{\"annotations\":{\"run.mx.new\":\"image:app:new\"},\"x\":" + std::string(1 << 20, '[') +
              std::string(1 << 20, ']') + "}",
          "nested deeper than 64");
  refused("{\"annotations\":{\"run.mx.new\":\"image:app:new\"},\"annotations\":{}}",
          "\"annotations\" twice");
  refused("{\"annotations\":{\"run.mx.new\":\"image:app:new\",\"run.mx.new\":\"image:app:new\"}}",
          "twice");
  refused("{\"annotations\":{\"run.mx.new\":\"image:app:new\"}}", "process.args");
  refused("{\"annotations\":{\"run.mx.new\":\"image:app:new\"}", "not valid JSON");
  // \u0072 is r: an escaped name is the name.
  refused("{\"annotations\":{\"\\u0072un.mx.new\":\"image:nosuch\"}}", "there is no image nosuch");
  const auto wrong_type = [&](const std::string& path, const Json& value) {
    Json config = Json::parse(good);
    config[Json::json_pointer(path)] = value;
    std::string field = path.substr(path.rfind('/') + 1);
    refused(config.dump(), field);
  };
  wrong_type("/process", 5);
  wrong_type("/process/args", "sh");
  wrong_type("/process/args", Json::array());
  wrong_type("/process/env", Json{{"A", "b"}});
  wrong_type("/process/user/uid", "root");
  wrong_type("/process/user/uid", -1);
  wrong_type("/process/capabilities/bounding", "CAP_CHOWN");
  wrong_type("/process/rlimits", Json{{"type", 1}});
  wrong_type("/mounts", "none");
  wrong_type("/hooks", Json::array());
  wrong_type("/linux/seccomp", 1);
  wrong_type("/annotations", Json::array());
}

}  // namespace
}  // namespace mx::engines
