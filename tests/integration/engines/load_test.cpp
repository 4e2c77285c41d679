// Fifty containers with two versions under dockerd, four at a time, and nothing is left of them.
#include "tests/integration/engines/support/docker.hpp"

namespace mx::engines {
namespace {

class Load : public Docker {};

TEST_F(Load, FiftyContainersFourAtATimeLeaveNothing) {
  const std::string parent = "mx-load-" + folder_.filename().string();
  setenv("PARENT", parent.c_str(), 1);
  ok("cat > $W/one.sh <<'EOS'\n"
     "# Every other one is removed while it runs; of those the leader is killed first.\n"
     "run=\"$RUN --cgroup-parent /$PARENT -v $W/vol:/v\"\n"
     "if [ $(($1 % 2)) = 0 ]; then $run --rm app:old cat /etc/version; exit; fi\n"
     "id=$($run -d app:old sleep 1000) || exit\n"
     "$DOCKER exec $id cat /etc/version\n"
     "pid=$(sed -n 's/.*\"start\",\"version\":\"old\",\"pid\":\\([0-9]*\\).*/\\1/p' "
     "$W/state/$id/out/report.jsonl)\n"
     "$DOCKER exec $id kill -9 $pid\n"
     "until $DOCKER exec $id cat /etc/version | grep new; do sleep 0.1; done\n"
     "$DOCKER rm -f $id > /dev/null\n"
     "EOS\n"
     "mkdir $W/vol; touch $W/vol/file");
  ok("seq 1 50 | timeout 300 xargs -P 4 -I{} bash -c 'bash $W/one.sh {} || echo failed {}' > "
     "$W/outs 2> $W/errs");
  EXPECT_EQ(ok("sort $W/outs | uniq -c | tr -s ' '"), " 25 new\n 50 old")
      << ok("cat $W/errs; tail -5 $W/dockerd.log");
  EXPECT_EQ(ok("$DOCKER ps -aq"), "");
  // By this test's own names: other containers may come and go on the machine.
  EXPECT_TRUE(wait_for("test -z \"$(ls $W/state $W/store/containers | grep -v :)\""))
      << ok("ls $W/state $W/store/containers");
  EXPECT_EQ(ok("grep -l $PARENT /proc/[0-9]*/cgroup 2>/dev/null || true"), "");
  EXPECT_EQ(ok("find /sys/fs/cgroup -mindepth 2 -type d -path \"*/$PARENT/*\""), "");
  // Every mount namespace on the machine: the daemon's and the shims' are among them.
  EXPECT_EQ(ok("cat /proc/[0-9]*/mountinfo 2>/dev/null | grep $W | grep -e /store/ -e /state/ -e "
               "overlay -e /.mx || true"),
            "");
  EXPECT_EQ(ok("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c -e "
               "\"containerd-shim[^|]*$W\" || true"),
            "0");
  EXPECT_EQ(ok("ls $W/exec/runtime-mx/moby 2>/dev/null || ls $W/exec/runtime-runc/moby 2>/dev/null "
               "|| true"),
            "");
  EXPECT_EQ(ok("ls $W/data/containers"), "");
  EXPECT_EQ(ok("ls $W/vol"), "file");
  EXPECT_EQ(ok("ls $W/store/reports | wc -l"), "50");
  shell("rmdir $(find /sys/fs/cgroup -depth -type d -name $PARENT)");
}

}  // namespace
}  // namespace mx::engines
