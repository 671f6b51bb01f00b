// Tests of the fixtures: with each of these mistakes, the comparison that the correct model passes
// must fail.

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "models/architectures/qformer/blip2.h"
#include "models/testing/fixture.h"
#include "models/testing/thread_guard.h"

namespace emend {
namespace {

using fixtures::Fixture;

struct Mutation {
  std::string name;
  std::function<bool(Blip2Config&)> config;  // false: the mistake does not change this fixture
  fixtures::WeightHook weights;
  Interventions interventions;
};

at::Tensor as_stored(const std::string&, const at::Tensor& stored) { return stored; }

std::function<bool(Blip2Config&)> nothing() {
  return [](Blip2Config&) { return true; };
}

Mutation of_config(const std::string& name, std::function<bool(Blip2Config&)> change) {
  return {name, std::move(change), as_stored, {}};
}

// Changes the tensors whose names end with `ending`.
Mutation of_weights(const std::string& name, const std::string& ending,
                    std::function<at::Tensor(const at::Tensor&)> change) {
  auto hook = [ending, change](const std::string& tensor, const at::Tensor& stored) {
    const bool chosen = tensor.size() >= ending.size() &&
                        tensor.compare(tensor.size() - ending.size(), ending.size(), ending) == 0;
    return chosen ? change(stored) : stored;
  };
  return {name, nothing(), hook, {}};
}

bool tanh_for_erf(Activation& activation) {
  const bool erf = activation == Activation::gelu;
  if (erf) activation = Activation::gelu_tanh;
  return erf;
}

at::Tensor zero(const at::Tensor& bias) { return at::zeros_like(bias); }

// The mistakes for one fixture. Skipped norms and norms with another eps are detected by stage.
std::vector<Mutation> mutations(const Fixture& fixture) {
  std::vector<Mutation> all{
      of_config("tanh_gelu_in_vision",
                [](Blip2Config& c) { return tanh_for_erf(c.vision.activation); }),
      of_config("tanh_gelu_in_qformer",
                [](Blip2Config& c) { return tanh_for_erf(c.qformer.activation); }),
      of_config("tanh_gelu_in_opt", [](Blip2Config& c) { return tanh_for_erf(c.text.activation); }),
      of_config("eps_in_vision", [](Blip2Config& c) { return (c.vision.eps *= 100) > 0; }),
      of_config("eps_in_qformer", [](Blip2Config& c) { return (c.qformer.eps *= 100) > 0; }),
      of_config("eps_in_opt", [](Blip2Config& c) { return (c.text.eps *= 100) > 0; }),
      of_weights("queries_in_another_order", "query_tokens",
                 [](const at::Tensor& q) { return q.flip({1}); }),
      of_weights("position_offset_off_by_one", "embed_positions.weight",
                 [](const at::Tensor& p) { return p.roll(1, 0); }),
      of_weights("position_offset_off_by_minus_one", "embed_positions.weight",
                 [](const at::Tensor& p) { return p.roll(-1, 0); }),
  };
  for (const char* bias : {"embeddings.patch_embedding.bias",
                           "layers.0.self_attn.qkv.bias",
                           "layers.0.self_attn.projection.bias",
                           "layers.0.mlp.fc1.bias",
                           "layers.0.mlp.fc2.bias",
                           "layers.0.layer_norm1.bias",
                           "vision_model.post_layernorm.bias",
                           "qformer.layernorm.bias",
                           "layer.0.attention.attention.query.bias",
                           "layer.0.crossattention.attention.value.bias",
                           "layer.0.attention.output.dense.bias",
                           "layer.0.intermediate_query.dense.bias",
                           "layer.0.output_query.dense.bias",
                           "language_projection.bias",
                           "layers.0.self_attn.q_proj.bias",
                           "layers.0.self_attn.v_proj.bias",
                           "layers.0.self_attn.out_proj.bias",
                           "layers.0.fc1.bias",
                           "layers.0.fc2.bias",
                           "layers.0.self_attn_layer_norm.bias"}) {
    auto name = std::string("dropped_") + bias;
    auto mutation = of_weights(name, bias, zero);
    const std::string ending = bias;
    bool there = false;
    for (const auto& tensor : fixture.checkpoint.names())
      there = there || (tensor.size() >= ending.size() &&
                        tensor.compare(tensor.size() - ending.size(), ending.size(), ending) == 0);
    if (there) all.push_back(std::move(mutation));
  }

  // The norm after the last vision block is skipped.
  auto stream = std::make_shared<at::Tensor>();
  const auto last =
      "vision_tower.block." + std::to_string(Blip2Config::parse(fixture.config).vision.layers - 1);
  Mutation skip{"skipped_post_layernorm", nothing(), as_stored, {}};
  skip.interventions.push_back(
      Intervention::boundary(last, [stream](const at::Tensor& x) { return *stream = x; }));
  skip.interventions.push_back(
      Intervention::boundary("vision_tower.norm", [stream](const at::Tensor&) { return *stream; }));
  all.push_back(std::move(skip));
  return all;
}

std::unique_ptr<Model> mutated(const Fixture& fixture, const Blip2Config& config,
                               const Mutation& mutation) {
  auto architecture = architecture_of(fixture.config);
  architecture.make_model = [&](Weights& weights) { return make_blip2(config, weights); };
  return fixtures::load(fixture, architecture, mutation.weights);
}

bool outputs_agree(const Fixture& fixture, const Blip2Config& config, const Mutation& mutation,
                   std::string& worst) {
  const auto model = mutated(fixture, config, mutation);
  const auto compared =
      compare_stages(*model, fixture, "image_right", PadSide::right, mutation.interventions);
  worst = fixtures::worst(compared);
  return fixtures::within(compared);
}

class Mutated : public ::testing::TestWithParam<std::string> {
 protected:
  ThreadGuard threads_{1};
};

INSTANTIATE_TEST_SUITE_P(All, Mutated, ::testing::ValuesIn(fixtures::blip2_fixtures()),
                         fixtures::test_name);

TEST_P(Mutated, CorrectModelPasses) {
  const auto fixture = Fixture::open(GetParam());
  std::string worst;
  EXPECT_TRUE(outputs_agree(fixture, Blip2Config::parse(fixture.config),
                            {"", nothing(), as_stored, {}}, worst))
      << worst;
}

TEST_P(Mutated, EveryMistakeFails) {
  const auto fixture = Fixture::open(GetParam());
  int tried = 0;
  for (const auto& mutation : mutations(fixture)) {
    auto config = Blip2Config::parse(fixture.config);
    if (!mutation.config(config)) continue;
    std::string worst;
    EXPECT_FALSE(outputs_agree(fixture, config, mutation, worst))
        << mutation.name << " goes unnoticed: " << worst;
    ++tried;
  }
  EXPECT_GE(tried, 15);
}

// A mistake is not only visible in the stage with it, but also in the logits of some fixture.
TEST(Mutations, AreVisibleInTheLogits) {
  at::NoGradGuard no_grad;
  std::map<std::string, double> largest;
  for (const auto& name : fixtures::blip2_fixtures()) {
    const auto fixture = Fixture::open(name);
    const auto expected = fixture.tensor("image_right/logits");
    for (const auto& mutation : mutations(fixture)) {
      auto config = Blip2Config::parse(fixture.config);
      if (!mutation.config(config)) continue;
      const auto model = mutated(fixture, config, mutation);
      auto pass = model->collate(fixture.batch("image_right"));
      model->run(pass, mutation.interventions);
      auto& error = largest[mutation.name];
      error = std::max(error, fixtures::relative_error(pass.logits().index({pass.mask}), expected));
    }
  }
  EXPECT_GE(largest.size(), 30u);
  for (const auto& [mutation, error] : largest)
    EXPECT_GT(error, fixtures::kLogitsTolerance) << mutation;
}

}  // namespace
}  // namespace emend
