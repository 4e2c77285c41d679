// mx-runtime called as an engine calls it, with runc and with crun inside. Every comparison is with
// the inner runtime alone on the same bundle: native first, then under mx.
#include "oci/base/files.hpp"
#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

class Runtime : public Workshop, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    // crun 1.8 refuses a hybrid cgroup tree: it sees a tree without the unified part.
    ok("mkdir $W/tools && printf '%s\\n' '#!/bin/sh' 'exec unshare -m sh -c \"umount "
       "/sys/fs/cgroup/unified "
       "2>/dev/null; exec /usr/bin/crun \\\"\\$@\\\"\" crun \"$@\"' > $W/tools/crun && chmod +x "
       "$W/tools/crun");
    const std::string inner = std::string(GetParam()) == "crun" ? (folder_ / "tools/crun").string()
                                                                : ok("command -v runc");
    setenv("INNER", inner.c_str(), 1);
    setenv("ROOT", (folder_ / "rt").c_str(), 1);
    setenv("FLAGS", "", 1);
    configure(inner);
    make_trees();
  }

  Json config_for(const std::vector<std::string>& args, bool two) {
    Json config = default_config();
    config["process"]["args"] = args;
    if (two) config["annotations"]["run.mx.new"] = "image:app:new";
    return config;
  }

  void add_image() { ok("$IMAGE image add app:new dir:$W/new"); }

  // Output of the container's command, without mx and then as one of two versions.
  void expect_same(
      const std::vector<std::string>& args, const std::function<void(Json&)>& change = [](Json&) {},
      int status = 0) {
    Json alone = config_for(args, false);
    change(alone);
    write_config(alone);
    const Outcome native = shell("cd $W/bundle && $INNER $FLAGS --root $ROOT run n </dev/null");
    Json two = config_for(args, true);
    change(two);
    write_config(two);
    const Outcome mx = shell("cd $W/bundle && $R $FLAGS --root $ROOT run m </dev/null");
    EXPECT_EQ(native.output, mx.output) << mx.errors;
    EXPECT_EQ(native.status, mx.status) << mx.errors;
    // A native run that fails would make the comparison empty.
    EXPECT_EQ(native.status, status) << native.errors;
  }
};

TEST_P(Runtime, VersionFeaturesAndHelpAreTheInnerOnes) {
  for (const char* words : {"--version", "features", "--help", "list", "nonsense", "state nosuch",
                            "delete nosuch", "delete --force nosuch", "kill nosuch 9", "create",
                            "start nosuch", "exec nosuch true", "spec --nonsense"}) {
    const Outcome native =
        shell(std::string("cd /; $INNER $FLAGS --root $ROOT ") + words + " </dev/null");
    const Outcome mx = shell(std::string("cd /; $R $FLAGS --root $ROOT ") + words + " </dev/null");
    EXPECT_EQ(native.status, mx.status) << words;
    const std::string strip = "s/time=\"[^\"]*\"//; s/^[0-9T:.Z-]*//";
    EXPECT_EQ(native.output, mx.output) << words;
    EXPECT_EQ(native.errors.size(), mx.errors.size()) << words << mx.errors;
  }
}

TEST_P(Runtime, WithoutASecondVersionNothingChanges) {
  write_config(config_for(
      {"/bin/sh", "-c", "cat /etc/version; tr '\\0' ' ' </proc/1/cmdline; exit 3"}, false));
  const std::string before = oci::read_file(folder_ / "bundle/config.json");
  const Outcome outcome = shell("cd $W/bundle && $R $FLAGS --root $ROOT run a </dev/null");
  EXPECT_EQ(outcome.status, 3) << outcome.errors;
  EXPECT_EQ(outcome.output.substr(0, 4), "old\n");
  EXPECT_EQ(outcome.output.find("mx-monitor"), std::string::npos);
  EXPECT_EQ(oci::read_file(folder_ / "bundle/config.json"), before);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "state"));
}

