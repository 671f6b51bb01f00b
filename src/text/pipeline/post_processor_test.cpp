#include "text/pipeline/post_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

json template_token(const char* id) { return {{"SpecialToken", {{"id", id}, {"type_id", 0}}}}; }
const json kText = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
json template_of(const json& single) {
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"special_tokens",
           {{"<s>", {{"id", "<s>"}, {"ids", {1}}}},
            {"</s>", {{"id", "</s>"}, {"ids", {2}}}},
            {"two", {{"id", "two"}, {"ids", {1, 4}}}}}}};
}

TEST(PostProcessor, AddsNothingByDefault) {
  for (const json& spec : {json(), json{{"type", "ByteLevel"}}}) {
    EXPECT_THAT(make_post_processor(spec).before, IsEmpty());
    EXPECT_THAT(make_post_processor(spec).after, IsEmpty());
  }
}

TEST(PostProcessor, AddsTheTokensOfATemplate) {
  const auto post = make_post_processor(
      template_of({template_token("<s>"), kText, template_token("</s>"), template_token("</s>")}));
  EXPECT_THAT(post.before, ElementsAre(1));
  EXPECT_THAT(post.after, ElementsAre(2, 2));
}

TEST(PostProcessor, AddsEveryIdOfATokenOfATemplate) {
  const auto post = make_post_processor(template_of({template_token("two"), kText}));
  EXPECT_THAT(post.before, ElementsAre(1, 4));
  EXPECT_THAT(post.after, IsEmpty());
}

TEST(PostProcessor, AddsClsBeforeAndSepAfterTheText) {
  for (const char* type : {"BertProcessing", "RobertaProcessing"}) {
    const auto post =
        make_post_processor({{"type", type}, {"sep", {"[SEP]", 2}}, {"cls", {"[CLS]", 1}}});
    EXPECT_THAT(post.before, ElementsAre(1)) << type;
    EXPECT_THAT(post.after, ElementsAre(2)) << type;
  }
}

TEST(PostProcessor, AddsTheTokensOfASequence) {
  const auto post = make_post_processor(
      {{"type", "Sequence"},
       {"processors", {{{"type", "ByteLevel"}}, template_of({template_token("<s>"), kText})}}});
  EXPECT_THAT(post.before, ElementsAre(1));
  EXPECT_THAT(post.after, IsEmpty());
}

TEST(PostProcessor, NamesWhatIsNotImplemented) {
  const auto refusal = [](const json& spec) {
    return error_of([&] { make_post_processor(spec); });
  };
  EXPECT_EQ(refusal({{"type", "Other"}}), not_implemented_message("post_processor", "Other"));
  EXPECT_EQ(refusal(template_of({kText, kText})),
            not_implemented_message("post_processor", "TemplateProcessing with the text twice"));
  // In Hugging Face tokenizers, the second template takes the tokens of the first one for a pair.
  const auto adds = template_of({template_token("<s>"), kText});
  EXPECT_EQ(
      refusal({{"type", "Sequence"}, {"processors", {adds, adds}}}),
      not_implemented_message("post_processor", "Sequence with two processors that add tokens"));
}

TEST(PostProcessor, NamesWhatIsWrong) {
  const auto problem = [](const json& spec) {
    return error_of([&] { make_post_processor(spec); });
  };
  EXPECT_EQ(problem(template_of(json::array({template_token("<s>")}))),
            malformed_message("post_processor", "TemplateProcessing has no sequence for the text"));
  EXPECT_EQ(problem(template_of({kText, template_token("?")})),
            malformed_message("post_processor", "'?' should be an object, not null"));
  EXPECT_EQ(problem({{"type", "BertProcessing"}, {"cls", {1}}, {"sep", {"[SEP]", 2}}}),
            malformed_message("post_processor", "'cls' should be [token, id]"));
  EXPECT_EQ(
      problem({{"type", "BertProcessing"}, {"cls", {"[CLS]", 1}}, {"sep", {"[SEP]", "2"}}}),
      malformed_message("post_processor", "the ID of 'sep' should be an integer of at least 0"));
}

}  // namespace
}  // namespace emend::text
