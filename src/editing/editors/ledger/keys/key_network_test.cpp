#include "editing/editors/ledger/keys/key_network.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

namespace emend {
namespace {

KeyNetwork::Options small_options() {
  KeyNetwork::Options options;
  options.text = 6;
  options.tokens = 4;
  options.picture = 5;
  options.heads = 2;
  options.head_width = 3;
  options.hidden = 8;
  options.embedding = 4;
  options.seed = 3;
  return options;
}

// Questions 0 and 1 about pictures 0 and 1, and question 2 without a picture.
QuestionFeatures three_questions() {
  at::manual_seed(5);
  return {at::randn({3, 2, 6}), at::randn({3, 4, 5}), at::tensor({1.0f, 1.0f, 0.0f})};
}

TEST(KeyNetworkTest, KeysAreThePartsOfTextAndPicture) {
  const KeyNetwork network(small_options());
  const auto features = three_questions();
  const auto keys = network.keys(features);
  ASSERT_EQ(keys.sizes(), (at::IntArrayRef{3, network.width()}));
  const auto texts = network.texts(features.text);
  EXPECT_TRUE(at::allclose(keys.slice(1, 0, 4), texts));
  const auto pairs =
      network.pair_keys(features.text, features.pictures, {2, 0, 1, 0}, {-1, 0, 1, 1});
  EXPECT_TRUE(at::allclose(pairs[0], keys[2], 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(pairs[1], keys[0], 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(pairs[2], keys[1], 1e-4, 1e-5));
  EXPECT_FALSE(at::allclose(pairs[3], keys[0], 1e-2, 1e-2));  // another picture
}

TEST(KeyNetworkTest, PictureOfAQuestionWithoutPictureHasNoInfluence) {
  const KeyNetwork network(small_options());
  auto features = three_questions();
  const auto before = network.keys(features);
  features.pictures[2].fill_(7);
  EXPECT_TRUE(at::equal(network.keys(features), before));
}

// Three questions of 3, 1 and 2 tokens.
QuestionFeatures questions_with_tokens() {
  auto features = three_questions();
  auto tokens = at::randn({3, 3, 6});
  tokens[1].slice(0, 1).zero_();
  tokens[2].slice(0, 2).zero_();
  features.text = at::cat({features.text, tokens}, 1);
  return features;
}

TEST(KeyNetworkTest, PaddingOfTokensHasNoInfluence) {
  auto options = small_options();
  options.text_tokens = true;
  const KeyNetwork network(options);
  auto features = questions_with_tokens();
  const auto before = network.keys(features);
  auto alone = features;
  alone.text = features.text.slice(0, 1, 2).slice(1, 0, 3);
  alone.pictures = features.pictures.slice(0, 1, 2);
  alone.has_image = features.has_image.slice(0, 1, 2);
  EXPECT_TRUE(at::allclose(network.keys(alone)[0], before[1], 1e-5, 1e-6));
  features.text = at::constant_pad_nd(features.text, {0, 0, 0, 4});
  EXPECT_TRUE(at::allclose(network.keys(features), before, 1e-5, 1e-6));
  features.text[0][4].add_(at::randn({6}));
  const auto changed = network.keys(features);
  EXPECT_FALSE(at::allclose(changed[0], before[0], 1e-3, 1e-4));
  EXPECT_TRUE(at::allclose(changed[2], before[2], 1e-5, 1e-6));
}

class KeyNetworkGradients : public ::testing::TestWithParam<bool> {};

TEST_P(KeyNetworkGradients, MatchFiniteDifferences) {
  auto options = small_options();
  options.text_tokens = GetParam();
  const KeyNetwork network(options);
  const auto features = GetParam() ? questions_with_tokens() : three_questions();
  auto loss = [&] { return network.keys(features).square().sum(); };
  for (const auto& [name, tensor] : network.parameters()) {
    const auto gradient =
        torch::autograd::grad({loss()}, {tensor}, {}, false, false, /*allow_unused=*/true).at(0);
    ASSERT_TRUE(gradient.defined()) << name;
    at::NoGradGuard no_grad;
    const auto index = gradient.flatten().abs().argmax().item<int64_t>();
    auto entry = tensor.view(-1)[index];
    const auto value = entry.item<float>();
    constexpr float kStep = 2e-3f;
    entry.fill_(value + kStep);
    const auto above = loss().item<double>();
    entry.fill_(value - kStep);
    const auto below = loss().item<double>();
    entry.fill_(value);
    const auto expected = gradient.flatten()[index].item<double>();
    EXPECT_NEAR((above - below) / (2 * kStep), expected, 0.02 * std::abs(expected) + 0.01) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutTokens, KeyNetworkGradients, ::testing::Bool());

TEST(KeyNetworkTest, DistancesAreSquaredAndNeverNegative) {
  at::manual_seed(9);
  const auto a = at::randn({5, 7}), b = at::cat({a.slice(0, 0, 2), at::randn({3, 7})});
  const auto expected = (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(-1);
  const auto distances = key_distances(a, b);
  EXPECT_TRUE(at::allclose(distances, expected, 1e-4, 1e-4));
  EXPECT_GE(distances.min().item<double>(), 0);
}

}  // namespace
}  // namespace emend
