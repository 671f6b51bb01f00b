#include "exports/gguf/gguf_names.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(GgufNames, AreThoseOfLlamaCpp) {
  EXPECT_EQ(gguf_llama_name("model.embed_tokens.weight"), "token_embd.weight");
  EXPECT_EQ(gguf_llama_name("model.norm.weight"), "output_norm.weight");
  EXPECT_EQ(gguf_llama_name("lm_head.weight"), "output.weight");
  EXPECT_EQ(gguf_llama_name("model.layers.12.self_attn.k_proj.bias"), "blk.12.attn_k.bias");
  EXPECT_EQ(gguf_llama_name("model.layers.1.self_attn.k_norm.weight"), "blk.1.attn_k_norm.weight");
  EXPECT_EQ(gguf_llama_name("model.layers.0.post_attention_layernorm.weight"),
            "blk.0.ffn_norm.weight");
  for (const char* name :
       {"", "weight", "model.layers.0.mlp.down_proj", "model.layers.x.mlp.up_proj.weight",
        "model.layers.1.mlp.weight", "model.layers.1", "vision.norm.weight"})
    EXPECT_EQ(gguf_llama_name(name), std::nullopt) << name;
}

TEST(GgufNames, OfVisionTowersAreThoseOfLlamaCpp) {
  const std::string tower = "vision_tower.vision_model.";
  EXPECT_EQ(gguf_clip_name(tower + "embeddings.class_embedding"), "v.class_embd");
  EXPECT_EQ(gguf_clip_name(tower + "pre_layrnorm.bias"), "v.pre_ln.bias");
  EXPECT_EQ(gguf_clip_name(tower + "encoder.layers.3.mlp.fc1.weight"), "v.blk.3.ffn_up.weight");
  EXPECT_EQ(gguf_clip_name(tower + "encoder.layers.10.self_attn.out_proj.bias"),
            "v.blk.10.attn_out.bias");
  EXPECT_EQ(gguf_clip_name("multi_modal_projector.linear_2.weight"), "mm.2.weight");
  EXPECT_EQ(gguf_clip_name(tower + "post_layernorm.weight"), std::nullopt);
  const std::string siglip = "model.vision_model.";
  EXPECT_EQ(gguf_clip_name(siglip + "embeddings.patch_embedding.bias"), "v.patch_embd.bias");
  EXPECT_EQ(gguf_clip_name(siglip + "encoder.layers.0.layer_norm2.weight"), "v.blk.0.ln2.weight");
  EXPECT_EQ(gguf_clip_name(siglip + "post_layernorm.bias"), "v.post_ln.bias");
  EXPECT_EQ(gguf_clip_name("model.connector.modality_projection.proj.weight"),
            "mm.model.fc.weight");
  EXPECT_EQ(gguf_clip_name(siglip + "encoder.layers.0.mlp.fc3.weight"), std::nullopt);
}

// A head of four rows in two halves, (a b) (c d), becomes the pairs (a c) (b d).
TEST(GgufNames, HalvesOfHeadsBecomeNeighbors) {
  const auto rows = at::arange(8).reshape({8, 1});
  const auto expected = at::tensor({0, 2, 1, 3, 4, 6, 5, 7}, at::kLong);
  EXPECT_TRUE(at::equal(neighboring_rotary_rows(rows, 2), expected.reshape({8, 1})));
  EXPECT_TRUE(at::equal(neighboring_rotary_rows(rows.flatten(), 2), expected));
  EXPECT_TRUE(is_rotary_query("model.layers.3.self_attn.q_proj.weight"));
  EXPECT_FALSE(is_rotary_query("model.layers.3.self_attn.v_proj.weight"));
  EXPECT_TRUE(is_rotary_key("model.layers.3.self_attn.k_proj.bias"));
}

}  // namespace
}  // namespace emend