TEST_P(Runtime, IdentityIsExactlyTheBundles) {
  add_image();
  const std::vector<std::string> look = {
      "/bin/sh", "-c",
      // Without a profile "Seccomp" is 0 natively and 2 here: mx has a filter. With one see below.
      "cat /etc/version; id; grep -E '^(Cap|NoNewPrivs|Uid|Gid|Groups)' "
      "/proc/self/status; "
      "pwd; env | grep -v -E 'MX_|SHLVL'; umask; ulimit -n; cat /proc/self/oom_score_adj; "
      "ls /proc/self/fd | grep -v 3; cat /proc/self/limits | grep open"};
  expect_same(look);
  expect_same(look, [](Json& c) {
    c["process"]["user"] = {
        {"uid", 1000}, {"gid", 1000}, {"umask", 63}, {"additionalGids", {4, 5}}};
    c["process"]["cwd"] = "/made/by/runtime";
  });
  expect_same(look, [](Json& c) {
    c["process"]["noNewPrivileges"] = false;
    c["process"]["oomScoreAdj"] = 500;
    c["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
    c["process"]["capabilities"] = {{"bounding", {"CAP_NET_RAW", "CAP_CHOWN"}},
                                    {"inheritable", {"CAP_NET_RAW"}},
                                    {"permitted", {"CAP_NET_RAW"}},
                                    {"effective", {"CAP_NET_RAW"}},
                                    {"ambient", {"CAP_NET_RAW"}}};
  });
  expect_same(look, [](Json& c) {
    c["process"]["noNewPrivileges"] = false;
    c["process"]["capabilities"] = Json::object();
    c["root"]["readonly"] = true;
  });
}

TEST_P(Runtime, SeccompProfileOfTheVersionIsTheUsers) {
  add_image();
  const auto profile = [](Json& c) {
    c["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"},
                             {"architectures", {"SCMP_ARCH_X86_64"}},
                             {"syscalls",
                              {{{"names", {"chroot", "mkdir", "mkdirat"}},
                                {"action", "SCMP_ACT_ERRNO"},
                                {"errnoRet", 95}}}}};
  };
  // chroot is widened for the monitor, and must be refused to the version all the same.
  expect_same(
      {"/bin/sh", "-c", "mkdir /tmp/x; busybox chroot / true; grep Seccomp: /proc/self/status"},
      profile);
  expect_same(
      {"/bin/sh", "-c", "mkdir /tmp/x; busybox chroot / true; grep Seccomp: /proc/self/status"},
      [&](Json& c) {
        profile(c);
        c["process"]["noNewPrivileges"] = false;
      });
}

TEST_P(Runtime, ExitStatusOfEveryKind) {
  add_image();
  const auto nothing = [](Json&) {};
  expect_same({"/bin/sh", "-c", "exit 42"}, nothing, 42);
  expect_same({"/bin/sh", "-c", "echo out; echo err >&2; exit 137"}, nothing, 137);
  // Missing program: the inner runtime's own words.
  expect_same({"/bin/nosuch"}, nothing, 1);
  expect_same({"nosuch"}, nothing, 1);
  expect_same({"/etc/version"}, nothing, 1);
}

TEST_P(Runtime, SettingsDoNotReachTheProgramAndNothingOfMxIsOpen) {
  add_image();
  Json config = config_for({"/bin/sh", "-c",
                            "env; ls /dev/.mx/in /dev/.mx/out; ls -l /proc/1/fd; cat /proc/1/maps; "
                            "head -c 1 /proc/1/mem; cat /proc/1/environ; kill -STOP 1; "
                            "touch /dev/.mx/bin/mx-monitor; echo x > /dev/.mx/bin/mx-enter; "
                            "cat /dev/.mx/new/etc/version; umount /dev/.mx/new; echo end"},
                           false);
  config["process"]["env"].push_back("MX_NEW=image:app:new");
  config["process"]["env"].push_back("MX_LEADER=old");
  config["process"]["env"].push_back("MX_RECORD=mine");
  write_config(config);
  const Outcome outcome = shell("cd $W/bundle && $R $FLAGS --root $ROOT run m </dev/null");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(outcome.output.find("MX_NEW"), std::string::npos);
  EXPECT_EQ(outcome.output.find("MX_LEADER"), std::string::npos);
  EXPECT_NE(outcome.output.find("MX_RECORD=mine"), std::string::npos);
  EXPECT_EQ(outcome.output.find("settings.json"), std::string::npos);
  EXPECT_EQ(outcome.output.find("report.jsonl"), std::string::npos);
  EXPECT_NE(outcome.output.find("new\nend"), std::string::npos);
  for (const char* refused : {"/proc/1/fd", "/proc/1/maps", "/proc/1/mem", "/proc/1/environ",
                              "mx-monitor: Read-only", "mx-enter: Read-only", "umount"})
    EXPECT_NE(outcome.errors.find(refused), std::string::npos) << refused << "\n" << outcome.errors;
}

