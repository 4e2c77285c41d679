#include <gtest/gtest.h>

#include "oci/base/failure.hpp"
#include "oci/configure/edit.hpp"
#include "oci/spec/document.hpp"

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

std::optional<std::string> docker(const std::optional<std::string>& text,
                                  const ConfigureOptions& options,
                                  std::optional<std::string>* displaced = nullptr) {
  std::optional<std::string> here;
  return edit_docker(text, options, displaced != nullptr ? *displaced : here);
}

// Whatever form somebody gave it.
const std::optional<std::string> kDockerFiles[] = {
    std::nullopt,
    "",
    " \n",
    "{}",
    "{}\n",
    "{\n}\n",
    "{ \"log-level\":\"debug\" }",
    "{\n  \"log-level\": \"debug\",\n  \"runtimes\": {\n    \"x\": {\n      \"path\": \"/x\"\n    "
    "}\n  }\n}\n",
    "{\n\t\"runtimes\": {},\n\t\"a\":[1,{\"b\":\"}\\\"\"}]\n}",
    "{\r\n  \"runtimes\" : { \"x\" : {\"path\":\"/x\"} } ,\r\n  \"z\": null\r\n}\r\n",
    "{\"runtimes\":{\"x\":{\"path\":\"/x\",\"runtimeArgs\":[\"mx\",\"{\"]}}}",
    "\n{\n    \"default-runtime\"  :  \"runsc\",\n    \"runtimes\": {\"runsc\": {\"path\": "
    "\"/r\"}}\n}\n\n",
};

TEST(Configure, DockerGoesBackToEveryByte) {
  for (const auto& before : kDockerFiles)
    for (const ConfigureOptions& how : {kDo, kDefault}) {
      std::optional<std::string> displaced;
      const auto after = docker(before, how, &displaced);
      const Json read = parse_document(*after, "daemon.json");
      EXPECT_EQ(read["runtimes"]["mx"]["path"], "/usr/bin/mx-runtime") << *after;
      EXPECT_EQ(read.value("default-runtime", ""), how.set_default ? "mx"
                                                   : before && before->find("runsc") != before->npos
                                                       ? "runsc"
                                                       : "");
      // Twice is once.
      const auto kept = displaced;
      EXPECT_EQ(docker(after, how, &displaced), after);
      EXPECT_EQ(displaced, kept);
      EXPECT_EQ(docker(after, kUndo, &displaced), before) << *after;
      EXPECT_EQ(displaced, std::nullopt);
      EXPECT_EQ(docker(before, kUndo), before);
    }
}

TEST(Configure, DockerTakesOutMxFromWhatOthersHaveEditedSince) {
  EXPECT_EQ(docker("{\"runtimes\": {\"x\": {\"path\": \"/x\"}, \"mx\": {\"path\": \"/m\"}}, "
                   "\"default-runtime\": \"mx\"}",
                   kUndo),
            "{\"runtimes\": {\"x\": {\"path\": \"/x\"}}}");
  // Another place, and arguments that somebody gave it.
  EXPECT_EQ(
      docker("{\"runtimes\": {\"mx\": {\"runtimeArgs\": [\"--debug\"], \"path\": \"/m\"}}}", kDo),
      "{\"runtimes\": {\"mx\": {\"runtimeArgs\": [\"--debug\"], \"path\": "
      "\"/usr/bin/mx-runtime\"}}}");
}

TEST(Configure, DockerRefusesWhatItCannotEdit) {
  for (const char* text : {"{ // comment\n}", "[]", "{\"runtimes\": []}",
                           "{\"runtimes\": {\"mx\": 1}}", "{\"a\":1,\"a\":2}"})
    EXPECT_THROW(docker(text, kDo), Failure) << text;
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

TEST(Configure, ContainerdGoesBackToEveryByte) {
  const std::string table = "[plugins.\"io.containerd.grpc.v1.cri\".containerd]";
  for (const std::string& before :
       {std::string("version = 2\n"), std::string("version = 2"), std::string("version = 2\n\n\n"),
        std::string("# a\r\nversion = 2\r\n"),
        "version = 2\n" + table + "\ndefault_runtime_name=\"runc\"  # why  ",
        "version = 2\n" + table,
        "version = 2\n" + table +
            " # t\n\tsnapshotter = \"x\"\n\t default_runtime_name  =\t\"runc\"\n",
        "version = 2\n" + table + "\r\ndefault_runtime_name = \"runc\"\r\n"})
    for (const ConfigureOptions& how : {kDo, kDefault}) {
      const auto after = containerd(before, how);
      EXPECT_EQ(after->find("default_runtime_name = \"mx\"") != after->npos ||
                    after->find("default_runtime_name= \"mx\"") != after->npos ||
                    after->find("default_runtime_name  = \"mx\"") != after->npos,
                how.set_default)
          << *after;
      EXPECT_EQ(containerd(after, how), after);
      EXPECT_EQ(containerd(after, kUndo), before);
      // What was written behind the block stays.
      EXPECT_EQ(containerd(*after + "# more\n", kUndo)->find("# END mx"), std::string::npos);
      EXPECT_TRUE(containerd(*after + "# more\n", kUndo)->ends_with("# more\n"));
    }
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
