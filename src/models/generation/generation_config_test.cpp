#include "models/generation/generation_config.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "io/error.h"
#include "io/json/json.h"
#include "models/testing/fixture.h"
#include "models/testing/thread_guard.h"
#include "models/vlm.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

GenerationConfig parsed(const char* text) { return GenerationConfig::parse(json::parse(text)); }

// The continuation of a row of the fixture.
GeneratedTokens generated(const fixtures::Fixture& fixture, const Model& model, const json& one) {
  const auto config = GenerationConfig::parse(one["config"]);
  auto batch = fixture.batch(one["case"]);
  batch.rows = {batch.rows.at(one["row"].get<size_t>())};
  if (!batch.rows[0].images.empty()) {
    batch.pixels = batch.pixels.narrow(batch.rows[0].images[0], 1);
    batch.rows[0].images = {0};
  }
  GenerationOptions options;
  options.max_new_tokens = config.max_length > 0 ? 1000 : 14;
  options.config = config;
  options.prompts = {batch.rows[0].ids};
  if (const auto image = fixture.layout().image_token)
    std::replace(options.prompts[0].begin(), options.prompts[0].end(), kImageToken, *image);
  return generate_rows(model, model.collate(batch, PadSide::left), config.eos_token_id, {}, options)
      .at(0);
}

TEST(GenerationConfig, TokensAgreeWithTransformers) {
  const ThreadGuard threads(1);
  const auto cases = read_json(EMEND_SOURCE_DIR "/src/models/testdata/generation.json");
  std::map<std::string, fixtures::Fixture> folders;
  std::map<std::string, std::unique_ptr<Model>> models;
  for (const auto& one : cases) {
    const auto name = one["model"].get<std::string>();
    if (models.count(name) == 0) {
      folders.emplace(name, fixtures::Fixture::open(name));
      models[name] = fixtures::load(folders.at(name));
    }
    auto expected = one["tokens"].get<std::vector<int64_t>>();
    auto reason = FinishReason::max_new_tokens;
    if (one["config"].contains("max_length")) reason = FinishReason::max_length;
    if (one["config"].contains("eos_token_id") &&
        expected.back() == one["config"]["eos_token_id"]) {
      expected.pop_back();
      reason = FinishReason::stop;
    }
    const auto made = generated(folders.at(name), *models[name], one);
    EXPECT_EQ(made.tokens, expected) << one["config"];
    EXPECT_EQ(made.finish_reason, reason) << one["config"];
  }
  EXPECT_GT(cases.size(), 90u);
}

TEST(GenerationConfig, OrdinaryFilesHaveNoEffect) {
  for (const char* text : {"{}", R"({"bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": 0,
                  "_from_model_config": true, "transformers_version": "4.40.0", "do_sample": false,
                  "temperature": 0.9, "top_p": 0.6, "num_beams": 1, "repetition_penalty": 1.0,
                  "min_length": 0, "use_cache": true, "max_length": null})"}) {
    const auto config = parsed(text);
    EXPECT_FALSE(config.changes_logits());
    EXPECT_TRUE(config.applied().empty()) << config.applied();
    EXPECT_THAT(config.not_implemented, IsEmpty());
    EXPECT_THAT(config.sampling, IsEmpty());
  }
}

TEST(GenerationConfig, ListsSettingsThatAreNotImplemented) {
  const auto config = parsed(R"({"num_beams": 5, "guidance_scale": 1.5, "forced_eos_token_id": 2,
                                 "stop_strings": ["a"], "do_sample": true, "temperature": 0.6,
                                 "top_p": 0.9, "repetition_penalty": 1.5})");
  EXPECT_THAT(config.not_implemented,
              ElementsAre("num_beams", "guidance_scale", "forced_eos_token_id", "stop_strings"));
  EXPECT_THAT(config.sampling, ElementsAre("do_sample", "temperature", "top_p"));
  EXPECT_EQ(config.applied(), json({{"repetition_penalty", 1.5}}));
}

TEST(GenerationConfig, RejectsMalformedSettings) {
  for (const char* text : {R"({"repetition_penalty": 0})", R"({"repetition_penalty": "high"})",
                           R"({"bad_words_ids": [1, 2]})", R"({"bad_words_ids": [[]]})",
                           R"({"bad_words_ids": [[-1]]})", R"({"no_repeat_ngram_size": -1})",
                           R"({"suppress_tokens": ["a"]})", R"({"min_new_tokens": 1.5})",
                           R"({"max_new_tokens": -3})"}) {
    try {
      parsed(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("generation_config.json"));
      EXPECT_THAT(error.what(), HasSubstr("Hint: ")) << text;
    }
  }
}

}  // namespace
}  // namespace emend
