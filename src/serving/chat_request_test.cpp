#include "serving/chat_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/files/file.h"
#include "io/testing.h"
#include "serving/api_error.h"
#include "serving/testing/encode_base64.h"
#include "tests/tiny_models.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ChatRequestTest : public ::testing::Test {
 protected:
  // A text-only model whose chat template writes `role: content` lines.
  void SetUp() override {
    testing::write_tiny_llama(folder_.path());
    testing::write_text(folder_.file("chat_template.jinja"),
                        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
                        "{% if add_generation_prompt %}assistant:{% endif %}");
    vlm_ = load_vlm(folder_.path());
  }
  ChatRequest parse(const json& body) const { return parse_chat_request(body, vlm_, "Q: {} A:"); }
  static json message(const std::string& role, const std::string& content) {
    return {{"role", role}, {"content", content}};
  }
  std::string refusal(json messages) const {
    json body = {{"model", "base"}, {"messages", std::move(messages)}};
    try {
      parse(body);
      return "no error";
    } catch (const ApiError& error) {
      return error.what();
    }
  }
  // The field that an error names.
  std::string error_field(const json& body) const {
    try {
      parse(body);
      return "no error";
    } catch (const ApiError& error) {
      return error.param;
    }
  }

  TemporaryFolder folder_;
  Vlm vlm_;
};

TEST_F(ChatRequestTest, ConversationsAreFormattedByTheChatTemplate) {
  json body = {{"model", "base"}};
  body["messages"] = {message("developer", "Be brief."), message("user", "Who?"),
                      message("assistant", "A cat."), message("user", "Where?")};
  EXPECT_EQ(parse(body).query.text,
            "system: Be brief.\nuser: Who?\nassistant: A cat.\nuser: Where?\nassistant:");
  body["messages"] = json::array({message("user", "Who?")});
  EXPECT_EQ(parse(body).query.text, "user: Who?\nassistant:");
  body["messages"][0]["content"] = {{{"type", "text"}, {"text", "Who"}},
                                    {{"type", "text"}, {"text", " is it?"}}};
  EXPECT_EQ(parse(body).query.text, "user: Who is it?\nassistant:");
}

// Texts and pictures stay in their order, also over several messages.
TEST_F(ChatRequestTest, ConversationsHaveSeveralPictures) {
  testing::write_tiny_llava(folder_.path());
  testing::write_text(folder_.file("chat_template.jinja"),
                      "{% for m in messages %}{{ m.role }}:{% for c in m.content %}"
                      "{% if c.type == 'image' %} <image>{% else %} {{ c.text }}{% endif %}"
                      "{% endfor %}{{ '\\n' }}{% endfor %}");
  vlm_ = load_vlm(folder_.path());
  const auto picture = [&](uint64_t seed) {
    const auto file = folder_.file("picture.png");
    write_png(file, *testing::noise_image(seed));
    const auto url = "data:image/png;base64," + testing::encode_base64(read_file(file));
    return json{{"type", "image_url"}, {"image_url", {{"url", url}}}};
  };
  const auto text = [](const char* text) { return json{{"type", "text"}, {"text", text}}; };
  json body = {{"model", "base"}};
  body["messages"] = {
      {{"role", "user"}, {"content", {text("First:"), picture(1), text("Second:"), picture(2)}}},
      message("assistant", "Yes."),
      {{"role", "user"}, {"content", {picture(1), text("Which?")}}}};
  const auto query = parse(body).query;
  EXPECT_EQ(query.text,
            "user: First: <image> Second: <image>\nassistant: Yes.\nuser: <image> Which?\n");
  ASSERT_EQ(query.pictures(), 3);
  EXPECT_EQ(query.image->rgb, testing::noise_image(1)->rgb);
  EXPECT_EQ(query.more_images[0].rgb, testing::noise_image(2)->rgb);
  EXPECT_EQ(query.more_images[1].rgb, testing::noise_image(1)->rgb);
  EXPECT_EQ(generate(vlm_, {query}, {}, {.max_new_tokens = 2}).size(), 1u);

  auto& picture_url = body["messages"][2]["content"][0]["image_url"];
  picture_url["detail"] = "low";  // no effect
  EXPECT_EQ(parse(body).query.text, query.text);
  picture_url["size"] = 3;
  EXPECT_EQ(error_field(body), "messages[2].content[0].image_url.size");
  picture_url.erase("size");

  json many = json::array();
  for (int i = 0; i < 17; ++i) many.push_back(picture(1));
  EXPECT_THAT(refusal(json::array({{{"role", "user"}, {"content", many}}})),
              HasSubstr("can have at most 16 pictures"));
  testing::write_tiny_resnet_llama(folder_.path(), 0);
  vlm_ = load_vlm(folder_.path());
  EXPECT_THAT(refusal(body["messages"]), HasSubstr("this model reads one picture"));
}