TEST_P(Runtime, SecondRootHasTheMountsAndTheirProtection) {
  add_image();
  ok("mkdir $W/vol && echo data > $W/vol/file && echo h > $W/hosts");
  Json config =
      config_for({"/bin/sh", "-c",
                  "cat /etc/version /vol/file /etc/hosts /var/run/mark; ls /proc/acpi; "
                  "cat /proc/keys; echo x > /proc/sys/kernel/domainname; echo $HOME; "
                  "echo y > /vol/written; echo z > /dev/shm/z; echo more > /etc/only-new; "
                  "ls -d /dev/.mx/*; test -e /etc/only-old; echo $?"},
                 true);
  config["annotations"]["run.mx.leader"] = "new";
  add_bind(config, "/vol", folder_ / "vol", {"rbind", "rw"});
  add_bind(config, "/etc/hosts", folder_ / "hosts", {"bind", "ro"});
  add_bind(config, "/etc/resolv.conf", folder_ / "hosts", {"bind", "ro"});
  // In the new image /var/run is a link to ../run: the mount must land on its own /run (trap 4).
  ok("echo mark > $W/vol/mark");
  add_bind(config, "/var/run", folder_ / "vol", {"rbind", "ro"});
  write_config(config);
  const Outcome outcome = shell("cd $W/bundle && $R $FLAGS --root $ROOT run m </dev/null");
  EXPECT_EQ(outcome.output, "new\ndata\nh\nmark\n/root-new\n1\n") << outcome.errors;
  EXPECT_NE(outcome.errors.find("/proc/sys/kernel/domainname"), std::string::npos);
  EXPECT_EQ(ok("cat $W/vol/written"), "y");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "new/etc/only-new"));  // the image stays as it was
  EXPECT_EQ(shell("ls $W/store/images/*/rootfs/etc/only-new").status, 2);
}

TEST_P(Runtime, VerbsAndExecOfARunningContainer) {
  add_image();
  write_config(config_for(
      {"/bin/sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done"},
      true));
  const std::string before = oci::read_file(folder_ / "bundle/config.json");
  ok("cd $W/bundle && $R $FLAGS --root $ROOT create --pid-file=$W/pid m </dev/null >$W/out 2>&1");
  EXPECT_EQ(oci::read_file(folder_ / "bundle/config.json"), before);  // trap 1
  EXPECT_EQ(ok("$R $FLAGS --root $ROOT state m | grep -c '\"status\": \"created\"'"), "1");
  ok("$R $FLAGS --root $ROOT start m");
  ASSERT_TRUE(wait_for("grep -q up $W/out"));
  // The host has made the tables of the program's system-call sites; the container wrote none.
  EXPECT_TRUE(wait_for("ls $W/cache/sites/*.table"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "old/var/cache"));
  EXPECT_EQ(ok("$R $FLAGS --root $ROOT state m | sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p'"),
            ok("cat $W/pid"));
  EXPECT_EQ(ok("$R $FLAGS --root $ROOT exec m cat /etc/version"), "old");
  EXPECT_EQ(shell("$R $FLAGS --root $ROOT exec m sh -c 'exit 9'").status, 9);
  const std::string caps =
      ok("$R $FLAGS --root $ROOT exec m grep -E 'Cap|Seccomp:' /proc/self/status");
  EXPECT_NE(caps.find("CapEff:\t0000000020000420"), std::string::npos) << caps;
  EXPECT_NE(caps.find("CapBnd:\t0000000020000420"), std::string::npos) << caps;
  ok("echo '{\"event\":\"failover\",\"from\":\"old\",\"to\":\"new\"}' >> "
     "$W/state/m/out/report.jsonl");
  EXPECT_EQ(ok("$R $FLAGS --root $ROOT exec m cat /etc/version"), "new");
  const std::string after =
      ok("$R $FLAGS --root $ROOT exec m grep -E 'Cap|Seccomp:' /proc/self/status");
  EXPECT_EQ(caps, after);
  const Outcome checkpoint =
      shell("$R $FLAGS --log $W/log --log-format json --root $ROOT checkpoint m");
  EXPECT_EQ(checkpoint.status, 1);
  EXPECT_EQ(checkpoint.output, "");
  EXPECT_NE(checkpoint.errors.find("runs two versions under mx"),
            std::string::npos);  // containerd looks there
  EXPECT_NE(oci::read_file(folder_ / "log").find("runs two versions under mx"), std::string::npos);
  ok("$R $FLAGS --root $ROOT kill m TERM");
  ASSERT_TRUE(wait_for("$R $FLAGS --root $ROOT state m | grep -q stopped"));
  EXPECT_EQ(ok("cat $W/out"), "up\nbye");
  ok("$R $FLAGS --root $ROOT delete m");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "state/m"));
  EXPECT_EQ(ok("grep -c '\"exit\".*\"status\":5' $W/store/reports/m-*/report.jsonl"), "1");
  EXPECT_EQ(ok("ls $W/store/containers"), "");
}

