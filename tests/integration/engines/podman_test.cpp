// podman 4.3 with its own storage: as runtime, and by the precreate hook with an untouched runtime.
#include <fstream>

#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

class Podman : public Workshop {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    make_trees();
    // conmon clears the environment, so the configuration file is named by a script.
    ok("mkdir $W/tools && printf '%s\\n' '#!/bin/sh' \"MX_CONFIG=$W/mx.toml exec $R \\\"\\$@\\\"\" "
       "> $W/tools/mx && "
       "chmod +x $W/tools/mx");
    ok("$IMAGE configure podman --config $W/containers.conf --runtime $W/tools/mx");
    ok("mkdir $W/hooks.d");
    const Json hook = {
        {"version", "1.0.0"},
        {"hook",
         {{"path", (folder_ / "libexec/mx-hook").string()},
          {"args", {"mx-hook", "precreate"}},
          {"env",
           {"MX_CONFIG=" + (folder_ / "mx.toml").string(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}}}},
        {"when", {{"annotations", {{"^run\\.mx\\.(old|new)$", ".*"}}}}},
        {"stages", {"precreate"}}};
    std::ofstream(folder_ / "hooks.d/run.mx.json") << hook.dump(1);
    setenv("CONTAINERS_CONF", (folder_ / "containers.conf").c_str(), 1);
    setenv("PODMAN",
           ("timeout 60 podman --root " + folder_.string() + "/p --runroot " + folder_.string() +
            "/pr --tmpdir " + folder_.string() +
            "/pt --storage-driver vfs --cgroup-manager cgroupfs --events-backend file")
               .c_str(),
           1);
    setenv("OPTS",
           "--network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --hostname box", 1);
    for (const char* version : {"old", "new"})
      ok(std::string("tar -C $W/") + version + " -c . | $PODMAN import - app:" + version);
    ok("$IMAGE image add app:new dir:$W/new");
  }

  void expect_same(const std::string& options, const std::string& command, int status = 0) {
    const Outcome native =
        shell("$PODMAN --runtime runc run --rm $OPTS " + options + " app:old " + command);
    const Outcome mx =
        shell("$PODMAN --runtime mx run --rm $OPTS --annotation run.mx.new=image:app:new " +
              options + " app:old " + command);
    EXPECT_EQ(native.status, status) << options << native.errors;
    EXPECT_EQ(mx.status, status) << options << mx.errors;
    EXPECT_EQ(native.output, mx.output) << options;
  }
};

TEST_F(Podman, OptionsOfRunMeanWhatTheyMeanUnderRunc) {
  const std::string look =
      "sh -c 'id; grep -E \"^(Cap|Seccomp:|NoNew|Groups)\" /proc/self/status; env | sort | grep -v "
      "SHLVL; pwd; "
      "ulimit -n; touch /x 2>&1; touch /tmp/x 2>&1; umask; cat /etc/hostname'";
  expect_same("", look);
  expect_same("--user 1000:1000", look);
  expect_same("--cap-drop=ALL --security-opt no-new-privileges", look);
  expect_same("--cap-add=net_raw --user 1000", look);
  expect_same("--read-only", look);
  expect_same("", "sh -c 'exit 17'", 17);
  expect_same("", "nosuchprogram", 127);
}

TEST_F(Podman, ImageMountAsTheSecondVersion) {
  EXPECT_EQ(ok("$PODMAN --runtime mx run --rm $OPTS --annotation run.mx.new=volume:/img "
               "--annotation run.mx.leader=new "
               "--mount type=image,source=app:new,destination=/img app:old cat /etc/version"),
            "new");
}

TEST_F(Podman, ErrorsReachTheUser) {
  const Outcome outcome = shell(
      "$PODMAN --runtime mx run --rm $OPTS --annotation run.mx.new=image:nosuch app:old true");
  EXPECT_EQ(outcome.status, 126);
  EXPECT_NE(outcome.errors.find("run.mx.new: there is no image nosuch"), std::string::npos)
      << outcome.errors;
}

TEST_F(Podman, ExecTakesTheUsersRights) {
  ok("$PODMAN --runtime mx run -d --name c $OPTS --annotation run.mx.new=image:app:new app:old "
     "sleep 1000");
  ok("$PODMAN --runtime runc run -d --name n $OPTS app:old sleep 1000");
  const std::string look = "grep -E 'Cap|NoNew|Seccomp:' /proc/self/status";
  EXPECT_EQ(ok("$PODMAN --runtime mx exec c " + look), ok("$PODMAN --runtime runc exec n " + look));
  EXPECT_EQ(ok("$PODMAN --runtime mx exec c cat /etc/version"), "old");
  ok("$PODMAN rm -f -t 1 c n");
  EXPECT_TRUE(wait_for("test -z \"$(ls $W/state)\""));
}

