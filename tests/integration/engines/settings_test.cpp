// Annotations, variables and /etc/mx/config.toml: each setting does what it says, a wrong one stops
// the creation and is named; state and reports, and who may see them. runc inside.
#include <fstream>

#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

class Settings : public Workshop {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    setenv("ROOT", (folder_ / "rt").c_str(), 1);
    make_trees();
    ok("for v in old new; do $IMAGE image add app:$v dir:$W/$v; done");
  }

  Json with(const Pairs& annotations, const Pairs& variables = {}) {
    Json config = default_config();
    config["process"]["args"] = {"/bin/cat", "/etc/version"};
    for (const auto& [key, value] : annotations) config["annotations"][key] = value;
    for (const auto& [key, value] : variables)
      config["process"]["env"].push_back(key + "=" + value);
    return config;
  }

  Outcome run(const Json& config) {
    write_config(config);
    return shell("rm -rf $W/store/reports; cd $W/bundle && $R --root $ROOT run m </dev/null");
  }

  std::string kept_report() { return ok("cat $W/store/reports/m-*/report.jsonl"); }

  // What the monitor would be told; the container is made and not started.
  Json told(const Json& config) {
    write_config(config);
    ok("cd $W/bundle && $R --root $ROOT create m </dev/null >$W/create.out 2>&1");
    const Json settings = Json::parse(ok("cat $W/state/m/in/settings.json"));
    ok("$R --root $ROOT delete --force m");
    return settings;
  }

  // The creation fails, nothing is left, and this is what the engine is told.
  std::string refusal(const Json& config) {
    write_config(config);
    const Outcome outcome = shell(
        "rm -f $W/log; cd $W/bundle && $R --log $W/log --log-format json --root $ROOT create m "
        "</dev/null");
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(ok("ls $W/state $W/store/containers 2>/dev/null | grep -v : || true"), "");
    EXPECT_EQ(shell("runc --root $ROOT state m").status, 1);
    return Json::parse(ok("tail -1 $W/log"))["msg"];
  }
};

TEST_F(Settings, EachReachesTheMonitorByAnnotationAndByVariable) {
  const std::pair<std::string, std::string> image = {"run.mx.new", "image:app:new"};
  const Json plain = told(with({image}));
  EXPECT_EQ(plain["leader"], "old");
  EXPECT_EQ(plain["lockstep"], "window");
  EXPECT_EQ(plain["threads"], "parallel");
  EXPECT_EQ(plain["recovery"], true);
  EXPECT_EQ(plain["hangTimeout"], 10.0);
  const Json set = told(with({image,
                              {"run.mx.leader", "new"},
                              {"run.mx.lockstep", "full"},
                              {"run.mx.threads", "serial"},
                              {"run.mx.recovery", "off"},
                              {"run.mx.hang-timeout", "2.5"},
                              {"run.mx.rules", "/etc/rules"},
                              {"run.mx.image", "app:old"}}));
  const Json by_variable = told(with({}, {{"MX_NEW", "image:app:new"},
                                          {"MX_LEADER", "new"},
                                          {"MX_LOCKSTEP", "full"},
                                          {"MX_THREADS", "serial"},
                                          {"MX_RECOVERY", "off"},
                                          {"MX_HANG_TIMEOUT", "2.5"},
                                          {"MX_RULES", "/etc/rules"},
                                          {"MX_IMAGE", "app:old"}}));
  for (const Json& settings : {set, by_variable}) {
    EXPECT_EQ(settings["leader"], "new");
    EXPECT_EQ(settings["lockstep"], "full");
    EXPECT_EQ(settings["threads"], "serial");
    EXPECT_EQ(settings["recovery"], false);
    EXPECT_EQ(settings["hangTimeout"], 2.5);
    EXPECT_EQ(settings["rules"], "/etc/rules");
    EXPECT_EQ(settings["versions"].dump().find("MX_"), std::string::npos);
  }
  // What is in memory is for the administrator to keep: the container cannot ask for it.
  EXPECT_EQ(plain["replayBundle"], false);
  EXPECT_EQ(plain["core"], false);
  // The administrator's defaults, in a drop-in; what the container says wins.
  ok("mkdir $W/config.d && printf '[defaults]\\nleader = \"new\"\\nlockstep = \"full\"\\nthreads "
     "= \"serial\"\\nrecovery = \"off\"\\n"
     "hang-timeout = 3\\n[report]\\nreplay-bundle = \"on\"\\ncore = \"on\"\\n' > "
     "$W/config.d/10.toml");
  const Json defaults = told(with({image, {"run.mx.lockstep", "window"}}));
  EXPECT_EQ(defaults["leader"], "new");
  EXPECT_EQ(defaults["lockstep"], "window");
  EXPECT_EQ(defaults["threads"], "serial");
  EXPECT_EQ(defaults["recovery"], false);
  EXPECT_EQ(defaults["hangTimeout"], 3.0);
  EXPECT_EQ(defaults["replayBundle"], true);
  EXPECT_EQ(defaults["core"], true);
}

