// Every verb and flag of runc that concerns a container: what runc alone answers, mx-runtime
// answers, once handing on and once with two versions. Output, status and what the container sees
// must be the same.
#include <functional>

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

// A field of config.json, and what a program in the container can see of it.
struct Field {
  const char* name;
  std::function<void(Json&)> change;
  const char* look;
};

const std::vector<Field>& fields() {
  static const std::vector<Field> all = {
      {"hostname", [](Json& c) { c["hostname"] = "box"; }, "cat /proc/sys/kernel/hostname"},
      {"root.readonly", [](Json& c) { c["root"]["readonly"] = true; },
       "touch /x 2>&1; touch /tmp/x 2>&1; touch /dev/shm/x"},
      {"process.env",
       [](Json& c) {
         c["process"]["env"] = {"PATH=/bin", "A=b c", "E=", "TERM=vt52"};
       },
       "env | grep -v SHLVL | sort"},
      {"process.cwd", [](Json& c) { c["process"]["cwd"] = "/made/by/the runtime"; },
       "pwd; ls -ld ."},
      {"process.user",
       [](Json& c) {
         c["process"]["user"] = {
             {"uid", 1234}, {"gid", 2345}, {"umask", 18}, {"additionalGids", {7, 8}}};
       },
       "id; umask; grep -E '^(Uid|Gid|Groups)' /proc/self/status"},
      {"process.capabilities",
       [](Json& c) {
         c["process"]["noNewPrivileges"] = false;
         for (const char* set : {"bounding", "effective", "permitted", "inheritable", "ambient"})
           c["process"]["capabilities"][set] = {"CAP_CHOWN", "CAP_NET_BIND_SERVICE",
                                                "CAP_SYS_CHROOT"};
       },
       "grep -E '^(Cap|NoNew)' /proc/self/status"},
      {"process.rlimits",
       [](Json& c) {
         c["process"]["rlimits"] = {
             {{"type", "RLIMIT_NOFILE"}, {"soft", 300}, {"hard", 400}},
             {{"type", "RLIMIT_CORE"}, {"soft", 0}, {"hard", 0}},
             {{"type", "RLIMIT_CPU"}, {"soft", 60}, {"hard", 120}},
             {{"type", "RLIMIT_DATA"}, {"soft", 1 << 28}, {"hard", 1 << 29}},
             {{"type", "RLIMIT_FSIZE"}, {"soft", 1 << 28}, {"hard", 1 << 29}},
             {{"type", "RLIMIT_STACK"}, {"soft", 1 << 22}, {"hard", 1 << 22}}};
       },
       "cat /proc/self/limits"},
      {"process.noNewPrivileges", [](Json& c) { c["process"]["noNewPrivileges"] = true; },
       "grep NoNewPrivs /proc/self/status"},
      {"process.oomScoreAdj", [](Json& c) { c["process"]["oomScoreAdj"] = 321; },
       "cat /proc/self/oom_score_adj"},
      {"mounts",
       [](Json& c) {
         c["mounts"].push_back({{"destination", "/mnt/deep/tmp"},
                                {"type", "tmpfs"},
                                {"source", "tmpfs"},
                                {"options", {"nosuid", "noexec", "size=64k", "mode=711"}}});
         add_bind(c, "/etc/hosts", c["root"]["path"].get<std::string>() + "/etc/version",
                  {"bind", "ro"});
       },
       "grep -v /.mx /proc/self/mountinfo | cut -d' ' -f5,6 | sort; ls -ld /mnt/deep/tmp; cat "
       "/etc/hosts; echo x > /etc/hosts; "
       "dd if=/dev/zero of=/mnt/deep/tmp/f bs=1k count=100 2>/dev/null; stat -c %s "
       "/mnt/deep/tmp/f"},
      {"linux.sysctl",
       [](Json& c) {
         c["linux"]["sysctl"] = {{"kernel.msgmax", "9000"}};
       },
       "cat /proc/sys/kernel/msgmax"},
      {"linux.devices",
       [](Json& c) {
         c["linux"]["devices"] = {{{"path", "/dev/mine"},
                                   {"type", "c"},
                                   {"major", 1},
                                   {"minor", 5},
                                   {"fileMode", 416},
                                   {"uid", 3},
                                   {"gid", 4}}};
         c["linux"]["resources"]["devices"].push_back(
             {{"allow", true}, {"type", "c"}, {"major", 1}, {"minor", 5}, {"access", "r"}});
       },
       "stat -c '%F %a %u %g %t %T' /dev/mine; head -c 2 /dev/mine | wc -c; ls /dev"},
      {"linux.maskedPaths and readonlyPaths",
       [](Json& c) {
         c["linux"]["maskedPaths"] = {"/proc/meminfo", "/proc/sys/net", "/etc/only-old"};
         c["linux"]["readonlyPaths"] = {"/tmp"};
       },
       "wc -c < /proc/meminfo; ls /proc/sys/net; cat /etc/only-old; touch /tmp/x 2>&1"},
      {"linux.resources",
       [](Json& c) {
         c["linux"]["resources"] = {
             {"memory", {{"limit", 256 << 20}}},
             {"pids", {{"limit", 99}}},
             {"cpu", {{"shares", 512}, {"quota", 150000}, {"period", 100000}}}};
       },
       "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.shares "
       "cpu/cpu.cfs_quota_us"},
      {"linux.namespaces: network",
       [](Json& c) {
         c["linux"]["namespaces"].push_back({{"type", "network"}});
       },
       "tail -n +3 /proc/net/dev | cut -d: -f1 | sort"},
      {"linux.namespaces: the host's processes",
       [](Json& c) {
         Json kept = Json::array();
         for (const Json& space : c["linux"]["namespaces"])
           if (space["type"] != "pid") kept.push_back(space);
         c["linux"]["namespaces"] = kept;
       },
       "[ $$ -gt 100 ] && echo outside; (exit 9); echo $?"},
      {"linux.seccomp",
       [](Json& c) {
         c["linux"]["seccomp"] = {
             {"defaultAction", "SCMP_ACT_ALLOW"},
             {"architectures", {"SCMP_ARCH_X86_64"}},
             {"syscalls",
              {{{"names", {"mkdir", "mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 28}}}}};
       },
       "mkdir /tmp/d 2>&1; ln -s x /tmp/link && echo linked"},
      {"linux.seccomp with EPERM for clone3 and faccessat2",
       [](Json& c) {
         const Json file = Json::parse(ok("cat /usr/share/containers/seccomp.json"));
         Json names = Json::array();
         for (const Json& rule : file["syscalls"])
           if (rule["action"] == "SCMP_ACT_ALLOW")
             for (const Json& name : rule["names"])
               if (name != "clone3" && name != "faccessat2" && name != "personality")
                 names.push_back(name);
         c["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ERRNO"},
                                  {"architectures", {"SCMP_ARCH_X86_64"}},
                                  {"syscalls", {{{"names", names}, {"action", "SCMP_ACT_ALLOW"}}}}};
       },
       "echo up; busybox setarch i386 uname -m 2>&1; (exit 3); echo $?; grep Seccomp: "
       "/proc/self/status"},
      {"linux.rootfsPropagation", [](Json& c) { c["linux"]["rootfsPropagation"] = "private"; },
       "grep -c shared: /proc/self/mountinfo || true"},
  };
  return all;
}

class ConfigFields : public Conformance, public ::testing::WithParamInterface<size_t> {};

TEST_P(ConfigFields, MeansTheSame) {
  const Field& field = fields()[GetParam()];
  std::string answers[3];
  for (int i = 0; i < 3; ++i) {
    ok("rm -rf $W/old/tmp/* $W/old/x $W/old/made $W/old/mnt; echo h > $W/old/etc/hosts");
    Json config = default_config();
    config["process"]["args"] = {"/bin/sh", "-c", std::string("exec 2>&1; ") + field.look};
    field.change(config);
    if (i == 2) config["annotations"]["run.mx.new"] = "image:app:new";
    write_config(config);
    const Outcome outcome = shell("cd $W/bundle && " + (i == 0 ? std::string("runc") : runtime()) +
                                  " --root $ROOT run c </dev/null 2>&1");
    answers[i] = outcome.output + "status " + std::to_string(outcome.status);
    EXPECT_EQ(shell("runc --root $ROOT state c").status, 1);
  }
  EXPECT_EQ(answers[0].find("runc run failed"), std::string::npos) << answers[0];
  EXPECT_EQ(answers[0], answers[1]) << field.name;
  EXPECT_EQ(answers[0], answers[2]) << field.name;
}

INSTANTIATE_TEST_SUITE_P(Fields, ConfigFields, ::testing::Range(size_t{0}, fields().size()),
                         [](const auto& info) {
                           std::string name;
                           for (const char* c = fields()[info.param].name; *c; ++c)
                             name += isalnum(*c) ? *c : '_';
                           return name;
                         });

// Every stage, in order, with what it is told; startContainer runs in the container.
TEST_F(Conformance, HooksOfTheBundle) {
  std::string logs[3];
  for (int i = 0; i < 3; ++i) {
    Json config = default_config();
    config["process"]["args"] = {"/bin/sh", "-c", "cat /tmp/hooks; rm /tmp/hooks"};
    for (const char* stage :
         {"prestart", "createRuntime", "createContainer", "poststart", "poststop"})
      config["hooks"][stage] = {
          {{"path", "/bin/sh"},
           {"args", {"hook", "-c", "echo $0 $STAGE $(jq -r .status,.id) >> $LOG"}},
           {"env",
            {std::string("STAGE=") + stage, "LOG=" + (folder_ / "log").string(),
             "PATH=/usr/bin:/bin"}}}};
    config["hooks"]["startContainer"] = {{{"path", "/bin/sh"},
                                          {"args", {"sh", "-c", "echo started $A > /tmp/hooks"}},
                                          {"env", {"A=b", "PATH=/bin"}}}};
    if (i == 2) config["annotations"]["run.mx.new"] = "image:app:new";
    write_config(config);
    const Outcome outcome =
        shell("rm -f $W/log; cd $W/bundle && " + (i == 0 ? std::string("runc") : runtime()) +
              " --root $ROOT run c </dev/null 2>&1");
    logs[i] = outcome.output + ok("cat $W/log") + " status " + std::to_string(outcome.status);
  }
  EXPECT_NE(logs[0].find("poststop"), std::string::npos) << logs[0];
  EXPECT_EQ(logs[0], logs[1]);
  EXPECT_EQ(logs[0], logs[2]);
}

// Labels: what the kernel has (the program sees its own), or the same refusal where it has none.
TEST_F(Conformance, LabelsOfTheBundle) {
  for (const auto& [field, value] :
       {std::pair{"apparmorProfile", "unconfined"},
        std::pair{"apparmorProfile", "mx-no-such-profile"},
        std::pair{"selinuxLabel", "system_u:system_r:container_t:s0:c1,c2"}}) {
    std::string said[3];
    for (int i = 0; i < 3; ++i) {
      Json config = default_config();
      config["process"]["args"] = {"/bin/sh", "-c", "cat /proc/self/attr/current 2>&1; echo end"};
      config["process"][field] = value;
      if (i == 2) config["annotations"]["run.mx.new"] = "image:app:new";
      write_config(config);
      const Outcome outcome = shell(
          "cd $W/bundle && " + (i == 0 ? std::string("runc") : runtime()) +
          " --root $ROOT run c </dev/null 2>&1 | sed 's/time=\"[^\"]*\"//'; echo ${PIPESTATUS[0]}");
      said[i] = outcome.output;
      EXPECT_EQ(shell("runc --root $ROOT state c").status, 1) << field;
    }
    EXPECT_EQ(said[0], said[1]) << field;
    EXPECT_EQ(said[0], said[2]) << field;
  }
  EXPECT_EQ(ok("ls $W/state $W/store/containers | grep -v : || true"), "");
}

// A hook that fails: the container is not made, and the same is said of it.
TEST_F(Conformance, AHookThatFails) {
  for (const char* stage : {"prestart", "createRuntime", "createContainer", "startContainer"}) {
    std::string said[3];
    for (int i = 0; i < 3; ++i) {
      Json config = default_config();
      config["process"]["args"] = {"/bin/true"};
      config["hooks"][stage] = {{{"path", "/bin/false"}, {"args", {"false"}}}};
      if (i == 2) config["annotations"]["run.mx.new"] = "image:app:new";
      write_config(config);
      const Outcome outcome =
          shell("cd $W/bundle && " + (i == 0 ? std::string("runc") : runtime()) +
                " --root $ROOT run c </dev/null 2>&1");
      said[i] = ok("sed 's/time=\"[^\"]*\"//' <<'EOF'\n" + outcome.output + "\nEOF") + " status " +
                std::to_string(outcome.status);
      EXPECT_EQ(shell("runc --root $ROOT state c").status, 1) << stage;
    }
    EXPECT_NE(said[0].find("hook"), std::string::npos) << said[0];
    EXPECT_EQ(said[0], said[1]) << stage;
    EXPECT_EQ(said[0], said[2]) << stage;
  }
  EXPECT_EQ(ok("ls $W/state; ls $W/store/containers"), "");
}

}  // namespace
}  // namespace mx::engines
