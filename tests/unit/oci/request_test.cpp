#include "oci/settings/request.hpp"

#include <gtest/gtest.h>

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"

namespace mx::oci {
namespace {

Json with(const std::string& key, const std::string& value) {
  return {{"annotations", {{key, value}}}};
}

std::string refusal(const Json& config) {
  try {
    read_request(config, {});
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "";
}

TEST(Request, NothingAskedIsNothing) {
  EXPECT_FALSE(read_request(Json::object(), {}));
  EXPECT_FALSE(read_request(with("run.mx.new", ""), {}));
  EXPECT_FALSE(read_request(with("run.mx.leader", "new"), {}));
  Json sandbox = with("run.mx.new", "image:x");
  sandbox["annotations"]["io.kubernetes.cri.container-type"] = "sandbox";
  EXPECT_FALSE(read_request(sandbox, {}));
}

TEST(Request, AnnotationWinsOverVariable) {
  Json config = with("run.mx.new", "image:a");
  config["process"]["env"] = {"MX_NEW=image:b", "MX_HANG_TIMEOUT=2.5", "MX_LOCKSTEP=full",
                              "MX_THREADS=serial"};
  const auto request = read_request(config, {});
  ASSERT_TRUE(request);
  EXPECT_EQ(request->source.name, "a");
  EXPECT_EQ(request->setting, "run.mx.new");
  EXPECT_EQ(request->hang_timeout, 2.5);
  EXPECT_EQ(request->lockstep, "full");
  EXPECT_EQ(request->threads, "serial");
  EXPECT_EQ(request->first(), "old");
}

TEST(Request, WhatIsNotSaidIsTheAdministratorsDefault) {
  Config defaults;
  EXPECT_EQ(read_request(with("run.mx.new", "image:a"), defaults)->threads, "parallel");
  defaults.threads = "serial";
  EXPECT_EQ(read_request(with("run.mx.new", "image:a"), defaults)->threads, "serial");
  Json config = with("run.mx.new", "image:a");
  config["annotations"]["run.mx.threads"] = "parallel";
  EXPECT_EQ(read_request(config, defaults)->threads, "parallel");
}

TEST(Request, EveryRefusalNamesTheSetting) {
  const std::pair<Json, const char*> cases[] = {
      {with("run.mx.new", "docker:x"), "run.mx.new"},
      {with("run.mx.old", "volume:rel"), "run.mx.old"},
      {with("run.mx.old", "volume:/a/../b"), "run.mx.old"},
      {with("run.mx.new", "image:a@sha256:12"), "run.mx.new"},
      {with("run.mx.new", "image:-x"), "run.mx.new"},
      {with("run.mx.nwe", "image:x"), "run.mx.nwe"},
      {{{"process", {{"env", {"MX_NEW=image:x", "MX_LEADER=both"}}}}}, "MX_LEADER"},
      {{{"process", {{"env", {"MX_NEW=image:x", "MX_THREADS=one"}}}}}, "MX_THREADS"},
      {{{"process", {{"env", {"MX_NEW=image:x", "MX_HANG_TIMEOUT=nan"}}}}}, "MX_HANG_TIMEOUT"},
      {{{"process", {{"env", {"MX_NEW=image:x", "MX_OLD=image:y"}}}}}, "MX_OLD and MX_NEW"},
      {{{"annotations", {{"run.mx.new", 5}}}}, "run.mx.new"},
  };
  for (const auto& [config, name] : cases)
    EXPECT_NE(refusal(config).find(name), std::string::npos) << config << ": " << refusal(config);
}

TEST(Request, OnlyMxsOwnVariablesGo) {
  EXPECT_EQ(
      without_settings({"MX_NEW=1", "MX_RECORD=2", "AMX_NEW=3", "MX_NEWER=4", "MX_HANG_TIMEOUT=5"}),
      (std::vector<std::string>{"MX_RECORD=2", "AMX_NEW=3", "MX_NEWER=4"}));
}

TEST(Document, RefusesWhatReadersWouldNotAgreeOn) {
  EXPECT_THROW(parse_document("{\"a\":1,\"a\":2}", "c"), Failure);
  EXPECT_NO_THROW(parse_document("{\"a\":{\"a\":1},\"b\":{\"a\":2}}", "c"));
  EXPECT_THROW(parse_document(std::string(100000, '['), "c"), Failure);
  EXPECT_THROW(parse_document(std::string(kMaxSpecBytes + 1, ' '), "c"), Failure);
  EXPECT_THROW(parse_document("[]", "c"), Failure);
  EXPECT_THROW(parse_document("{\"a\":", "c"), Failure);
}

TEST(Document, KeepsUnknownMembersAndTheirOrder) {
  const std::string text =
      "{\"z\":1,\"a\":{\"x\":[1,2.5,null,18446744073709551615]},\"m\":\"\\u00e4\"}";
  EXPECT_EQ(dump_document(parse_document(text, "c")),
            "{\"z\":1,\"a\":{\"x\":[1,2.5,null,18446744073709551615]},\"m\":\"ä\"}");
}

TEST(Files, PathsAreJudgedByParts) {
  EXPECT_EQ(clean_absolute("//a/./b//", "s"), "/a/b");
  EXPECT_THROW(clean_absolute("a", "s"), Failure);
  EXPECT_THROW(clean_absolute("/a/..", "s"), Failure);
  EXPECT_TRUE(is_below("/a/b", "/a"));
  EXPECT_TRUE(is_below("/a", "/a"));
  EXPECT_FALSE(is_below("/ab", "/a"));
}

}  // namespace
}  // namespace mx::oci