TEST_F(ChatRequestTest, MessagesThatTheModelCannotAnswerAreRefused) {
  EXPECT_THAT(refusal({message("user", "Who?"), message("assistant", "A cat.")}),
              HasSubstr("last message must be the user's"));
  json picture = message("user", "");
  picture["content"] = json::array(
      {{{"type", "image_url"}, {"image_url", {{"url", "data:image/png;base64,AAAA"}}}}});
  EXPECT_THAT(refusal(json::array({picture})), HasSubstr("this model reads text only"));
  picture["content"][0]["type"] = "video";
  EXPECT_THAT(refusal(json::array({picture})), HasSubstr("'text' or 'image_url'"));
}

TEST_F(ChatRequestTest, GenerationSettingsHaveTheNamesOfOpenAI) {
  json body = {{"model", "base"}, {"messages", json::array({message("user", "Who?")})}};
  const auto plain = parse(body);
  EXPECT_EQ(plain.generation.temperature, 0);  // greedy
  EXPECT_EQ(plain.generation.max_new_tokens, ChatLimits().default_new_tokens);
  EXPECT_FALSE(plain.stream);
  body.update({{"temperature", 0.5},
               {"top_p", 0.9},
               {"seed", 7},
               {"max_tokens", 3},
               {"max_completion_tokens", 3},
               {"stop", "END"},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}},
               {"user", "somebody"},
               {"n", 1},
               {"tools", json::array()},
               {"logprobs", nullptr}});
  const auto request = parse(body);
  EXPECT_EQ(request.generation.temperature, 0.5);
  EXPECT_EQ(request.generation.top_p, 0.9);
  EXPECT_EQ(request.generation.seed, 7u);
  EXPECT_EQ(request.generation.max_new_tokens, 3);
  EXPECT_EQ(request.stop, std::vector<std::string>{"END"});
  EXPECT_TRUE(request.stream && request.include_usage);
  body["max_tokens"] = nullptr;
  EXPECT_EQ(parse(body).generation.max_new_tokens, 3);
  body["max_tokens"] = 5;
  EXPECT_EQ(error_field(body), "max_tokens");
  body["max_tokens"] = 3;
  body["stream_options"]["speed"] = 1;
  EXPECT_EQ(error_field(body), "stream_options.speed");
  body["stream_options"] = "usage";
  EXPECT_EQ(error_field(body), "stream_options");
}

TEST_F(ChatRequestTest, UnknownFieldsOfMessagesAreRefused) {
  // An answer that a client sends back, with the fields of OpenAI's library.
  auto earlier = message("assistant", "A cat.");
  earlier.update({{"name", "emend"},
                  {"refusal", nullptr},
                  {"annotations", json::array()},
                  {"audio", nullptr},
                  {"function_call", nullptr},
                  {"tool_calls", json::array()}});
  json body = {{"model", "base"}};
  body["messages"] =
      json::array({message("user", "Who?"), earlier, message("user", "Where?")});
  EXPECT_EQ(parse(body).query.text, "user: Who?\nassistant: A cat.\nuser: Where?\nassistant:");
  auto& last = body["messages"][2];
  last["mystery"] = 1;
  EXPECT_EQ(error_field(body), "messages[2].mystery");
  last.erase("mystery");
  last["tool_calls"] = "all";
  EXPECT_EQ(error_field(body), "messages[2].tool_calls");
  last.erase("tool_calls");
  last["content"] = json::array({{{"type", "text"}, {"text", "Where?"}, {"mystery", 1}}});
  EXPECT_EQ(error_field(body), "messages[2].content[0].mystery");
}

}  // namespace
}  // namespace emend