TEST_F(Podman, PrecreateHookWithAnUntouchedRuntime) {
  EXPECT_EQ(ok("$PODMAN --runtime runc --hooks-dir $W/hooks.d run --rm $OPTS --annotation "
               "run.mx.new=image:app:new "
               "--annotation run.mx.leader=new app:old cat /etc/version"),
            "new");
  EXPECT_EQ(ok("ls $W/state"), "");
  EXPECT_NE(ok("ls $W/store/reports"), "");
  // `podman exec` takes capabilities from the bundle: the original must be back (trap 1).
  ok("$PODMAN --runtime runc --hooks-dir $W/hooks.d run -d --name hooked $OPTS --annotation "
     "run.mx.new=image:app:new app:old sleep 1000");
  ok("$PODMAN --runtime runc run -d --name native $OPTS app:old sleep 1000");
  const std::string look = "grep -E 'Cap' /proc/self/status";
  EXPECT_EQ(ok("$PODMAN --runtime runc exec hooked " + look),
            ok("$PODMAN --runtime runc exec native " + look));
  ok("$PODMAN rm -f -t 1 hooked native");
  // Not asked for: the hook is not called, nothing changes.
  EXPECT_EQ(
      ok("$PODMAN --runtime runc --hooks-dir $W/hooks.d run --rm $OPTS app:old cat /etc/version"),
      "old");
}

TEST_F(Podman, LighttpdServesOnWhenAVersionCrashesUnderLoad) {
  add_lighttpd(17453);
  ok("tar -C $W/old -c . | $PODMAN import - lighttpd:old; $IMAGE image add lighttpd:new "
     "dir:$W/new");
  for (const char* version : {"old", "new"}) {
    ok("$PODMAN --runtime mx run -d --name c ${OPTS/none/host} --annotation "
       "run.mx.new=image:lighttpd:new lighttpd:old "
       "/usr/sbin/lighttpd -D -f /etc/lighttpd.conf");
    const std::string about =
        "$PODMAN inspect -f '{{.Id}} {{.State.Pid}} {{.State.Status}} {{.RestartCount}}' c";
    const std::string before = ok(about);
    crash_under_load(17453, version, false);
    EXPECT_EQ(ok(about), before);
    EXPECT_NE(before.find(" running 0"), std::string::npos) << before;
    ok("$PODMAN stop -t 10 c");
    EXPECT_EQ(ok("$PODMAN inspect -f '{{.State.ExitCode}}' c"), "0");
    ok("$PODMAN rm c");
  }
}

// As a user without any rights: overlays in a user namespace, the image mounted by podman.
TEST_F(Podman, TheExampleRunsRootless) {
  ok("mkdir -p $W/less/home $W/less/run && chown -R nobody $W/less && chmod 700 $W/less/run");
  // The defaults of a user: state and store below his own folders.
  std::ofstream(folder_ / "less.toml")
      << "[runtime]\ninner = \"runc\"\n[paths]\nlibexec = \"" << (folder_ / "libexec").string()
      << "\"\nmonitor = \"" MX_MONITOR "\"\n";
  ok("sed -i s/mx.toml/less.toml/ $W/tools/mx");
  std::ofstream(folder_ / "user.sh")
      << "export HOME=$W/less/home XDG_RUNTIME_DIR=$W/less/run\ncd $HOME\n"
      << "export PODMAN='podman --storage-driver vfs --cgroup-manager cgroupfs --events-backend "
         "file'\n"
      << "export PODMAN_OPTIONS='--network none --ulimit nofile=1024:1024 --ulimit "
         "nproc=1024:1024'\n"
      << "for v in old new; do $PODMAN import - app:$v < $W/$v.tar >/dev/null 2>&1 || exit 1; "
         "done\n"
      << "$PODMAN --runtime runc run --rm $PODMAN_OPTIONS app:old cat /etc/version || exit "
         "77\n" MX_SOURCE "/examples/podman/run.sh\n";
  ok("for v in old new; do tar --owner=0 --group=0 -C $W/$v -cf $W/$v.tar .; done");
  const Outcome outcome =
      shell("timeout 120 setpriv --reuid nobody --regid nogroup --clear-groups bash $W/user.sh");
  if (outcome.status == 77)
    GTEST_SKIP() << "rootless podman does not run here natively: " << outcome.errors;
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, "old\nold\n") << outcome.errors;
  EXPECT_EQ(
      ok("grep -c '\"exit\".*\"status\":0' $W/less/home/.local/share/mx/reports/*/report.jsonl"),
      "1");
}

TEST_F(Podman, TheExampleRuns) {
  EXPECT_EQ(ok("PODMAN_OPTIONS=\"$OPTS\" " MX_SOURCE "/examples/podman/run.sh"), "old");
}

}  // namespace
}  // namespace mx::engines
