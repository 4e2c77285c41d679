#include <gtest/gtest.h>

#include "oci/base/failure.hpp"
#include "oci/configure/edit.hpp"

namespace mx::oci {
namespace {

const ConfigureOptions kDo;
const ConfigureOptions kUndo{.undo = true};
const ConfigureOptions kDefault{.set_default = true};

constexpr char kContainerd[] =
    "version = 2\n# keep me\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
    "  default_runtime_name = \"runc\" # why\n"
    "  [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n"
    "    SystemdCgroup = true\n";

std::optional<std::string> containerd(const std::optional<std::string>& text,
                                      const ConfigureOptions& options) {
  std::vector<std::string> remarks;
  return edit_containerd(text, options, remarks);
}

TEST(Configure, DockerKeepsEverythingElseAndGoesBack) {
  const std::string before =
      "{\n  \"log-level\": \"debug\",\n  \"runtimes\": {\n    \"x\": {\n      \"path\": \"/x\"\n   "
      " }\n  }\n}\n";
  const auto after = edit_docker(before, kDo);
  EXPECT_NE(after->find("/usr/bin/mx-runtime"), std::string::npos);
  EXPECT_NE(after->find("\"log-level\": \"debug\""), std::string::npos);
  EXPECT_EQ(edit_docker(after, kDo), after);
  EXPECT_EQ(edit_docker(after, kUndo), before);
  EXPECT_EQ(edit_docker(edit_docker(std::nullopt, kDefault), kUndo), std::nullopt);
  EXPECT_EQ(edit_docker(before, kUndo), before);
  EXPECT_THROW(edit_docker("{ // comment\n}", kDo), Failure);
}

TEST(Configure, ContainerdKeepsEveryByteAndGoesBack) {
  for (const ConfigureOptions& how : {kDo, kDefault}) {
    const auto after = containerd(kContainerd, how);
    EXPECT_NE(after->find("# keep me"), std::string::npos);
    EXPECT_NE(after->find("    SystemdCgroup = true\n# END mx"), std::string::npos) << *after;
    EXPECT_EQ(after->find("default_runtime_name = \"mx\"") != std::string::npos, how.set_default);
    EXPECT_EQ(containerd(after, how), after);
    EXPECT_EQ(containerd(after, kUndo), kContainerd);
  }
  EXPECT_EQ(containerd(containerd(std::nullopt, kDefault), kUndo), std::nullopt);
}

TEST(Configure, ContainerdKeepsItsBuiltInRunc) {
  EXPECT_NE(containerd("version = 2\n", kDo)->find("runtimes.runc]"), std::string::npos);
  EXPECT_EQ(containerd(kContainerd, kDo)->find("runtimes.runc]"), std::string::npos);
}

TEST(Configure, ContainerdRefusesWhatItCannotEdit) {
  EXPECT_THROW(containerd("[plugins]\n", kDo), Failure);  // version 1
  EXPECT_THROW(containerd("version = 2\n[[[", kDo), Failure);
  EXPECT_THROW(
      containerd("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.mx]\n",
                 kDo),
      Failure);
}

TEST(Configure, ContainerdSaysThatKubernetesIsSwitchedOff) {
  std::vector<std::string> remarks;
  edit_containerd("version = 2\ndisabled_plugins = [\"cri\"]\n", kDo, remarks);
  EXPECT_EQ(remarks.size(), 1u);
}

}  // namespace
}  // namespace mx::oci
