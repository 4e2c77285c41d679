// One option of `docker run` after the other: what it gives under runc it gives with two versions.
#include <fstream>

#include "tests/integration/engines/support/docker.hpp"

namespace mx::engines {
namespace {

class DockerRun : public Docker {};

// docker_test.cpp has the options that are used most.
TEST_F(DockerRun, WhatTheProgramIsGiven) {
  std::ofstream(folder_ / "env") << "A=b\nC=d e\n";
  expect_same(
      "--env-file $W/env -e A=other -e EMPTY= -w /srv/deep --user 1000 --group-add 12 --ulimit "
      "nofile=100:200 "
      "--ulimit core=0 --oom-score-adj 300 --add-host other:10.1.2.3 --domainname where --label "
      "a=b --name box",
      "sh -c 'echo $A/$C/$EMPTY/$WHO; pwd; ls -ld .; id; echo x > /etc/x; cat /proc/self/limits "
      "/proc/self/oom_score_adj; "
      "grep other /etc/hosts; cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname'");
  expect_same("--entrypoint /bin/cat --user u", "/etc/version");
}

TEST_F(DockerRun, Rights) {
  const std::string attempts =
      "sh -c 'grep -E \"^(Cap|NoNew)\" /proc/self/status; busybox chown 5 /tmp 2>&1; "
      "busybox chroot / true 2>&1; mount -t tmpfs t /tmp 2>&1; busybox mknod /tmp/d c 1 3 2>&1'";
  for (const char* options : {"--cap-drop=ALL --cap-add=CHOWN", "--cap-add=ALL",
                              "--security-opt seccomp=unconfined --cap-add=SYS_ADMIN",
                              "--cap-drop=ALL --security-opt no-new-privileges --user 1000:1000"})
    expect_same(options, attempts, -1);
  std::ofstream(folder_ / "profile.json")
      << R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]})";
  expect_same("--security-opt seccomp=$W/profile.json",
              "sh -c 'mkdir /tmp/d 2>&1; cat /etc/version'");
}

TEST_F(DockerRun, FileSystems) {
  ok("mkdir $W/vol $W/readonly && echo data > $W/readonly/file");
  // A named volume is filled from the image, and what was written stays.
  expect_same(
      "--read-only --tmpfs /t:size=64k,mode=711,noexec --shm-size 128k -v $W/vol:/v -v "
      "$W/readonly:/r:ro -v kept:/etc "
      "--mount type=tmpfs,destination=/m --device /dev/zero:/dev/mine:r",
      "sh -c 'exec 2>&1; touch /x; touch /tmp/x; touch /m/x && ls /m; stat -c \"%A %u\" /t; dd "
      "if=/dev/zero of=/t/f "
      "bs=1k count=100 2>/dev/null; "
      "stat -c %s /t/f; grep -o \" /t tmpfs [a-z,]*\" /proc/mounts; "
      "dd if=/dev/zero of=/dev/shm/f bs=1k count=200 2>/dev/null; stat -c %s /dev/shm/f; "
      "cat /r/file; echo x > /r/file; echo line > /v/out; cat /v/out; cat /etc/version; echo line "
      "> /etc/kept; "
      "head -c 3 /dev/mine | busybox wc -c; ls -l /dev/mine' 2>&1");
  EXPECT_EQ(ok("cat $W/vol/out"), "line");
  EXPECT_EQ(ok("$RUN --rm -v kept:/etc app:old cat /etc/kept"), "line");
}

TEST_F(DockerRun, NamespacesAndLimits) {
  expect_same(
      "--memory 64m --memory-swap 64m --pids-limit 50 --cpus 0.5 --cpu-shares 100 --sysctl "
      "kernel.msgmax=9000 "
      "--cgroup-parent /mx-parent-${W##*.}",
      "sh -c 'cat /proc/sys/kernel/msgmax; grep -c mx-parent /proc/self/cgroup; cd /sys/fs/cgroup; "
      "cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.shares'");
  shell(
      "rmdir $(find /sys/fs/cgroup -depth -type d -name mx-parent-${W##*.})");  // docker leaves it
  expect_same("--pid host --ipc host --uts host --hostname ''",
              "sh -c '[ $$ -gt 100 ] && echo outside; (exit 9); echo $?; busybox readlink "
              "/proc/self/ns/ipc; "
              "cat /proc/sys/kernel/hostname'");
  // An orphan is waited for: by docker-init under runc, by the monitor here. (A child of the
  // follower's may have ended just when `ps` looks, and be waited for a moment later.)
  expect_same(
      "--init",
      "sh -c 'sh -c \"sleep 0.2 & exit\"; sleep 0.5; i=0; until ! ps -o stat,args | grep -q ^Z; "
      "do sleep 0.1; i=$((i+1)); [ $i -lt 50 ] || { ps -o stat,args; break; }; done; exit 0'");
}

