#include "editing/editors/hyper/mend_network.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/error.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

double mend_relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) return INFINITY;
  return (actual - expected).abs().max().item<double>() / expected.abs().max().item<double>();
}

at::Tensor mend_product(const EditDeltas& delta) {  // (E, out, in)
  return at::bmm(delta.up.transpose(1, 2), delta.down);
}

// tools/reference/editors/make_mend_fixture.py: PyTorch, one token at a time, in double precision.
class MendFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    MendNetwork::Options options;
    options.rank = 3;
    network_ = std::make_unique<MendNetwork>(
        std::vector<Site>{{"a", 0, 5, 7}, {"b", 0, 5, 7}, {"c", 1, 7, 5}}, options);
  }
  at::Tensor tensor(const std::string& name) const { return file_->tensor(name).clone(); }
  std::vector<GradientFactors> batch(int which) const {
    std::vector<GradientFactors> factors;
    for (const std::string site : {"a", "b", "c"}) {
      auto name = fmt::format("batch.{}.{}.", which, site);
      factors.push_back({tensor(name + "u"), tensor(name + "v")});
    }
    return factors;
  }
  void load_network() {
    std::map<std::string, at::Tensor> tensors;
    for (const auto& [name, own] : network_->tensors()) tensors[name] = tensor(name);
    network_->load(tensors, "the fixture");
  }

  std::shared_ptr<const SafetensorsFile> file_ =
      SafetensorsFile::open(EMEND_SOURCE_DIR "/src/editing/testdata/mend.safetensors");
  std::unique_ptr<MendNetwork> network_;
};

TEST_F(MendFixture, MeansAndDeviationsAgreeWithReference) {
  network_->observe(batch(0));
  network_->observe(batch(1));
  auto own = network_->tensors();
  for (const std::string shape : {"7x5.", "5x7."}) {
    EXPECT_EQ(own[shape + "count"].item<double>(), tensor(shape + "count").item<double>());
    EXPECT_LT(mend_relative_error(own[shape + "mean"], tensor(shape + "mean")), 1e-5);
    EXPECT_LT(mend_relative_error(own[shape + "moved"], tensor(shape + "moved")), 1e-5);
  }
}

TEST_F(MendFixture, DeltasAgreeWithReference) {
  load_network();
  auto deltas = network_->deltas(batch(2));
  ASSERT_EQ(deltas.size(), 3u);
  for (const auto& delta : deltas)
    EXPECT_LT(mend_relative_error(mend_product(delta).detach(), tensor("delta." + delta.site)),
              1e-5)
        << delta.site;
}

TEST_F(MendFixture, GradientsAgreeWithReference) {
  load_network();
  at::Tensor total = at::zeros({});
  for (const auto& delta : network_->deltas(batch(2)))
    total = total + (mend_product(delta) * tensor("probe." + delta.site)).sum();
  std::vector<at::Tensor> leaves;
  for (const auto& [name, leaf] : network_->parameters()) leaves.push_back(leaf);
  auto gradients = torch::autograd::grad({total}, leaves);
  auto trained = network_->parameters();
  for (size_t i = 0; i < trained.size(); ++i)
    EXPECT_LT(mend_relative_error(gradients[i], tensor("gradient." + trained[i].first)), 1e-5)
        << trained[i].first;
}

TEST_F(MendFixture, DeltaDoesNotDependOnOtherRows) {
  load_network();
  auto all = network_->deltas(batch(2));
  auto alone = batch(2);
  for (auto& factors : alone) {
    factors.input = factors.input.narrow(0, 1, 1);
    factors.gradient = factors.gradient.narrow(0, 1, 1);
  }
  auto one = network_->deltas(alone);
  for (size_t i = 0; i < all.size(); ++i)
    EXPECT_LT(
        mend_relative_error(mend_product(one[i])[0].detach(), mend_product(all[i])[1].detach()),
        1e-5);
}

TEST_F(MendFixture, FurtherRoundsStartAsTheLastWithHalfItsRates) {
  load_network();
  const auto one = network_->tensors();
  MendNetwork::Options options;
  options.rank = 3;
  options.rounds = 3;
  MendNetwork longer(network_->sites(), options);
  EXPECT_THAT(error_of([&] { longer.load(one, "one round"); }),
              HasSubstr("whose shape does not match"));
  longer.load(longer.grown(one), "one round");
  const auto factors = batch(0);
  const auto expected = network_->deltas(factors);
  for (int64_t round = 0; round < 3; ++round) {
    const auto deltas = longer.deltas(factors, round);
    const double half = round == 0 ? 1 : 0.5;
    for (size_t i = 0; i < deltas.size(); ++i)
      EXPECT_LT(mend_relative_error(mend_product(deltas[i]), half * mend_product(expected[i])),
                1e-6);
  }
  // A network with fewer rounds uses the first ones.
  MendNetwork::Options plain;
  plain.rank = 3;
  MendNetwork shorter(network_->sites(), plain);
  shorter.load(shorter.grown(longer.tensors()), "three rounds");
  const auto first = shorter.deltas(factors);
  for (size_t i = 0; i < first.size(); ++i)
    EXPECT_TRUE(at::equal(mend_product(first[i]), mend_product(expected[i])));
}

TEST_F(MendFixture, HigherRankStartsAsTheLowerRank) {
  load_network();
  MendNetwork::Options options;
  options.rank = 5;
  MendNetwork wider(network_->sites(), options);
  const auto factors = batch(0);
  const auto narrow = network_->tensors();
  EXPECT_THAT(error_of([&] { wider.load(narrow, "rank 3"); }),
              HasSubstr("whose shape does not match"));
  wider.load(wider.grown(narrow), "rank 3");
  const auto deltas = wider.deltas(factors), expected = network_->deltas(factors);
  for (size_t i = 0; i < deltas.size(); ++i)
    EXPECT_LT(mend_relative_error(mend_product(deltas[i]), mend_product(expected[i])), 1e-6);
  // The rows of the additional rank differ, so that they can learn.
  EXPECT_GT(wider.tensors().at("7x5.layer.0.v").narrow(0, 3, 2).std().item<double>(), 0.1);
  // A network with a lower rank cannot be initialized from one with a higher rank.
  EXPECT_THAT(error_of([&] { network_->load(network_->grown(wider.tensors()), "rank 5"); }),
              HasSubstr("whose shape does not match"));
}

TEST_F(MendFixture, LoadIsStrict) {
  auto tensors = network_->tensors();
  tensors.erase("rates");
  EXPECT_THAT(error_of([&] { network_->load(tensors, "F"); }),
              HasSubstr("is missing the tensor 'rates'"));
  tensors = network_->tensors();
  tensors["more"] = at::zeros({1});
  EXPECT_THAT(error_of([&] { network_->load(tensors, "F"); }), HasSubstr("'more'"));
  tensors = network_->tensors();
  tensors["rates"] = at::zeros({2});
  EXPECT_THAT(error_of([&] { network_->load(tensors, "F"); }),
              HasSubstr("whose shape does not match"));
}

}  // namespace
}  // namespace emend
