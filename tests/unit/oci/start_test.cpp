// mx_start in a real child process, as root: what the program sees is read from its /proc.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "oci/start/identity.hpp"
#include "oci/start/settings_json.hpp"

namespace mx::start {
namespace {

struct Result {
  int status = 0;
  std::string output;
};

Result run(const VersionSettings& settings, const Hooks& hooks = {}) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  const Launch launch(settings, {});
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    _exit(exit_status_for(apply_identity(launch, hooks)));
  }
  close(ends[1]);
  Result result;
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    result.output.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

VersionSettings shell(const std::string& script) {
  VersionSettings v;
  v.name = "old";
  v.args = {"sh", "-c", script};
  v.env = {"PATH=/usr/bin:/bin"};
  return v;
}

TEST(Start, TakesTheWholeIdentity) {
  VersionSettings v = shell(
      "id -u; id -g; id -G; pwd; umask; ulimit -n; echo $HOME; "
      "grep -E '^(Cap|NoNew)' /proc/self/status; ls /proc/self/fd | wc -l");
  v.uid = 65534;
  v.gid = 12;
  v.additional_gids = {7, 8};
  v.umask = 027;
  v.cwd = "/usr";
  v.limits = {{RLIMIT_NOFILE, 99, 100}};
  v.no_new_privileges = true;
  const uint64_t chown = *capability_bit("CAP_CHOWN"), raw = *capability_bit("CAP_NET_RAW");
  v.capabilities = {chown | raw, chown, chown, chown, chown};
  const int leaked = open("/", O_RDONLY);  // not close-on-exec: must not reach the program
  const Result result = run(v);
  close(leaked);
  EXPECT_EQ(result.output,
            "65534\n12\n12 7 8\n/usr\n0027\n99\n/nonexistent\n"
            "CapInh:\t0000000000000001\nCapPrm:\t0000000000000001\nCapEff:\t0000000000000001\n"
            "CapBnd:\t0000000000002001\nCapAmb:\t0000000000000001\nNoNewPrivs:\t1\n4\n");
  EXPECT_EQ(result.status, 0);
}

TEST(Start, ChangesTheRootAndFindsHomeThere) {
  char root[] = "/tmp/mx-start.XXXXXX";
  ASSERT_NE(mkdtemp(root), nullptr);
  ASSERT_EQ(system(("cd " + std::string(root) +
                    " && mkdir bin etc && cp /bin/busybox bin/sh && "
                    "printf 'x:x:5:5::/first:/\\nroot:x:0:0::/there:/bin/sh' > etc/passwd")
                       .c_str()),
            0);
  VersionSettings v = shell("echo $HOME; echo /*");
  v.root = root;
  EXPECT_EQ(run(v).output, "/there\n/bin /etc\n");
  ASSERT_EQ(system(("rm -r " + std::string(root)).c_str()), 0);
}

TEST(Start, CwdCannotReachADescriptorOfTheMonitor) {
  const int host = open("/usr", O_PATH | O_DIRECTORY);
  VersionSettings v = shell("pwd");
  v.cwd = "/proc/self/fd/" + std::to_string(host);
  EXPECT_EQ(run(v).status, 125);
  close(host);
}

TEST(Start, StatusesAreAShells) {
  VersionSettings v = shell("");
  v.args = {"nosuch"};
  EXPECT_EQ(run(v).status, 127);
  v.args = {"/etc/passwd"};
  EXPECT_EQ(run(v).status, 126);
  v.args = {"/bin/sh", "-c", "exit 3"};
  EXPECT_EQ(run(v).status, 3);
}

TEST(Start, HooksRunAtTheirPlaces) {
  VersionSettings v = shell("");
  Hooks hooks;
  static int calls[2];
  hooks.monitor_filter = [](void*) { return getuid() == 0 ? (calls[0] = 1, 0) : EPERM; };
  hooks.execute = [](void*, const char* program, char* const*, char* const*) {
    _exit(calls[0] == 1 && std::string(program) == "/usr/bin/sh" ? 77 : 78);
    return 0;
  };
  EXPECT_EQ(run(v, hooks).status, 77);
  hooks.monitor_filter = [](void*) { return EINVAL; };
  EXPECT_EQ(run(v, hooks).status, 125);
}

TEST(SettingsJson, ComesBackAsItWas) {
  ContainerSettings s;
  s.id = "c";
  s.threads = "serial";
  s.state_folder = "/s";
  s.notes = {"n"};
  VersionSettings v = shell("x");
  v.umask = 2;
  v.oom_score_adj = -5;
  v.limits = {{RLIMIT_CORE, 0, ~0ull}};
  v.capabilities.bounding = 0x1ffffffffff;
  v.additional_gids = {1, 2};
  s.versions = {v, shell("y")};
  EXPECT_EQ(container_settings_from_json(to_json(s)), s);
  // As an mx wrote it that had no such setting.
  std::string older = to_json(s);
  const std::string line = "\"threads\": \"serial\",";
  ASSERT_NE(older.find(line), older.npos);
  older.erase(older.find(line), line.size());
  s.threads = "parallel";
  EXPECT_EQ(container_settings_from_json(older), s);
  EXPECT_THROW(container_settings_from_json("{\"format\": 99}"), std::runtime_error);
  EXPECT_THROW(container_settings_from_json("{}"), std::runtime_error);
}

}  // namespace
}  // namespace mx::start
