// Two images with different libcs and different files of the application: each version reads its
// own, what was written is the leader's, volumes are shared. runc alone, native first.
#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

class Roots : public Workshop {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    setenv("ROOT", (folder_ / "rt").c_str(), 1);
    make_trees();
    ok("for v in old new; do mkdir -p $W/$v/lib $W/$v/app/parts $W/$v/app/old-name $W/$v/srv "
       "$W/$v/usr/share/shared; "
       "ln -s srv $W/$v/alias; echo $v > $W/$v/app/name; echo $v-linked > $W/$v/app/target; "
       "ln -s target $W/$v/app/link; echo $v-a > $W/$v/app/parts/a; echo $v > $W/$v/app/name2; "
       "echo $v > $W/$v/app/gone; done; echo b > $W/old/app/parts/b; echo c > $W/new/app/parts/c; "
       "mkdir $W/vol $W/shared; echo shared > $W/shared/file");
  }

  void add_program(const std::string& version, const std::string& compiler) {
    ok(compiler + " -O1 -w -o $W/" + version +
       "/app/user " MX_SOURCE "/tests/integration/engines/support/root_user.c");
    if (compiler == "musl-gcc")
      ok("cp -L /lib/ld-musl-x86_64.so.1 $W/" + version + "/lib/");
    else
      add_libraries(version, "$W/" + version + "/app/user");
  }

  void add_libraries(const std::string& version, const std::string& program) {
    ok("for f in $(ldd " + program + " | grep -o '/lib[^ ]*' | sort -u); do mkdir -p $W/" +
       version + "$(dirname $f); cp -L $f $W/" + version + "$f; done");
  }

  void write(const std::vector<std::string>& args, bool two) {
    Json config = default_config();
    config["process"]["args"] = args;
    if (two) config["annotations"]["run.mx.new"] = "image:app:new";
    for (const auto& [from, to] :
         {std::pair{"vol", "/vol"}, std::pair{"shared", "/usr/share/shared"}})
      add_bind(config, to, folder_ / from, {"rbind", "rw"});
    write_config(config);
  }

  void kill_old() { ok("$R --root $ROOT exec m kill -9 " + pid_of("old")); }
};

// What one image alone says, run by runc: the reference.
TEST_F(Roots, TwoLibcsAndTheApplicationInAFolderOfItsOwn) {
  add_program("old", "gcc");
  add_program("new", "musl-gcc");
  ok("$IMAGE image add app:new dir:$W/new && cp -a $W/old $W/kept");
  write({"/app/user"}, false);
  start_container("runc", "n");
  expect_lines("n", "ready", 1);
  ok("runc --root $ROOT kill n KILL");
  ASSERT_TRUE(wait_for("runc --root $ROOT state n 2>&1 | grep -q -e stopped -e 'does not exist'"));
  ok("runc --root $ROOT delete -f n; rm -rf $W/old $W/vol/*; mv $W/kept $W/old");

  write({"/app/user"}, true);
  start_container(runtime(), "m");
  expect_lines("m", "ready", 1);
  EXPECT_EQ(ok("cat $W/m.out"), ok("cat $W/n.out"));
  EXPECT_EQ(report().find("\"dropped\""), std::string::npos) << report();
  ok("echo go > $W/say");
  expect_lines("m", "ready", 2);
  EXPECT_EQ(ok("grep -c '^own old$' $W/m.out"), "2");
  // The follower read its own files all the time: its words differed, nothing else did.
  for (const char* own : {"own new", "own link new-linked", "own list a c", "own relative new-a"})
    EXPECT_NE(report().find(own), std::string::npos) << own << "\n" << report();
  EXPECT_EQ(report().find("\"dropped\""), std::string::npos) << report();
  kill_old();
  ASSERT_TRUE(wait_for("grep -q '\"failover\"' $W/state/m/out/report.jsonl")) << report();
  ok("echo go > $W/say");
  expect_lines("m", "ready", 3);
  EXPECT_EQ(ok("grep -A 20 'own new$' $W/m.out"),
            "own new\nown link new-linked\nown list a c \nown relative new-a\nown stat file\nown "
            "fstatat file\n"
            "later later\nready ");
  EXPECT_EQ(ok("cat $W/vol/out"), "volume");
  ok("$R --root $ROOT kill m KILL");
}

TEST_F(Roots, PythonApplication) {
  for (const char* version : {"old", "new"}) {
    ok(std::string("mkdir -p $W/") + version + "/usr/bin $W/" + version +
       "/usr/lib; cp /usr/bin/python3.11 $W/" + version + "/usr/bin/");
    add_libraries(version, "/usr/bin/python3.11");
  }
  ok("for v in old new; do "
     "echo \"NAME = '$v'\" > $W/$v/app/version.py; cat > $W/$v/app/main.py <<'EOF'\n"
     "import os, sys\n"
     "import version\n"
     "parts = ','.join(open('/app/parts/' + n).read().strip() for n in "
     "sorted(os.listdir('/app/parts')))\n"
     "print('up', flush=True)\n"
     "for line in sys.stdin:\n"
     "    print(version.NAME, parts, os.path.exists('/app/parts/c'), line.strip(), flush=True)\n"
     "EOF\n"
     "done");
  // The library is the same for both and comes as a volume.
  ok("$IMAGE image add app:new dir:$W/new");
  write({"/usr/bin/python3.11", "/app/main.py"}, true);
  Json config = Json::parse(ok("cat $W/bundle/config.json"));
  add_bind(config, "/usr/lib/python3.11", "/usr/lib/python3.11", {"rbind", "ro"});
  write_config(config);
  start_container(runtime(), "m");
  expect_lines("m", "up", 1);
  ok("echo first > $W/say");
  expect_lines("m", "old old-a,b False first", 1);
  kill_old();
  ASSERT_TRUE(wait_for("grep -q '\"failover\"' $W/state/m/out/report.jsonl")) << report();
  ok("echo second > $W/say");
  expect_lines("m", "new new-a,c True second", 1);
  ok("$R --root $ROOT kill m KILL");
}

}  // namespace
}  // namespace mx::engines
