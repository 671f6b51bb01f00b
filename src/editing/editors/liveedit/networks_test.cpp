// An independent implementation of the networks and losses
// (tools/reference/editors/make_liveedit_fixture.py).
#include "editing/editors/liveedit/networks.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <map>

#include "editing/editors/liveedit/routing_losses.h"
#include "io/tensors/safetensors.h"

namespace emend {
namespace {

double liveedit_error(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) return INFINITY;
  const auto wide = expected.to(at::kDouble);
  return ((actual.detach().to(at::kDouble) - wide).norm() / wide.norm()).item<double>();
}

class LiveEditFixture : public ::testing::Test {
 protected:
  LiveEditFixture() {
    for (const auto* all : {&generator_parameters_, &router_parameters_})
      for (auto [name, tensor] : *all) {
        at::NoGradGuard no_grad;
        tensor.copy_(file_->tensor("weight/" + name));
      }
  }
  static LiveEditSizes sizes() {
    LiveEditSizes sizes;
    sizes.width = 12;
    sizes.module_dim = 8;
    sizes.heads = 2;
    sizes.rank = 3;
    sizes.routing_queries = 2;
    sizes.picture_tokens = 5;
    return sizes;
  }
  at::Tensor tensor(const std::string& name) const { return file_->tensor(name).clone(); }
  // The states of all edits, or of all inputs, as a padded batch.
  QuestionStates batch(const std::string& kind) const {
    const auto lengths = tensor("lengths." + kind);
    const auto width = lengths.sum(1).max().item<int64_t>();
    QuestionStates all{at::full({lengths.size(0), width, 12}, 9.0), {}, {}, {}};
    for (auto* mask : {&all.picture, &all.question, &all.answer})
      *mask = at::zeros({lengths.size(0), width}, at::kBool);
    for (int64_t r = 0; r < lengths.size(0); ++r) {
      const auto states = tensor(kind + "." + std::to_string(r)).to(at::kFloat);
      all.hidden[r].slice(0, 0, states.size(0)).copy_(states);
      auto begin = lengths[r][0].item<int64_t>();
      int64_t part = 1;
      for (auto* mask : {&all.picture, &all.question, &all.answer}) {
        const auto size = lengths[r][part++].item<int64_t>();
        (*mask)[r].slice(0, begin, begin + size).fill_(true);
        begin += size;
      }
    }
    return all;
  }
  // The weights of the experts for the inputs.
  at::Tensor weights(const at::Tensor& pictures, const at::Tensor& edit_pictures,
                     const at::Tensor& sentinels, const at::Tensor& texts,
                     const at::Tensor& edit_texts) const {
    const auto kept = feature_similarity(pictures, edit_pictures) >
                      own_similarity(pictures, sentinels).unsqueeze(1);
    EXPECT_TRUE(at::equal(kept.to(at::kFloat), tensor("kept")));
    return expert_weights(feature_similarity(texts, edit_texts), kept);
  }

  std::shared_ptr<const SafetensorsFile> file_ =
      SafetensorsFile::open(EMEND_SOURCE_DIR "/src/editing/testdata/liveedit.safetensors");
  ExpertGenerator generator_{sizes(), 0, at::kCPU};
  ExpertRouter router_{sizes(), 0, at::kCPU};
  NamedTensors generator_parameters_ = generator_.parameters();
  NamedTensors router_parameters_ = router_.parameters();
};

TEST_F(LiveEditFixture, FeaturesAndExpertsAgreeWithReference) {
  const auto edits = batch("edit"), inputs = batch("input");
  EXPECT_LT(liveedit_error(generator_.features().picture(edits), tensor("edit.picture")), 1e-5);
  EXPECT_LT(liveedit_error(generator_.features().text(edits), tensor("edit.text")), 1e-5);
  const auto experts = generator_.experts(edits);
  EXPECT_LT(liveedit_error(experts.down, tensor("down")), 1e-5);
  EXPECT_LT(liveedit_error(experts.up, tensor("up")), 1e-5);
  EXPECT_LT(liveedit_error(router_.features().picture(inputs), tensor("input.picture")), 1e-5);
  EXPECT_LT(liveedit_error(router_.features().text(inputs), tensor("input.text")), 1e-5);
  EXPECT_LT(liveedit_error(router_.sentinel(inputs), tensor("input.sentinel")), 1e-5);
}

TEST_F(LiveEditFixture, RoutesAndOutputsAgreeWithReference) {
  const auto inputs = batch("input");
  const auto routed =
      weights(tensor("input.picture"), tensor("edit.picture"), tensor("input.sentinel"),
              tensor("input.text"), tensor("edit.text"));
  EXPECT_LT(liveedit_error(routed, tensor("weights")), 1e-5);
  const auto output = expert_output(
      router_.normalized(inputs.hidden),
      {tensor("down").to(at::kFloat), tensor("up").to(at::kFloat)}, routed.to(at::kFloat));
  for (int64_t r = 0; r < output.size(0); ++r) {
    const auto expected = tensor("output." + std::to_string(r));
    const auto own = output[r].slice(0, 0, expected.size(0));
    if (expected.abs().max().item<double>() == 0)
      EXPECT_TRUE(at::equal(own, at::zeros_like(own))) << r;
    else
      EXPECT_LT(liveedit_error(own, expected), 1e-5) << r;
  }
}

TEST_F(LiveEditFixture, LossesAndGradientsAgreeWithReference) {
  const auto edits = batch("edit"), inputs = batch("input");
  const auto edit_pictures = generator_.features().picture(edits);
  const auto edit_texts = generator_.features().text(edits);
  const auto pictures = router_.features().picture(inputs), sentinels = router_.sentinel(inputs);
  const auto texts = router_.features().text(inputs);
  const auto first = [](const at::Tensor& x) { return x.narrow(0, 0, 3); };
  const auto soft = soft_routing_loss(first(texts), edit_texts);
  const auto neighbor = neighbor_loss(first(pictures), edit_pictures, first(sentinels));
  const auto sentinel = sentinel_loss(first(pictures), edit_pictures, first(sentinels));
  EXPECT_LT(liveedit_error(at::stack({soft, neighbor, sentinel}), tensor("losses")), 1e-5);

  const auto output =
      expert_output(router_.normalized(inputs.hidden), generator_.experts(edits),
                    weights(pictures, edit_pictures, sentinels, texts, edit_texts));
  auto total = soft + neighbor + sentinel;
  for (int64_t r = 0; r < output.size(0); ++r) {
    const auto counted = tensor("counted." + std::to_string(r)).to(at::kFloat);
    total = total + (output[r].slice(0, 0, counted.size(0)) * counted).sum();
  }
  auto all = generator_parameters_;
  all.insert(all.end(), router_parameters_.begin(), router_parameters_.end());
  std::vector<at::Tensor> leaves;
  for (const auto& [name, tensor] : all) leaves.push_back(tensor);
  const auto gradients = torch::autograd::grad({total}, leaves);
  for (size_t i = 0; i < all.size(); ++i) {
    const auto expected = tensor("gradient/" + all[i].first);
    // The bias of a key shifts all scores of a query alike, so its gradient is 0.
    if (expected.norm().item<double>() < 1e-10)
      EXPECT_LT(gradients[i].norm().item<double>(), 1e-4) << all[i].first;
    else
      EXPECT_LT(liveedit_error(gradients[i], expected), 1e-5) << all[i].first;
  }
}

}  // namespace
}  // namespace emend
