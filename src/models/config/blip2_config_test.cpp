#include "models/config/blip2_config.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "io/error.h"
#include "models/architectures/qformer/blip2.h"
#include "models/core/loading/weights.h"
#include "models/testing/fixture.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string blip2_refusal(const json& config) {
  try {
    Blip2Config::parse(config);
    return "accepted";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Blip2Config, AbsentFieldsTakeTransformersDefaults) {
  const auto c = Blip2Config::parse({{"model_type", "blip-2"}});
  EXPECT_EQ(c.canonical(), Blip2Config{}.canonical());
  EXPECT_EQ(c.vision.hidden, 1408);
  EXPECT_EQ(c.vision.layers, 39);
  EXPECT_EQ(c.qformer.cross_attention_frequency, 2);
  EXPECT_EQ(c.text.vocabulary, 50272);
  EXPECT_TRUE(c.text.tied);
  // word_embed_proj_dim is equal to hidden_size by default.
  const auto wide =
      Blip2Config::parse({{"model_type", "blip-2"},
                          {"text_config", {{"hidden_size", 2560}, {"num_attention_heads", 32}}}});
  EXPECT_EQ(wide.text.embedding_width, 2560);
}

TEST(Blip2Config, RejectsFieldsThatAreNotImplemented) {
  const auto with = [](const char* part, json fields) {
    json config{{"model_type", "blip-2"}};
    config[part] = std::move(fields);
    return blip2_refusal(config);
  };
  EXPECT_THAT(with("text_config", {{"model_type", "t5"}}),
              HasSubstr("text_config.model_type is \"t5\""));
  EXPECT_THAT(with("text_config", {{"activation_function", "xielu"}}),
              HasSubstr("text_config.activation_function is `xielu`"));
  EXPECT_THAT(with("vision_config", {{"hidden_act", "mish"}}),
              HasSubstr("vision_config.hidden_act"));
  EXPECT_THAT(with("qformer_config", {{"position_embedding_type", "relative_key"}}),
              HasSubstr("qformer_config.position_embedding_type is \"relative_key\""));
  EXPECT_THAT(with("qformer_config", {{"use_qformer_text_input", true}}),
              HasSubstr("use_qformer_text_input is true"));
  EXPECT_THAT(with("vision_config", {{"layer_norm_eps", "small"}}), HasSubstr("layer_norm_eps"));
  EXPECT_THAT(with("vision_config", {{"layer_norm_eps", -1}}), HasSubstr("layer_norm_eps is -1"));
  EXPECT_THAT(with("vision_config", {{"num_attention_heads", 7}}), HasSubstr("not a multiple"));
  EXPECT_THAT(with("vision_config", {{"hidden_size", -16}}), HasSubstr("hidden_size is -16"));
  EXPECT_THAT(with("text_config", {{"vocab_size", 1e30}}), HasSubstr("vocab_size"));
  EXPECT_THAT(with("text_config", {{"tie_word_embeddings", 1}}),
              HasSubstr("tie_word_embeddings is 1"));
  EXPECT_THAT(with("text_config", 3), HasSubstr("text_config is 3"));
  EXPECT_THAT(with("vision_config", {{"image_size", {224, 336}}}),
              HasSubstr("image_size is [224,336]"));
  EXPECT_THAT(with("text_config", {{"word_embed_proj_dim", 1024}}),
              HasSubstr("word_embed_proj_dim 1024"));
  EXPECT_THAT(with("use_decoder_only_language_model", false), HasSubstr("use_decoder_only"));
  EXPECT_THAT(with("architectures", {"Blip2ForImageTextRetrieval"}),
              HasSubstr("Blip2ForImageTextRetrieval"));
  EXPECT_THAT(with("image_token_index", 50272), HasSubstr("image_token_index"));
  EXPECT_THAT(with("quantization_config", {{"load_in_8bit", true}}),
              HasSubstr("quantization_config is {\"load_in_8bit\":true}"));
  EXPECT_THAT(with("text_config", {{"layer_norm_eps", 1e-6}}),
              HasSubstr("layer_norm_eps is 1e-06"));
  EXPECT_THAT(with("vision_config", {{"num_channels", 1}}), HasSubstr("num_channels is 1"));
  EXPECT_THAT(blip2_refusal({{"model_type", "llava"}}), HasSubstr("model_type is \"llava\""));
  EXPECT_THAT(blip2_refusal(json::object()), HasSubstr("no model_type"));
  EXPECT_THAT(blip2_refusal(json::array()), HasSubstr("not an object"));
}

TEST(Blip2Config, ReadsEveryField) {
  json config{{"model_type", "blip-2"},
              {"num_query_tokens", 6},
              {"image_token_index", 9},
              {"vision_config", {{"image_size", {30, 30}}, {"patch_size", 5}, {"qkv_bias", false}}},
              {"qformer_config", {{"cross_attention_frequency", 3}, {"layer_norm_eps", 1e-4}}},
              {"text_config",
               {{"do_layer_norm_before", false},
                {"enable_bias", false},
                {"layer_norm_elementwise_affine", false},
                {"_remove_final_layer_norm", true},
                {"word_embed_proj_dim", 512},
                {"tie_word_embeddings", false},
                {"activation_function", "gelu_new"}}}};
  const auto c = Blip2Config::parse(config);
  EXPECT_EQ(c.queries, 6);
  EXPECT_EQ(c.image_token, 9);
  EXPECT_EQ(c.vision.grid(), 6);
  EXPECT_FALSE(c.vision.qkv_bias);
  EXPECT_EQ(c.qformer.cross_attention_frequency, 3);
  EXPECT_EQ(c.qformer.eps, 1e-4);
  EXPECT_FALSE(c.text.norm_before || c.text.bias || c.text.norm_affine || c.text.final_norm ||
               c.text.tied);
  EXPECT_EQ(c.text.embedding_width, 512);
  EXPECT_EQ(c.text.activation, Activation::gelu_tanh);
}

}  // namespace
}  // namespace emend
