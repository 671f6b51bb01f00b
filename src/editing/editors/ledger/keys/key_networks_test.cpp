#include "editing/editors/ledger/keys/key_networks.h"

#include <gtest/gtest.h>

#include <set>

namespace emend {
namespace {

KeyNetwork::Options few_options() {
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

QuestionFeatures five_questions() {
  at::manual_seed(5);
  return {at::randn({5, 2, 6}), at::randn({5, 4, 5}),
          at::tensor({1.0f, 1.0f, 0.0f, 1.0f, 1.0f})};
}

TEST(KeyNetworksTest, OneNetworkHasTheBitsOfKeyNetwork) {
  const KeyNetworks networks(few_options(), 1);
  const KeyNetwork network(few_options());
  const auto questions = five_questions();
  EXPECT_EQ(networks.width(), network.width());
  EXPECT_TRUE(at::equal(networks.keys(questions), network.keys(questions)));
  EXPECT_TRUE(at::equal(networks.texts(questions.text), network.texts(questions.text)));
  const auto all = networks.parameters(), own = network.parameters();
  ASSERT_EQ(all.size(), own.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].first, own[i].first);
    EXPECT_TRUE(at::equal(all[i].second, own[i].second)) << all[i].first;
  }
}

TEST(KeyNetworksTest, DistancesAreTheMeansOverTheNetworks) {
  const KeyNetworks networks(few_options(), 3);
  const auto questions = five_questions();
  const auto distances = [&](const auto& of) {
    const auto keys = of.keys(questions);
    return key_distances(keys, keys);
  };
  const auto text_distances = [&](const auto& of) {
    const auto keys = of.texts(questions.text);
    return key_distances(keys, keys);
  };
  auto expected = at::zeros({5, 5}), expected_texts = at::zeros({5, 5});
  for (const auto& network : networks.networks()) {
    expected += distances(network) / 3;
    expected_texts += text_distances(network) / 3;
  }
  EXPECT_FALSE(at::allclose(distances(networks.networks()[0]), expected, 1e-2, 1e-2));
  EXPECT_TRUE(at::allclose(distances(networks), expected, 1e-4, 1e-4));
  EXPECT_TRUE(at::allclose(text_distances(networks), expected_texts, 1e-4, 1e-4));
  // The part of the text comes first.
  const auto keys = networks.keys(questions);
  ASSERT_EQ(keys.sizes(), (at::IntArrayRef{5, networks.width()}));
  EXPECT_TRUE(at::allclose(keys.slice(1, 0, 3 * 4), networks.texts(questions.text), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(
      networks.pair_keys(questions.text, questions.pictures, {1, 4, 2}, {1, 4, -1}),
      keys.index_select(0, at::tensor({1, 4, 2})), 1e-4, 1e-5));
}

TEST(KeyNetworksTest, TensorsOfANetworkHaveTheNamesOfOne) {
  const KeyNetworks networks(few_options(), 12);
  const auto all = detached_tensors(networks.parameters());
  EXPECT_EQ(all.size(), networks.parameters().size());  // no name twice
  for (const size_t index : {0u, 1u, 11u}) {
    const auto& network = networks.networks()[index];
    const auto own = tensors_of_network(all, index);
    ASSERT_EQ(own.size(), network.parameters().size()) << index;
    for (const auto& [name, tensor] : network.parameters())
      EXPECT_TRUE(at::equal(own.at(name), tensor)) << index << name;
  }
  EXPECT_TRUE(tensors_of_network(all, 12).empty());
}

}  // namespace
}  // namespace emend