TEST_F(DockerRun, ExitStatuses) {
  for (const int status : {1, 125, 137, 255})
    expect_same("", "sh -c 'echo out; echo err >&2; exit " + std::to_string(status) + "'", status);
}

// The terminal and its size, an answer, an interrupt that ends the job in the foreground and not
// the shell, an exit status. No line editor: what that shows depends on when the terminal answers
// it. (docker sets the size when the container runs.)
TEST_F(DockerRun, OnATerminal) {
  const std::string talk = MX_SOURCE
      "/tests/integration/engines/support/terminal.py '$DOCKER run --rm -it --network none ";
  const std::string steps =
      " app:old sh -c \"until busybox stty size 2>&1 | grep -q 80; do sleep 0.1; done; tty; "
      "busybox stty size; "
      "test -t 2 && echo err; set -m; trap : INT; echo ready; cat; echo status \\$?; read n; exit "
      "\\$n\"' "
      "'ready' 'word\\n' 'word\\r\\nword' '\\x03' 'status 130' '6\\n'";
  const Outcome native = shell(talk + steps);
  const Outcome mx = shell(talk + "--runtime mx -e MX_NEW=image:app:new" + steps);
  EXPECT_EQ(native.status, 6) << native.output;
  EXPECT_EQ(mx.status, 6) << mx.output;
  EXPECT_EQ(native.output, mx.output);
}

// mx run inside an ordinary container of runc's: docker's own profile keeps back what a survivor
// needs to take over descriptors, and one capability gives it.
TEST_F(DockerRun, Doctor) {
  const auto examined = [](const std::string& options) {
    return shell("$DOCKER run --rm --network none --runtime runc " + options +
                 " -v " MX_COMMAND ":/mx:ro app:old /mx doctor --no-containers");
  };
  const Outcome plain = examined("");
  EXPECT_EQ(plain.status, 1) << plain.output << plain.errors;
  EXPECT_NE(plain.output.find("failed  pidfd_getfd"), std::string::npos) << plain.output;
  EXPECT_NE(plain.output.find("--cap-add SYS_PTRACE"), std::string::npos) << plain.output;
  const Outcome traced = examined("--cap-add SYS_PTRACE");
  EXPECT_EQ(traced.status, 0) << traced.output << traced.errors;
  EXPECT_NE(traced.output.find("ok      survival"), std::string::npos) << traced.output;
}

TEST_F(DockerRun, AttachAndDetach) {
  const std::string talk = MX_SOURCE "/tests/integration/engines/support/terminal.py '";
  ok("$RUN -dit --name box app:old sh -c 'while read l; do echo got $l; done; exit 9'");
  const Outcome first =
      shell(talk + "$DOCKER attach box' '' 'one\\n' 'got one' '\\x10\\x11' 'read escape' ''");
  EXPECT_EQ(first.status, 1) << first.output;  // docker's status for a detach
  EXPECT_EQ(inspect("box", ".State.Running"), "true");
  const Outcome second = shell(talk + "$DOCKER attach box' '' 'two\\n' 'got two' '\\x04'");
  EXPECT_EQ(second.status, 9) << second.output;
  EXPECT_EQ(ok("$DOCKER logs box | tr -d '\\r' | grep -c ^got"), "2");
  // Without a terminal: what goes in comes to the program, and its end too.
  EXPECT_EQ(shell("printf 'a\\nb\\n' | $RUN --rm -i app:old sh -c 'while read l; do echo got $l; "
                  "done; exit 8'")
                .output,
            "got a\ngot b\n");
  ok("$DOCKER rm box");
}

}  // namespace
}  // namespace mx::engines
