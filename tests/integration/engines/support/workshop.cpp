#include "tests/integration/engines/support/workshop.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <thread>

#include "oci/base/files.hpp"
#include "oci/base/run_program.hpp"

namespace mx::engines {

Outcome shell(const std::string& command) {
  const oci::ProgramResult result = oci::run_program({"/bin/bash", "-c", command});
  return {result.status, result.output, result.errors};
}

std::string ok(const std::string& command) {
  Outcome outcome = shell(command);
  EXPECT_EQ(outcome.status, 0) << command << "\n" << outcome.output << outcome.errors;
  while (outcome.output.ends_with("\n")) outcome.output.pop_back();
  return outcome.output;
}

void add_bind(Json& config, const std::string& destination, const std::filesystem::path& source,
              const std::vector<std::string>& options) {
  config["mounts"].push_back({{"destination", destination},
                              {"type", "bind"},
                              {"source", source.string()},
                              {"options", options}});
}

bool wait_for(const std::string& command, int seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (shell(command).status != 0) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

std::string runtime() { return MX_RUNTIME; }
std::string image_tool() { return MX_IMAGE_TOOL; }

void Workshop::SetUp() {
  std::string name = "/tmp/mx-engines.XXXXXX";
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  folder_ = name;
  ASSERT_EQ(chmod(name.c_str(), 0755), 0);
  setenv("W", name.c_str(), 1);
  setenv("R", MX_RUNTIME, 1);
  setenv("MX_CONFIG", (name + "/mx.toml").c_str(), 1);
  setenv("IMAGE", MX_IMAGE_TOOL, 1);
  setenv("MX", MX_COMMAND, 1);
  setenv("MX_STATE_DIR", (name + "/state").c_str(), 1);
  ok("mkdir -p $W/libexec && ln -s " MX_HOOK " $W/libexec/mx-hook && ln -s " MX_ENTER
     " $W/libexec/mx-enter && ln -s " MX_TABLES " $W/libexec/mx-tables && ln -s " MX_ANALYZE
     " $W/libexec/mx-analyze && ln -s " MX_ANALYZE_FULL " $W/libexec/mx-analyze-full");
  configure("runc");
}

void Workshop::end_daemons(std::vector<pid_t>& daemons) {
  for (auto daemon = daemons.rbegin(); daemon != daemons.rend(); ++daemon) {
    kill(*daemon, SIGTERM);
    waitpid(*daemon, nullptr, 0);
  }
  daemons.clear();
}

void Workshop::TearDown() {
  end_daemons(daemons_);
  leave(!HasFailure());
}

void Workshop::leave(bool nothing) {
  shell(
      "for m in $(awk '{print $5}' /proc/self/mountinfo | grep \"^$W/\" | sort -r); do umount -l "
      "$m; done");
  if (nothing) shell("rm -rf $W");
}

void Workshop::configure(const std::string& inner, const std::string& more) {
  std::ofstream(folder_ / "mx.toml")
      << "[runtime]\ninner = \"" << inner << "\"\n[paths]\nstate = \""
      << (folder_ / "state").string() << "\"\nstore = \"" << (folder_ / "store").string()
      << "\"\ncache = \"" << (folder_ / "cache").string() << "\"\nlibexec = \""
      << (folder_ / "libexec").string() << "\"\nmonitor = \"" MX_MONITOR "\"\n"
      << more;
}

void Workshop::make_trees() {
  ok("for v in old new; do mkdir -p $W/$v/{bin,proc,sys,dev,tmp,etc,run,var}; chmod 1777 $W/$v/tmp;"
     " cp /bin/busybox $W/$v/bin/; for a in sh cat ls id grep sleep echo stat touch env head tail "
     "kill"
     " mkdir chmod nc true false trap umount mount ps ln dd; do ln -s busybox $W/$v/bin/$a; done;"
     " echo $v > $W/$v/etc/version; printf "
     "\"root:x:0:0::/root-$v:/bin/sh\\nu:x:1000:1000::/home/$v:/bin/sh\""
     " > $W/$v/etc/passwd; touch $W/$v/etc/{hosts,hostname,resolv.conf}; done;"
     " ln -s ../run $W/new/var/run; mkdir $W/old/var/run; echo secret > $W/old/etc/only-old;"
     " rm $W/new/etc/resolv.conf; ln -s ../run/systemd/resolv.conf $W/new/etc/resolv.conf");
}

void Workshop::add_program(const std::string& program) {
  ok("for v in old new; do for f in " + program + " $(ldd " + program +
     " | grep -o '/lib[^ ]*' | sort -u); do "
     "mkdir -p $W/$v$(dirname $f); cp -L $f $W/$v$f; done; done");
}

void Workshop::add_redis() { add_program("/usr/bin/redis-server"); }

void Workshop::add_nginx(int port) {
  add_program("/usr/sbin/nginx");
  std::ofstream(folder_ / "nginx.conf")
      << "user root root; daemon off; worker_processes 1; pid /tmp/pid; error_log stderr;\n"
         "events { worker_connections 256; }\nhttp { access_log off; keepalive_requests 100000000; "
         "server { listen "
      << port << "; root /srv; } }\n";
  ok("for v in old new; do mkdir -p $W/$v/srv $W/$v/var/lib/nginx $W/$v/var/log/nginx; echo "
     "root:x:0: > $W/$v/etc/group; "
     "cp $W/nginx.conf $W/$v/etc/; echo page > $W/$v/srv/index.html; done");
}

void Workshop::add_lighttpd(int port) {
  add_program("/usr/sbin/lighttpd");
  std::ofstream(folder_ / "lighttpd.conf")
      << "server.document-root = \"/srv\"\nserver.port = " << port
      << "\nserver.max-keep-alive-requests = 100000000\nindex-file.names = "
         "(\"index.html\")\netag.use-inode = \"disable\"\n"
         "mimetype.assign = (\".html\" => \"text/html\")\n";
  ok("for v in old new; do mkdir -p $W/$v/srv $W/$v/usr/lib; cp -a /usr/lib/lighttpd "
     "$W/$v/usr/lib/; cp $W/lighttpd.conf "
     "$W/$v/etc/; echo page > $W/$v/srv/index.html; touch -d @1 $W/$v/srv/index.html; done");
}

void Workshop::crash_under_load(int port, const std::string& version, bool worker) {
  const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/";
  ASSERT_TRUE(wait_for("curl -sf " + url)) << report();
  ok("rm -f $W/wrk");
  start_daemon("wrk -t 1 -c 20 -d 2s --timeout 30s " + url, folder_ / "wrk");
  char clients[100];
  snprintf(clients, sizeof clients, "[ $(grep -c ':%04X 01 ' /proc/net/tcp) -ge 20 ]", port);
  ASSERT_TRUE(wait_for(clients));
  std::string pid = host_pid_of(version);
  if (worker)
    pid = ok("for p in $(cat /proc/" + pid +
             "/task/*/children); do ! grep -q worker /proc/$p/cmdline || echo $p; done");
  ok(MX_SOURCE "/tests/integration/engines/support/ruin.py " + pid);
  EXPECT_TRUE(
      wait_for("grep -q '\"crash\",\"version\":\"" + version + "\"' $W/state/*/out/report.jsonl"))
      << report();
  EXPECT_TRUE(wait_for("grep -q Requests/sec $W/wrk"));
  EXPECT_EQ(ok("grep -e 'Socket errors' -e Non-2xx $W/wrk || true"), "") << report();
  EXPECT_EQ(ok("curl -sf " + url), "page");
  const bool led = version == "old";
  EXPECT_EQ(ok("grep -c '\"failover\".*\"from\":\"old\",\"to\":\"new\"' "
               "$W/state/*/out/report.jsonl || true"),
            led ? "1" : "0")
      << report();
}

std::string Workshop::pid_of(const std::string& version) {
  return ok("sed -n 's/.*\"start\",\"version\":\"" + version +
            "\",\"pid\":\\([0-9]*\\).*/\\1/p' $W/state/*/out/report.jsonl");
}

std::string Workshop::host_pid_of(const std::string& version) {
  const std::string inside =
      ok("$MX status --json $(ls $W/state) | jq '.versions." + version + ".pids[0]'");
  const std::string init = ok("jq .pid $W/state/*/meta.json");
  return ok("for p in $(cat /proc/" + init +
            "/task/*/children); do ! grep -qs \"^NSpid:.*[[:space:]]" + inside +
            "$\" /proc/$p/status || echo $p; done");
}

bool Workshop::wait_for_checkpoints() {
  return wait_for(
      "$MX status --json $(ls $W/state) | jq -e '.checkpoints | .old.asleep and .new.asleep'");
}

Json Workshop::default_config() {
  ok("mkdir -p $W/bundle && cd $W/bundle && rm -f config.json && runc spec");
  Json config = Json::parse(oci::read_file(folder_ / "bundle/config.json"));
  config["root"] = {{"path", (folder_ / "old").string()}, {"readonly", false}};
  config["process"]["terminal"] = false;
  // Root without CAP_SYS_RESOURCE cannot raise limits; the machine's own are kept.
  config["process"]["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 1000}, {"hard", 1024}}};
  // By default it is named after the container: two tests at a time would share one.
  config["linux"]["cgroupsPath"] = "/" + folder_.filename().string();
  Json namespaces = Json::array();
  for (const Json& space : config["linux"]["namespaces"])
    if (space["type"] != "network") namespaces.push_back(space);
  config["linux"]["namespaces"] = namespaces;
  return config;
}

void Workshop::write_config(const Json& config) {
  std::ofstream(folder_ / "bundle/config.json") << config.dump(1);
}

void Workshop::start_container(const std::string& program, const std::string& id) {
  ok("rm -f $W/say && mkfifo $W/say");
  start_daemon("sleep 1000 > " + (folder_ / "say").string(), folder_ / "keeper.log");
  start_daemon("bash -c 'cd " + (folder_ / "bundle").string() + " && exec " + program + " --root " +
                   (folder_ / "rt").string() + " run " + id + " < " + (folder_ / "say").string() +
                   " > " + (folder_ / (id + ".out")).string() + "'",
               folder_ / (id + ".err"));
}

void Workshop::expect_lines(const std::string& id, const std::string& line, int count) {
  EXPECT_TRUE(
      wait_for("test $(grep -c '" + line + "' $W/" + id + ".out) = " + std::to_string(count)))
      << ok("cat $W/" + id + ".out $W/" + id +
            ".err; cat $W/state/*/out/report.jsonl 2>/dev/null; true");
}

std::string Workshop::report() { return ok("cat $W/state/*/out/report.jsonl"); }

pid_t Workshop::start_daemon(const std::string& command, const std::string& log) {
  const pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);  // a test that is killed leaves nothing either
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, 1);
    dup2(out, 2);
    execl("/bin/bash", "bash", "-c", ("exec " + command).c_str(), nullptr);
    _exit(127);
  }
  daemons_.push_back(pid);
  return pid;
}

}  // namespace mx::engines
