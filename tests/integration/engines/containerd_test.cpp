// containerd 1.6 by ctr, with mx-runtime as the shim's runc.
#include <fstream>

#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

class Containerd : public Workshop {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    make_trees();
    std::ofstream(folder_ / "config.toml")
        << "version = 2\nroot = \"" << (folder_ / "root").string() << "\"\nstate = \""
        << (folder_ / "st").string() << "\"\n[grpc]\n  address = \""
        << (folder_ / "c.sock").string() << "\"\n"
        << "[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"localhost/pause:1\"\n"
        << "  restrict_oom_score_adj = true\n  disable_cgroup = true\n"
        << "  [plugins.\"io.containerd.grpc.v1.cri\".cni]\n    conf_dir = \""
        << (folder_ / "cni").string() << "\"\n";
    ok("$IMAGE configure containerd --config $W/config.toml --runtime $R");
    start_daemon("containerd -c $W/config.toml", folder_ / "containerd.log");
    setenv("CTR", ("timeout 60 ctr -a " + folder_.string() + "/c.sock").c_str(), 1);
    ASSERT_TRUE(wait_for("$CTR version")) << ok("tail -5 $W/containerd.log");
    ok("mkdir $W/lay && umoci init --layout $W/lay/l && umoci new --image $W/lay/l:old && "
       "umoci unpack --image $W/lay/l:old $W/lay/b && cp -a $W/old/. $W/lay/b/rootfs/ && "
       "umoci repack --image $W/lay/l:old $W/lay/b && umoci config --image $W/lay/l:old "
       "--config.cmd /bin/sh && "
       "umoci config --image $W/lay/l:old --config.env PATH=/bin && "
       "skopeo --insecure-policy copy -q oci:$W/lay/l:old "
       "docker-archive:$W/old.tar:localhost/app:old && "
       "$CTR images import $W/old.tar");
    ok("$IMAGE image add app:new dir:$W/new");
    setenv(
        "RUN",
        ("$CTR run --rm --runtime io.containerd.runc.v2 --runc-binary " + runtime() + " ").c_str(),
        1);
  }
};

TEST_F(Containerd, ContainersByCtr) {
  const std::string native = "$CTR run --rm localhost/app:old n ";
  const std::string mx = "eval $RUN --annotation run.mx.new=image:app:new localhost/app:old m ";
  // Without a profile "Seccomp" is 0 natively and 2 here: mx has a filter.
  const std::string look = "grep -E 'Cap|NoNew' /proc/self/status";
  EXPECT_EQ(ok(native + look), ok(mx + "\"" + look + "\""));
  EXPECT_EQ(ok(mx + "cat /etc/version"), "old");
  EXPECT_EQ(ok("eval $RUN --annotation run.mx.new=image:app:new --annotation run.mx.leader=new "
               "localhost/app:old m cat /etc/version"),
            "new");
  EXPECT_EQ(shell(mx + "sh -c '\"exit 23\"'").status, 23);
  const Outcome wrong =
      shell("eval $RUN --annotation run.mx.new=image:nosuch localhost/app:old m true");
  EXPECT_NE(wrong.status, 0);
  EXPECT_NE(wrong.errors.find("run.mx.new: there is no image nosuch"), std::string::npos)
      << wrong.errors;
  EXPECT_EQ(ok("ls $W/state"), "");
}

TEST_F(Containerd, TaskVerbs) {
  ok("eval $CTR run -d --runtime io.containerd.runc.v2 --runc-binary $R --annotation "
     "run.mx.new=image:app:new "
     "localhost/app:old c sleep 1000");
  EXPECT_EQ(ok("$CTR task exec --exec-id e c cat /etc/version"), "old");
  ok("$CTR task pause c && $CTR task resume c");
  EXPECT_NE(ok("$CTR task ls").find("RUNNING"), std::string::npos);
  ok("$CTR task kill -s KILL c");
  ASSERT_TRUE(wait_for("$CTR task ls | grep -q STOPPED"));
  ok("$CTR task rm c; $CTR container rm c");
  EXPECT_EQ(ok("ls $W/state"), "");
}

