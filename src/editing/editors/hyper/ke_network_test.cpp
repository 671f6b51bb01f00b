#include "editing/editors/hyper/ke_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/error.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

double ke_relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) return INFINITY;
  return (actual - expected).abs().max().item<double>() / expected.abs().max().item<double>();
}

at::Tensor ke_product(const EditDeltas& delta) {  // (E, out, in)
  return at::bmm(delta.up.transpose(1, 2), delta.down).detach();
}

// tools/reference/editors/make_ke_fixture.py: PyTorch, one edit at a time, in double precision.
class KeFixture : public ::testing::Test {
 protected:
  at::Tensor tensor(const std::string& name) const { return file_->tensor(name).clone(); }
  KeNetwork network(bool pictured) const {
    KeNetwork::Options options;
    options.words = 6;
    options.picture = pictured ? 4 : 0;
    options.lstm_width = 3;
    options.condition_width = 8;
    options.hidden_width = 5;
    options.max_scale = 0.7;
    options.unit_gradient = pictured;
    KeNetwork network({{"a", 0, 5, 7}, {"b", 1, 7, 5}}, options);
    std::map<std::string, at::Tensor> tensors;
    for (const auto& [name, own] : network.parameters()) tensors[name] = tensor(name);
    network.load(tensors, "the fixture");
    return network;
  }
  // A subset of the three rows.
  std::vector<EditDeltas> deltas(const KeNetwork& network, int64_t begin = 0,
                                 int64_t count = 3) const {
    auto some = [&](const std::string& name) { return tensor(name).narrow(0, begin, count); };
    auto condition =
        network.condition(some("words"), some("lengths").to(at::kLong),
                          network.options().picture > 0 ? some("pictures") : at::Tensor());
    std::vector<GradientFactors> factors = {{some("a.u"), some("a.v")}, {some("b.u"), some("b.v")}};
    return network.deltas(factors, {condition, condition});
  }

  std::shared_ptr<const SafetensorsFile> file_ =
      SafetensorsFile::open(EMEND_SOURCE_DIR "/src/editing/testdata/ke.safetensors");
};

TEST_F(KeFixture, DeltasAgreeWithReference) {
  for (bool pictured : {false, true}) {
    auto made = deltas(network(pictured));
    ASSERT_EQ(made.size(), 2u);
    for (const auto& delta : made) {
      EXPECT_EQ(delta.up.size(1), 7);  // six tokens, and one for the softmax term
      auto expected = tensor((pictured ? "delta." : "plain.delta.") + delta.site);
      EXPECT_LT(ke_relative_error(ke_product(delta), expected), 1e-5) << delta.site << pictured;
    }
  }
}

TEST_F(KeFixture, GradientsAgreeWithReference) {
  auto network = this->network(true);
  at::Tensor total = at::zeros({});
  for (const auto& delta : deltas(network))
    total = total +
            (at::bmm(delta.up.transpose(1, 2), delta.down) * tensor("probe." + delta.site)).sum();
  std::vector<at::Tensor> leaves;
  for (const auto& [name, leaf] : network.parameters()) leaves.push_back(leaf);
  auto gradients = torch::autograd::grad({total}, leaves);
  auto trained = network.parameters();
  for (size_t i = 0; i < trained.size(); ++i)
    EXPECT_LT(ke_relative_error(gradients[i], tensor("gradient." + trained[i].first)), 2e-5)
        << trained[i].first;
}

TEST_F(KeFixture, DeltaDoesNotDependOnOtherEdits) {
  auto network = this->network(true);
  auto all = deltas(network);
  for (int64_t row = 0; row < 3; ++row) {
    auto one = deltas(network, row, 1);
    for (size_t i = 0; i < all.size(); ++i)
      EXPECT_LT(ke_relative_error(ke_product(one[i])[0], ke_product(all[i])[row]), 1e-5) << row;
  }
}

TEST_F(KeFixture, ZeroGradientLeavesOnlyTheSoftmaxTerm) {
  auto network = this->network(true);
  auto condition =
      network.condition(tensor("words"), tensor("lengths").to(at::kLong), tensor("pictures"));
  std::vector<GradientFactors> factors = {{tensor("a.u"), at::zeros_like(tensor("a.v"))}, {}};
  auto made = network.deltas(factors, {condition, condition});
  ASSERT_EQ(made.size(), 1u);  // no delta without factors
  EXPECT_TRUE(at::isfinite(ke_product(made[0])).all().item<bool>());
  EXPECT_EQ(made[0].up.narrow(1, 0, 6).abs().max().item<double>(), 0);
  EXPECT_GT(made[0].up.narrow(1, 6, 1).abs().max().item<double>(), 0);
}

TEST_F(KeFixture, InitialNetworkIsGradientDescent) {
  KeNetwork::Options options;
  options.words = 6;
  KeNetwork fresh({{"a", 0, 5, 7}, {"b", 1, 7, 5}}, options);
  for (const auto& delta : deltas(fresh)) {
    auto gradient = at::bmm(tensor(delta.site + ".v").transpose(1, 2), tensor(delta.site + ".u"));
    auto alike = (ke_product(delta) * gradient).sum({1, 2}) /
                 (ke_product(delta).norm(2, {1, 2}) * gradient.norm(2, {1, 2}));
    EXPECT_LT(alike.max().item<double>(), -0.9) << delta.site;
    EXPECT_NEAR(ke_product(delta).norm(2, {1, 2}).mean().item<double>(), 0.5, 0.1) << delta.site;
  }
}

TEST_F(KeFixture, LoadIsStrict) {
  auto network = this->network(false);
  std::map<std::string, at::Tensor> own;
  for (const auto& [name, leaf] : network.parameters()) own[name] = leaf.detach().clone();
  auto tensors = own;
  tensors.erase("a.in.bias");
  EXPECT_THAT(error_of([&] { network.load(tensors, "F"); }),
              HasSubstr("is missing the tensor 'a.in.bias'"));
  tensors = own;
  tensors["more"] = at::zeros({1});
  EXPECT_THAT(error_of([&] { network.load(tensors, "F"); }), HasSubstr("'more'"));
  tensors = own;
  tensors["a.in.bias"] = at::zeros({2});
  EXPECT_THAT(error_of([&] { network.load(tensors, "F"); }),
              HasSubstr("whose shape does not match"));
}

}  // namespace
}  // namespace emend