TEST_P(Runtime, WrongSettingsStopTheCreationAndNameTheSetting) {
  add_image();
  ok("mkdir -p $W/vol/sub && ln -s /etc $W/vol/link && ln -s ../../../../etc $W/vol/up");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"image:nosuch", "run.mx.new: there is no image nosuch"},
      {"image:app:new@sha256:" + std::string(64, '0'),
       "run.mx.new: the image app:new has the digest"},
      {"image:../../etc", "run.mx.new: \"../../etc\" is not the name of an image"},
      {"/etc", "run.mx.new: \"/etc\" is neither volume:/PATH nor image:NAME"},
      {"volume:/etc", "run.mx.new: \"volume:/etc\" is not a volume of this container"},
      {"volume:/vol/../etc", "run.mx.new: \"/vol/../etc\" holds \"..\""},
      {"volume:/vol/link", "run.mx.new: there is no folder /vol/link in the volume"},
      {"volume:/vol/up", "run.mx.new: there is no folder /vol/up in the volume"},
      {"volume:/proc/1/root", "run.mx.new: \"volume:/proc/1/root\" lies in /proc"},
      {"volume:/", "run.mx.new: \"volume:/\" is the container's own root"},
  };
  for (const auto& [value, message] : cases) {
    Json config = config_for({"/bin/true"}, false);
    config["annotations"]["run.mx.new"] = value;
    add_bind(config, "/vol", folder_ / "vol", {"rbind"});
    write_config(config);
    const Outcome outcome = shell(
        "rm -f $W/log; cd $W/bundle && $R $FLAGS --log $W/log --log-format json --root $ROOT "
        "create m </dev/null");
    EXPECT_EQ(outcome.status, 1) << value;
    EXPECT_EQ(outcome.output, "");
    const Json line = Json::parse(oci::read_file(folder_ / "log"));
    EXPECT_EQ(line["level"], "error");
    EXPECT_NE(line["msg"].get<std::string>().find(message), std::string::npos) << line;
    EXPECT_EQ(ok("ls $W/state 2>/dev/null || true"), "");
    EXPECT_EQ(shell("$INNER $FLAGS --root $ROOT state m").status, 1);
  }
}

TEST_P(Runtime, OptionalStartsOnTheOwnImageAndSaysWhy) {
  Json config = config_for({"/bin/sh", "-c", "cat /etc/version; env"}, true);
  config["annotations"]["run.mx.optional"] = "true";
  config["process"]["env"].push_back("MX_LOCKSTEP=full");
  write_config(config);
  const Outcome outcome = shell("cd $W/bundle && $R $FLAGS --root $ROOT run m </dev/null");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(outcome.output.substr(0, 4), "old\n");
  EXPECT_EQ(outcome.output.find("MX_LOCKSTEP"), std::string::npos);
  const std::string report = ok("cat $W/store/reports/m-*/report.jsonl");
  EXPECT_NE(report.find("\"dropped\""), std::string::npos);
  EXPECT_NE(report.find("there is no image app:new"), std::string::npos);
}

TEST_P(Runtime, AVolumeIsASecondImageAndItsLinksStayInside) {
  ok("cp -a $W/new $W/vol && rm $W/vol/bin/ls && ln -s ../../../../../../../../bin/ls "
     "$W/vol/bin/ls");
  Json config = config_for({"/bin/sh", "-c", "cat /etc/version; /bin/ls /"}, false);
  config["annotations"]["run.mx.new"] = "volume:/image";
  config["annotations"]["run.mx.leader"] = "new";
  add_bind(config, "/image", folder_ / "vol", {"rbind", "ro"});
  write_config(config);
  const Outcome outcome = shell("cd $W/bundle && $R $FLAGS --root $ROOT run m </dev/null");
  // /bin/ls is a link to /bin/ls of the version's own root: a loop there, and never the host's.
  EXPECT_EQ(outcome.output, "new\n") << outcome.errors;
  EXPECT_NE(outcome.errors.find("ls"), std::string::npos);
}

