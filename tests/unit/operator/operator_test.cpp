#include <gtest/gtest.h>

#include "shim/operator/protocol.h"
#include "shim/operator/state.h"

namespace mx::op {
namespace {

std::string error_of(const std::string& packet) {
  auto parsed = parse_request(packet);
  auto* sentence = std::get_if<std::string>(&parsed);
  return sentence ? *sentence : "";
}

TEST(Protocol, EveryRequestSurvivesTheWay) {
  for (Verb verb : {Verb::kStatus, Verb::kPromote, Verb::kDrop}) {
    for (auto version : {stream::Version::kOld, stream::Version::kNew}) {
      auto parsed = parse_request(to_packet(Request{verb, version}));
      ASSERT_TRUE(std::holds_alternative<Request>(parsed));
      EXPECT_EQ(std::get<Request>(parsed).verb, verb);
      if (verb != Verb::kStatus) {
        EXPECT_EQ(std::get<Request>(parsed).version, version);
      }
    }
  }
}

TEST(Protocol, RefusesWhatIsNoRequest) {
  EXPECT_NE(error_of(""), "");
  EXPECT_NE(error_of("{"), "");
  EXPECT_NE(error_of("[]"), "");
  EXPECT_NE(error_of("null"), "");
  EXPECT_NE(error_of("\"status\""), "");
  EXPECT_NE(error_of(std::string("{\"verb\": \"status\"}\0x", 20)), "");
  EXPECT_NE(error_of(R"({"verb": 7})"), "");
  EXPECT_NE(error_of(R"({"verb": "halt"})"), "");
  EXPECT_NE(error_of(R"({"verb": "promote"})"), "");
  EXPECT_NE(error_of(R"({"verb": "promote", "version": "newest"})"), "");
  EXPECT_NE(error_of(R"({"verb": "drop", "version": ["old"]})"), "");
  EXPECT_NE(error_of(R"({"verb": "status", "version": "old"})"), "");
  EXPECT_NE(error_of(R"({"verb": "status", "path": "/etc"})"), "");
  EXPECT_NE(error_of(std::string("{\"verb\": \"\xff\xfe\"}")), "");
}

TEST(Protocol, RefusesLengthAndDepth) {
  EXPECT_NE(error_of(R"({"verb": "status")" + std::string(kMaxRequest, ' ') + "}"), "");
  EXPECT_NE(error_of(std::string(kMaxRequest, '[')), "");
}

TEST(Protocol, SentencesArePrintable) {
  const std::string sentence = error_of("{\"verb\": \"a\\u001b[31m\\u0007\"}");
  ASSERT_NE(sentence, "");
  for (char c : sentence) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
  EXPECT_LT(error_of("{\"verb\": \"" + std::string(900, 'x') + "\"}").size(), 100u);
}

TEST(Protocol, AnswersAreBounded) {
  EXPECT_LE(to_packet({{"ok", true}, {"text", std::string(2 * kMaxAnswer, 'x')}}).size(),
            kMaxAnswer);
}

TEST(State, IdsThatNameNoFolderAreRefused) {
  for (const char* id : {"", ".", "..", "-x", "a/b", "../x", "a b", ",new-abc", "a\n"})
    EXPECT_FALSE(valid_id(id)) << id;
  EXPECT_FALSE(valid_id(std::string(65, 'a')));
  for (const char* id : {"a", "web.1", "A_b-c", "7f3"}) EXPECT_TRUE(valid_id(id)) << id;
}

}  // namespace
}  // namespace mx::op
