#include "editing/editors/serac/scope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "io/tensors/safetensors.h"

namespace emend {
namespace {

// tools/reference/editors/make_serac_fixture.py: PyTorch, one question at a time, in double
// precision.
class SeracFixture : public ::testing::TestWithParam<std::string> {
 protected:
  bool pictured() const { return GetParam().empty(); }
  at::Tensor tensor(const std::string& name) const { return file_->tensor(name).clone(); }
  at::Tensor own(const std::string& name) const { return tensor(GetParam() + name); }
  QuestionFeatures features() const {
    QuestionFeatures features;
    features.text = tensor("text");
    if (pictured()) features.pictures = tensor("pictures");
    features.has_image = tensor("looks");
    return features;
  }
  ScopeClassifier classifier() const {
    ScopeClassifier::Options options;
    options.text = 6;
    if (pictured()) options.places = 3, options.picture = 5;
    options.patch_feature_width = 2;
    options.hidden = 7;
    options.embedding = 4;
    ScopeClassifier classifier(options);
    at::NoGradGuard no_grad;
    for (auto& [name, leaf] : classifier.parameters()) leaf.copy_(own(name));
    return classifier;
  }

  std::shared_ptr<const SafetensorsFile> file_ =
      SafetensorsFile::open(EMEND_SOURCE_DIR "/src/editing/testdata/serac.safetensors");
};

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() ? (a - b).abs().max().item<double>() : INFINITY;
}

TEST_P(SeracFixture, ScoresAgreeWithReference) {
  auto embedded = classifier().embed(features());
  EXPECT_LT(largest_difference(embedded, own("embedded")), 1e-5);
  auto s = at::exp(at::neg(squared_distances(embedded, embedded)));
  EXPECT_LT(largest_difference(s, own("s")), 1e-5);
  // The scores differ, so the comparison would detect a mistake.
  EXPECT_GT(largest_difference(own("s"), at::ones({4, 4})), 0.1);
}

TEST_P(SeracFixture, SoftMixturesAgreeWithReference) {
  auto embedded = classifier().embed(features());
  auto d = squared_distances(embedded.narrow(0, 1, 1), embedded).squeeze(0);
  auto mixed = soft_mixture(tensor("base"), tensor("counterfactual"), d);
  EXPECT_LT(largest_difference(mixed, own("mixed")), 1e-5);
  EXPECT_GT(largest_difference(at::log_softmax(tensor("base"), -1), own("mixed")), 0.1);
}

TEST_P(SeracFixture, LossesAndGradientsAgreeWithReference) {
  auto scope = classifier();
  auto embedded = scope.embed(features());
  auto d = squared_distances(embedded, embedded);
  auto loss = in_scope_loss(d[0][1]) + out_of_scope_loss(d[0][3]) + out_of_scope_loss(d[1][2]);
  // emend keeps a distance of 1e-4 from 0, where the loss is infinite.
  EXPECT_NEAR(loss.item<double>(), own("loss").item<double>(), 2e-3);
  std::vector<at::Tensor> leaves;
  for (const auto& [name, leaf] : scope.parameters()) leaves.push_back(leaf);
  auto gradients = torch::autograd::grad({loss}, leaves);
  for (size_t i = 0; i < leaves.size(); ++i) {
    auto expected = tensor("gradient." + GetParam() + scope.parameters()[i].first);
    EXPECT_LT(largest_difference(gradients[i], expected),
              2e-3 * expected.abs().max().item<double>() + 1e-5)
        << scope.parameters()[i].first;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, SeracFixture, ::testing::Values("", "plain."),
                         [](const auto& info) { return info.param.empty() ? "seeing" : "plain"; });

TEST(SeracScope, EqualQuestionTakesTheCounterfactual) {
  auto base = at::randn({2, 5}), other = at::randn({2, 5});
  auto mixed = soft_mixture(base, other, at::tensor({0.0f, 200.0f}));
  EXPECT_LT(largest_difference(mixed[0], at::log_softmax(other[0], -1)), 1e-6);
  EXPECT_LT(largest_difference(mixed[1], at::log_softmax(base[1], -1)), 1e-6);
  EXPECT_TRUE(at::isfinite(out_of_scope_loss(at::zeros({1}))).all().item<bool>());
}

}  // namespace
}  // namespace emend