// Images from scratch: one static program and nothing else; a program with musl's loader. The new
// version is another build.
TEST_F(Containerd, ImagesWithoutAShellServeOnWhenAVersionCrashesUnderLoad) {
  const std::string source = MX_SOURCE "/tests/integration/engines/support/server.c";
  for (const auto& [kind, compiler] :
       {std::pair{"static", "gcc -static"}, std::pair{"musl", "musl-gcc"}}) {
    setenv("KIND", kind, 1);
    ok("mkdir -p $W/$KIND/new/lib && cp -L /lib/ld-musl-x86_64.so.1 $W/$KIND/new/lib/ && cp -a "
       "$W/$KIND/new $W/$KIND/old && " +
       std::string(compiler) + " -O1 -o $W/$KIND/old/server " + source + " && " + compiler +
       " -O2 -o $W/$KIND/new/server " + source + "; [ $KIND = musl ] || rm -r $W/$KIND/*/lib");
    ok("umoci new --image $W/lay/l:$KIND && umoci insert --image $W/lay/l:$KIND $W/$KIND/old / && "
       "skopeo --insecure-policy copy -q oci:$W/lay/l:$KIND "
       "docker-archive:$W/$KIND.tar:localhost/server:$KIND && "
       "$CTR images import $W/$KIND.tar && $IMAGE image add server:$KIND dir:$W/$KIND/new");
    for (const char* version : {"old", "new"}) {
      ok("$CTR run -d --net-host --runtime io.containerd.runc.v2 --runc-binary $R --annotation "
         "run.mx.new=image:server:$KIND localhost/server:$KIND s /server 17454");
      const std::string task = "$CTR task ls | grep '^s ' | tr -s ' '", before = ok(task);
      EXPECT_NE(before.find("RUNNING"), std::string::npos) << before;
      crash_under_load(17454, version, false);
      EXPECT_EQ(ok(task), before);  // id, pid, running
      ok("$CTR task kill -s KILL s");
      ASSERT_TRUE(wait_for("$CTR task ls | grep -q STOPPED"));
      ok("$CTR task rm s; $CTR container rm s");
    }
  }
  EXPECT_EQ(ok("ls $W/state"), "");
}

TEST_F(Containerd, TheExampleRuns) {
  EXPECT_NE(ok("CTR=\"$CTR\" MX=$IMAGE RUNTIME=$R NEW_TREE=$W/new " MX_SOURCE
               "/examples/containerd/run.sh")
                .find("old"),
            std::string::npos);
}

// What a kubelet does: a sandbox with the handler mx, two containers, exec, logs, stop.
TEST_F(Containerd, KubernetesInterface) {
  ok("mkdir -p $W/cni $W/logs && echo 'int main(void) { for (;;) __builtin_ia32_pause(), pause(); "
     "}' | "
     "sed '1i #include <unistd.h>' > $W/pause.c && mkdir -p $W/pause && gcc -static -O -o "
     "$W/pause/pause $W/pause.c && "
     "umoci new --image $W/lay/l:pause && umoci insert --image $W/lay/l:pause $W/pause/pause "
     "/pause && "
     "umoci config --image $W/lay/l:pause --config.entrypoint /pause && "
     "skopeo --insecure-policy copy -q oci:$W/lay/l:pause "
     "docker-archive:$W/pause.tar:localhost/pause:1 && "
     "$CTR -n k8s.io images import $W/pause.tar && $CTR -n k8s.io images import $W/old.tar");
  const std::string script = MX_SOURCE "/tests/integration/engines/support/cri.py";
  const Outcome outcome = shell(
      "timeout 100 /usr/bin/python3 " + script +
      " $W/c.sock localhost/app:old $W/logs $W/state run.mx.new=image:app:new run.mx.leader=new");
  EXPECT_EQ(outcome.output,
            "version new 0\nstatus of exec 6\nstates 1 1\nlog new\nkilled 0\nafter the crash 1 "
            "attempt 0 same start True old 0\nstopped 2 4\n")
      << outcome.errors.substr(0, 3000) << ok("tail -5 $W/containerd.log");
  EXPECT_EQ(ok("ls $W/state"), "");
}

}  // namespace
}  // namespace mx::engines