TEST_F(Settings, TheContainersImageIsThePatchedOneAndTheOldOneItsNet) {
  Json config = with({{"run.mx.old", "image:app:old"}});
  config["root"]["path"] = (folder_ / "new").string();
  EXPECT_EQ(run(config).output, "old\n");  // the old version leads unless told otherwise
  config["annotations"]["run.mx.leader"] = "new";
  EXPECT_EQ(run(config).output, "new\n");
  // The same from a volume.
  config["annotations"]["run.mx.old"] = "volume:/net";
  config["annotations"]["run.mx.leader"] = "old";
  add_bind(config, "/net", folder_ / "old", {"rbind", "ro"});
  EXPECT_EQ(run(config).output, "old\n");
  // The digest that the store has; another one is refused.
  const std::string digest = ok("$IMAGE image ls | grep '^app:old' | grep -o 'sha256:[0-9a-f]*'");
  config["annotations"]["run.mx.old"] = "image:app:old@" + digest;
  EXPECT_EQ(run(config).output, "old\n");
}

// What a newer containerd and CRI-O make of a Kubernetes image volume: a bind of the image's mount,
// or an overlay over it that may not execute anything (of which the kernel stacks no third).
TEST_F(Settings, ImageVolumesOfKubernetes) {
  ok("mkdir $W/layer $W/img $W/empty && cp -a $W/old $W/base && mv $W/base/bin $W/layer/ && "
     "mount -t overlay -o ro,noexec,nosuid,nodev,lowerdir=$W/layer:$W/base overlay $W/img");
  const std::string image = (folder_ / "img").string();
  const Json volumes[] = {
      {{"destination", "/net"},
       {"type", "bind"},
       {"source", image},
       {"options", {"rbind", "rprivate", "ro"}}},
      {{"destination", "/net"},
       {"type", "overlay"},
       {"source", "overlay"},
       {"options", {"lowerdir=" + image + ":" + (folder_ / "empty").string()}}}};
  for (const Json& volume : volumes) {
    Json config = with({{"run.mx.old", "volume:/net"}});
    config["root"]["path"] = (folder_ / "new").string();
    config["process"]["args"] = {
        "/bin/sh", "-c", "cat /etc/version; echo x > /etc/mine; cat /etc/mine; ls -d /net/etc"};
    config["mounts"].push_back(volume);
    const Outcome outcome = run(config);
    EXPECT_EQ(outcome.output, "old\nx\n/net/etc\n") << outcome.errors << volume;
    EXPECT_EQ(kept_report().find("\"dropped\""), std::string::npos) << kept_report();
  }
  EXPECT_EQ(ok("ls $W/img/etc/mine 2>&1 || true").find("No such file") != std::string::npos, true);
}

TEST_F(Settings, RulesSilenceWhatIsExpected) {
  Json config = with({{"run.mx.new", "image:app:new"}});
  config["process"]["args"] = {
      "/bin/sh", "-c", "read v < /etc/version; echo $v"};  // busybox's cat has sendfile do it
  run(config);
  EXPECT_NE(kept_report().find("\"divergence\""), std::string::npos) << kept_report();
  ok("echo 'ignore write bytes' > $W/old/etc/rules");
  Json quiet = config;
  quiet["annotations"]["run.mx.rules"] = "/etc/rules";
  run(quiet);
  EXPECT_EQ(kept_report().find("\"divergence\""), std::string::npos) << kept_report();
  EXPECT_EQ(kept_report().find("\"dropped\""), std::string::npos) << kept_report();
}

