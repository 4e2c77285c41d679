// `mx image`: every kind of source, what is in use stays, what is damaged is refused. No daemon
// runs here: creating a container asks none. (docker-daemon: is in docker_test.cpp.)
#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

class Store : public Workshop {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    setenv("ROOT", (folder_ / "rt").c_str(), 1);
    make_trees();
    // One image in every form that skopeo knows.
    ok("umoci init --layout $W/lay && umoci new --image $W/lay:new && umoci unpack --image "
       "$W/lay:new $W/b && "
       "cp -a $W/new/. $W/b/rootfs/ && umoci repack --image $W/lay:new $W/b && "
       "umoci config --image $W/lay:new --config.env WHO=image --config.cmd /bin/cat --config.cmd "
       "/etc/version && "
       "copy() { skopeo --insecure-policy copy -q oci:$W/lay:new \"$1\"; }; "
       "copy docker-archive:$W/docker.tar:localhost/app:new && copy oci-archive:$W/oci.tar && "
       "copy \"containers-storage:[vfs@$W/p+$W/pr]localhost/app:new\"");
    setenv("STORAGE",
           ("containers-storage:[vfs@" + folder_.string() + "/p+" + folder_.string() +
            "/pr]localhost/app:new")
               .c_str(),
           1);
  }

  std::string run(const std::string& name, const std::vector<std::string>& args) {
    Json config = default_config();
    config["process"]["args"] = args;
    config["annotations"] = {{"run.mx.new", "image:" + name}, {"run.mx.leader", "new"}};
    write_config(config);
    return ok("cd $W/bundle && $R --root $ROOT run m </dev/null");
  }

  std::string trees() { return ok("ls $W/store/images | grep -c sha256- || true"); }
  void expect_refused(const std::string& words, const std::string& message) {
    const std::string before = ok("find $W/store | sort");
    const Outcome outcome = shell("$IMAGE image " + words);
    EXPECT_EQ(outcome.status, 1) << words;
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << words << ": " << outcome.errors;
    EXPECT_EQ(ok("find $W/store | sort"), before) << words;
  }
};

TEST_F(Store, EveryKindOfSource) {
  for (const char* source : {"oci:$W/lay:new", "docker-archive:$W/docker.tar",
                             "oci-archive:$W/oci.tar", "\"$STORAGE\"", "dir:$W/new"}) {
    ok(std::string("$IMAGE image add x:1 ") + source);
    const bool has_configuration = std::string(source) != "dir:$W/new";
    EXPECT_EQ(run("x:1", {"/bin/sh", "-c", "cat /etc/version; echo $WHO"}),
              has_configuration ? "new\nimage" : "new")
        << source;
  }
  // The same digest is unpacked once, whatever it is called.
  const std::string before = trees();
  EXPECT_EQ(ok("$IMAGE image add team/y:2 oci:$W/lay:new | cut -d' ' -f2"),
            ok("$IMAGE image add z oci-archive:$W/oci.tar | cut -d' ' -f2"));
  EXPECT_EQ(trees(), before);
  EXPECT_EQ(ok("$IMAGE image ls | cut -d' ' -f1 | sort"), "team/y:2\nx:1\nz");
}

TEST_F(Store, WhatIsInUseStaysUntilItIsNot) {
  ok("$IMAGE image add app:new oci:$W/lay:new && $IMAGE image add other dir:$W/old");
  Json config = default_config();
  config["process"]["args"] = {"/bin/sh", "-c", "echo up; while :; do sleep 0.1; done"};
  config["annotations"]["run.mx.new"] = "image:app:new";
  write_config(config);
  start_container(runtime(), "m");
  expect_lines("m", "up", 1);
  ok("$IMAGE image rm app:new && $IMAGE image rm other");
  EXPECT_EQ(ok("$IMAGE image ls"), "");
  EXPECT_EQ(ok("$IMAGE image gc | wc -l"), "1");  // the other one's
  EXPECT_EQ(trees(), "1");
  ok("$R --root $ROOT exec m cat /dev/.mx/new/etc/version");
  ok("$R --root $ROOT kill m KILL");
  EXPECT_TRUE(wait_for("test -z \"$(ls $W/state)\""));
  EXPECT_EQ(ok("$IMAGE image gc | wc -l"), "1");
  EXPECT_EQ(trees(), "0");
}

// What containers write stays in their own layers.
TEST_F(Store, AnImageIsNeverWrittenTo) {
  ok("$IMAGE image add app:new oci:$W/lay:new");
  const std::string look = "tar --sort=name -C $W/store/images -c . | sha256sum";
  const std::string before = ok(look);
  run("app:new", {"/bin/sh", "-c",
                  "echo changed > /etc/version; rm /etc/passwd; mkdir /made; ln -s /made "
                  "/etc/link; cat /etc/version"});
  EXPECT_EQ(ok(look), before);
  EXPECT_EQ(ok("ls $W/store/containers"), "");
}

TEST_F(Store, RefusesWhatItCannotTrust) {
  ok("$IMAGE image add app:new dir:$W/new");
  expect_refused("add x nonsense:$W/lay", "is none of docker-daemon:REF");
  expect_refused("add x dir:$W/nosuch", "is not a folder");
  expect_refused("add x oci:$W/lay:nosuch", "nosuch");
  expect_refused("add ../x dir:$W/new", "is not the name of an image");
  expect_refused("add 'a b' dir:$W/new", "is not the name of an image");
  expect_refused("rm nosuch", "there is no image nosuch");
  ok("cp -a $W/lay $W/arm && umoci config --image $W/arm:new --architecture arm64");
  expect_refused("add x oci:$W/arm:new", "arm64");
  // A layer whose content is not what its name says.
  ok("cp -a $W/lay $W/bad && f=$(ls -S $W/bad/blobs/sha256/* | head -1) && printf x | dd of=$f "
     "bs=1 seek=100 conv=notrunc 2>/dev/null");
  expect_refused("add x oci:$W/bad:new", "");
  EXPECT_EQ(ok("$IMAGE image ls | wc -l"), "1");
}

}  // namespace
}  // namespace mx::engines