// The monitor is pid 1 here, and the checkpoints are its children.
TEST_P(Runtime, AVersionThatIsKilledComesBack) {
  add_redis();
  add_image();
  const std::string port =
      ok("/usr/bin/python3 -c \"import socket; s=socket.socket(); s.bind(('127.0.0.1', 0)); "
         "print(s.getsockname()[1])\"");
  write_config(config_for({"/usr/bin/redis-server", "--port", port, "--save", ""}, true));
  start_container(runtime(), "m");
  ASSERT_TRUE(wait_for("redis-cli -p " + port + " set key value")) << ok("cat $W/m.err");
  start_daemon("redis-benchmark -p " + port + " -n 100000000 -c 20 -t set,get -q",
               folder_ / "load");
  int count = 0;
  // The follower; the leader; and the one that came back first, which leads now.
  for (const char* version : {"new", "old", "new"}) {
    ASSERT_TRUE(wait_for_checkpoints()) << ok("$MX status --json m");
    ok("kill -9 " + host_pid_of(version));
    ASSERT_TRUE(wait_for("[ $(grep -c '\"recovery\"' $W/state/m/out/report.jsonl) = " +
                         std::to_string(++count) + " ]"))
        << report() << ok("$MX status --json m");
    EXPECT_EQ(
        ok("grep '\"recovery\"' $W/state/m/out/report.jsonl | tail -1 | jq -r '.version, .result'"),
        std::string(version) + "\nresynchronised")
        << report();
    EXPECT_EQ(ok("redis-cli -p " + port + " get key"), "value");
  }
  EXPECT_EQ(ok("grep -c '\"failover\"' $W/state/m/out/report.jsonl"), "2") << report();
  EXPECT_EQ(report().find("\"dropped\""), std::string::npos) << report();
  EXPECT_EQ(ok("grep -i -c error $W/load || true"), "0") << ok("tail -c 300 $W/load");
  EXPECT_EQ(ok("$R --root $ROOT state m | grep -c '\"status\": \"running\"'"), "1");
  ok("$R --root $ROOT kill m TERM");
  ASSERT_TRUE(wait_for("test -z \"$(ls $W/state)\""));
  EXPECT_EQ(ok("tail -1 $W/store/reports/m-*/report.jsonl | jq .status"), "0");
}

TEST_P(Runtime, StaleStateIsCleanedAtTheNextCreate) {
  add_image();
  write_config(config_for({"/bin/sleep", "1000"}, true));
  ok("cd $W/bundle && $R $FLAGS --root $ROOT create m </dev/null >$W/out 2>&1 && $R $FLAGS --root "
     "$ROOT start m");
  // As if the machine lost poststop: kill it and delete with a runtime whose hooks cannot run.
  ok("$INNER $FLAGS --root $ROOT kill m KILL");
  ASSERT_TRUE(wait_for("$INNER $FLAGS --root $ROOT state m | grep -q stopped"));
  ok("rm $W/libexec/mx-hook; $INNER $FLAGS --root $ROOT delete --force m 2>/dev/null || true; rm "
     "-rf $ROOT/m");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "state/m/meta.json"));
  ok("ln -s " MX_HOOK " $W/libexec/mx-hook");
  write_config(config_for({"/bin/true"}, true));
  ok("cd $W/bundle && $R $FLAGS --root $ROOT run other </dev/null");
  EXPECT_EQ(ok("ls $W/state"), "");
  EXPECT_EQ(ok("ls $W/store/containers"), "");
}

TEST_P(Runtime, FiftyContainersFourAtATimeLeaveNothing) {
  add_image();
  Json config = config_for({"/bin/cat", "/etc/version"}, true);
  config["linux"].erase("cgroupsPath");  // one each
  write_config(config);
  ok("for i in 0 1 2 3; do cp -a $W/bundle $W/b$i; cp -a $W/old $W/old$i; sed -i "
     "\"s#$W/old#$W/old$i#\" $W/b$i/config.json; done");
  // A pipe: busybox's cat uses sendfile, which on one shared file position loses lines.
  ok("seq 0 51 | xargs -P 4 -I{} bash -c 'i={}; l=$W/lock$((i % 4)); flock $l sh -c \"cd $W/b$((i "
     "% 4)) && "
     "$R $FLAGS --root $ROOT run mx-${W##*.}-$i < /dev/null\" || echo failed {}' 2>$W/errs | cat > "
     "$W/outs");
  EXPECT_EQ(ok("sort $W/outs | uniq -c | tr -s ' '"), " 52 old") << ok("cat $W/errs");
  // By this test's own names: other containers may come and go on the machine.
  EXPECT_EQ(ok("grep \"$W\" /proc/self/mountinfo || true"), "");
  EXPECT_EQ(ok("find /sys/fs/cgroup -type d -name \"mx-${W##*.}-*\""), "");
  EXPECT_EQ(ok("ls $W/state; ls $W/store/containers; ls $ROOT"), "");
  EXPECT_EQ(ok("ls $W/b?/"),
            ok("for i in 0 1 2 3; do echo $W/b$i/:; echo config.json; [ $i = 3 ] || echo; done"));
}

INSTANTIATE_TEST_SUITE_P(Inner, Runtime, ::testing::Values("runc", "crun"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace mx::engines