TEST_F(Settings, AWrongValueStopsTheCreationAndIsNamed) {
  const Pairs wrong = {{"leader", "both"},    {"lockstep", "half"},     {"threads", "one"},
                       {"recovery", "yes"},   {"hang-timeout", "soon"}, {"hang-timeout", "-1"},
                       {"rules", "relative"}, {"rules", "/a/../b"},     {"optional", "1"},
                       {"image", "-x"},       {"image", "../y"},        {"image", "nosuch"}};
  for (const auto& [name, value] : wrong) {
    const std::string said =
        refusal(with({{"run.mx.new", "image:app:new"}, {"run.mx." + name, value}}));
    EXPECT_NE(said.find("run.mx." + name), std::string::npos)
        << name << "=" << value << ": " << said;
  }
  EXPECT_NE(refusal(with({}, {{"MX_NEW", "image:app:new"}, {"MX_HANG_TIMEOUT", "soon"}}))
                .find("MX_HANG_TIMEOUT"),
            std::string::npos);
  EXPECT_NE(refusal(with({{"run.mx.new", "image:app:new"}, {"run.mx.laeder", "new"}}))
                .find("run.mx.laeder"),
            std::string::npos);
  EXPECT_NE(refusal(with({{"run.mx.new", "image:app:new"}, {"run.mx.old", "image:app:old"}}))
                .find("both set"),
            std::string::npos);
  // Found by the hook in the container's mount namespace.
  Json in_tmpfs = with({{"run.mx.new", "volume:/t/none"}});
  in_tmpfs["mounts"].push_back({{"destination", "/t"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
  EXPECT_NE(refusal(in_tmpfs).find("hook"), std::string::npos);
}

TEST_F(Settings, OptionalStartsAloneWhateverTheReason) {
  const std::vector<std::pair<Pairs, std::string>> cases = {
      {{{"run.mx.new", "image:nosuch"}}, "there is no image nosuch"},
      {{{"run.mx.new", "image:app:new@sha256:" + std::string(64, '0')}}, "has the digest"},
      {{{"run.mx.new", "volume:/nosuch"}}, "is not a volume of this container"},
      {{{"run.mx.new", "nonsense"}}, "is neither volume:/PATH nor image:NAME"},
      {{{"run.mx.new", "image:app:new"}, {"run.mx.leader", "both"}}, "run.mx.leader"},
      {{{"run.mx.new", "volume:/t/none"}}, "cannot open the folder /t/none"},  // the hook's
  };
  for (const auto& [annotations, reason] : cases) {
    Json config = with(annotations);
    config["annotations"]["run.mx.optional"] = "true";
    config["mounts"].push_back({{"destination", "/t"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
    const Outcome outcome = run(config);
    EXPECT_EQ(outcome.output, "old\n") << reason << outcome.errors;
    EXPECT_EQ(outcome.status, 0);
    EXPECT_NE(kept_report().find("\"dropped\""), std::string::npos) << reason;
    EXPECT_NE(kept_report().find(reason), std::string::npos) << reason << kept_report();
  }
  EXPECT_EQ(run(with({}, {{"MX_NEW", "image:nosuch"}, {"MX_OPTIONAL", "true"}})).output, "old\n");
  EXPECT_EQ(ok("ls $W/state $W/store/containers | grep -v : || true"), "");
}

TEST_F(Settings, OnlyAllowedImages) {
  configure("runc", "[images]\nallow = [\"team/*\", \"app:ol?\"]\n");
  ok("$IMAGE image add team/app:new dir:$W/new");
  EXPECT_NE(refusal(with({{"run.mx.new", "image:app:new"}}))
                .find("run.mx.new: the image app:new is not allowed by images.allow"),
            std::string::npos);
  EXPECT_NE(refusal(with({{"run.mx.new", "image:team/app:new"}, {"run.mx.image", "app:new"}}))
                .find("run.mx.image"),
            std::string::npos);
  EXPECT_EQ(run(with({{"run.mx.new", "image:team/app:new"}, {"run.mx.image", "app:old"}})).output,
            "old\n");
  configure("runc", "[images]\nallow = []\n");
  EXPECT_NE(refusal(with({{"run.mx.new", "image:team/app:new"}})).find("not allowed"),
            std::string::npos);
}

TEST_F(Settings, UnknownKeysAreWarnedOfAndWrongOnesStop) {
  configure("runc", "[report]\nkep = \"1h\"\n[nonsense]\na = 1\n");
  const Json config = with({{"run.mx.new", "image:app:new"}});
  write_config(config);
  EXPECT_EQ(shell("cd $W/bundle && $R --log $W/log --log-format json --root $ROOT run m </dev/null")
                .output,
            "old\n");
  const std::string warnings = ok("jq -r 'select(.level == \"warning\").msg' $W/log");
  EXPECT_NE(warnings.find("mx.toml: unknown key report.kep"), std::string::npos) << warnings;
  EXPECT_NE(warnings.find("mx.toml: unknown key nonsense"), std::string::npos) << warnings;
  EXPECT_NE(shell("$IMAGE image ls").errors.find("unknown key report.kep"), std::string::npos);
  for (const auto& [text, key] : {std::pair{"[report]\nkeep = 5\n", "report.keep"},
                                  std::pair{"[report]\nkeep = \"soon\"\n", "report.keep"},
                                  std::pair{"[images]\nallow = 1\n", "images.allow"},
                                  std::pair{"[defaults]\nleader = \"x\"\n", "defaults.leader"},
                                  std::pair{"[defaults\n", "mx.toml, line"}}) {
    configure("runc", text);
    EXPECT_NE(refusal(config).find(key), std::string::npos) << text << refusal(config);
  }
}

TEST_F(Settings, StateIsRootsAndTheReportOutlivesTheContainer) {
  configure("runc", "[report]\nkeep = \"1h\"\n");
  Json config = with({{"run.mx.new", "image:app:new"}});
  config["process"]["args"] = {"/bin/sh", "-c",
                               "echo up; trap 'exit 3' TERM; while :; do sleep 0.1; done"};
  write_config(config);
  start_container(runtime(), "m");
  expect_lines("m", "up", 1);
  EXPECT_EQ(ok("stat -c %a:%u $W/state $W/state/m $W/state/m/out $W/store/containers/m | sort | "
               "uniq -c | tr -s ' '"),
            // the upper layer is the container's own root: its mode is the image's
            " 3 700:0\n 1 755:0");
  EXPECT_EQ(ok("$MX ps | tail -1 | tr -s ' ' | cut -d' ' -f1,2,3"), "m paired old");
  EXPECT_EQ(ok("$MX ps --json | jq -r '.[0] | .kind, .status.leader'"), "container\nold");
  EXPECT_EQ(ok("$MX events m | jq -r 'select(.event == \"start\").version' | sort"), "new\nold");
  EXPECT_NE(ok("$MX status m").find("leader     old"), std::string::npos);
  EXPECT_NE(ok("$MX promote m new").find("new leads"), std::string::npos);
  EXPECT_EQ(ok("$R --root $ROOT exec m cat /etc/version"), "new");
  ok("$R --root $ROOT kill m TERM");
  EXPECT_TRUE(wait_for("test -z \"$(ls $W/state)\""));
  EXPECT_EQ(ok("$MX ps | tail -n +2"), "");
  EXPECT_EQ(ok("$MX ps -a | tail -1 | tr -s ' ' | cut -d' ' -f1,2"), "m removed");
  EXPECT_EQ(ok("$MX events m | tail -1 | jq .status"), "3");
  EXPECT_EQ(ok("stat -c %a $W/store/reports"), "700");
  // Until its time is over; the next creation deletes it.
  Json other = with({{"run.mx.new", "image:app:new"}});
  write_config(other);
  ok("cd $W/bundle && $R --root $ROOT run other </dev/null");
  EXPECT_EQ(ok("$MX events m | tail -1 | jq .status"), "3");
  ok("touch -d '61 minutes ago' $W/store/reports/m-*; cd $W/bundle && $R --root $ROOT run other "
     "</dev/null");
  EXPECT_EQ(shell("$MX events m").status, 1);
  EXPECT_EQ(ok("$MX events other | tail -1 | jq .status"), "0");
}

}  // namespace
}  // namespace mx::engines
