#include "editing/editors/lifelong/sequence_changes.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/patches/patch_stack.h"
#include "editing/testing/every_editor.h"
#include "editing/testing/tiny_vlm_test.h"

namespace emend {
namespace {

at::Tensor doubles(std::vector<double> values, at::IntArrayRef shape) {
  return at::tensor(values, at::kDouble).view(shape);
}

at::Tensor materialized(const WeightDelta& change) { return change.materialized().to(at::kDouble); }

TEST(Sphere, DirectionsAreTheEigenvectorsOfRowsOfUnitLength) {
  // Rows of unit length: (1, 0, 0), (1, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1).
  const auto weight = doubles({5, 0, 0, 0.1, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0, 2}, {5, 3});
  // Shares of the eigenvalues: 0.6, 0.2, 0.2. None is within 0.5, and one more is taken.
  const auto one = leading_directions(weight, 0.5);
  ASSERT_EQ(one.sizes(), (at::IntArrayRef{3, 1}));
  EXPECT_TRUE(at::allclose(one.abs(), doubles({1, 0, 0}, {3, 1})));
  EXPECT_EQ(leading_directions(weight, 0.7).size(1), 2);
  EXPECT_EQ(leading_directions(weight, 1).size(1), 3);
}

TEST(Sphere, ReducesTheChangeInTheDirections) {
  const auto directions = doubles({1, 0, 0}, {3, 1});
  const auto change = at::tensor({2.f, 3.f, 4.f, -1.f, 1.f, 0.f}).view({2, 3});
  const auto expected = doubles({1, 3, 4, -0.5, 1, 0}, {2, 3});
  EXPECT_TRUE(
      at::equal(materialized(without_directions({change, {}, {}}, directions, 0.5)), expected));
  const WeightDelta low_rank{{}, at::eye(2), change};
  EXPECT_TRUE(at::equal(materialized(without_directions(low_rank, directions, 0.5)), expected));
  const auto all = materialized(without_directions(low_rank, directions, 1));
  EXPECT_EQ(all.select(1, 0).abs().max().item<double>(), 0);
}

TEST(SimIe, IsTheFormulaOfThePaper) {
  auto random = at::detail::createCPUGenerator(3);
  const auto draw = [&](int64_t rows, int64_t columns) {
    return at::randn({rows, columns}, random, at::dtype(at::kDouble));
  };
  const auto up = draw(4, 2).to(at::kFloat), down = draw(2, 6).to(at::kFloat);
  const auto keys = draw(6, 3), history = draw(6, 2);
  const double ridge = 0.7;
  for (const auto& earlier : {at::Tensor(), history}) {
    auto p = ridge * at::eye(6, at::kDouble) + at::matmul(keys, keys.t());
    if (earlier.defined()) p = p + at::matmul(earlier, earlier.t());
    const auto change = at::matmul(up, down).to(at::kDouble);
    const auto expected =
        at::matmul(at::matmul(change, at::matmul(keys, keys.t())), at::linalg_inv(p));
    for (const auto& given : {WeightDelta{{}, up, down}, WeightDelta{at::matmul(up, down), {}, {}}})
      EXPECT_TRUE(at::allclose(materialized(within_keys(given, keys, earlier, ridge)), expected,
                               1e-4, 1e-5));
  }
}

TEST(SimIe, PreservesEarlierKeysWithASmallRidge) {
  const auto change = at::tensor({1.f, 2.f, 3.f}).view({1, 3});
  const auto key = doubles({1, 1, 0}, {3, 1}), earlier = doubles({1, 0, 0}, {3, 1});
  const auto adapted = materialized(within_keys({change, {}, {}}, key, earlier, 1e-9));
  EXPECT_NEAR(at::matmul(adapted, key).item<double>(), 3, 1e-3);
  EXPECT_NEAR(at::matmul(adapted, earlier).item<double>(), 0, 1e-3);
}

// Editors with these settings.
class SequenceChangesTest : public testing::TinyVlmTest,
                            public ::testing::WithParamInterface<std::string> {
 protected:
  static void SetUpTestSuite() {
    TinyVlmTest::SetUpTestSuite();
    testing::write_trained_editors(*vlm_);
  }
  Patch edit(const nlohmann::json& more, const EditContext& context = {}) {
    auto settings = testing::quick_settings(editor_info(GetParam()));
    if (more.is_object()) settings.update(more);
    return make_editor(GetParam(), settings)
        ->edit(*vlm_, {{{"", testing::noise_image(1)}, "What is this?", " cat"}}, context);
  }
  static bool same(const Patch& a, const Patch& b) {
    for (size_t i = 0; i < a.deltas.size(); ++i)
      if (!at::equal(a.deltas[i].delta.materialized(), b.deltas[i].delta.materialized()))
        return false;
    return a.deltas.size() == b.deltas.size();
  }
};

TEST_P(SequenceChangesTest, AreOffByDefault) {
  const auto plain = edit({});
  EXPECT_EQ(plain.id, edit({{"sphere", 0}, {"simie", 0}}).id);
  EXPECT_FALSE(same(plain, edit({{"sphere", 0.5}})));
  EXPECT_FALSE(same(plain, edit({{"simie", 0.1}})));
}

TEST_P(SequenceChangesTest, SphereProjectsTheChange) {
  const auto plain = edit({}), projected = edit({{"sphere", 0.5}});
  const auto& site = vlm_->model->site(plain.deltas.front().site);
  const auto directions = leading_directions(vlm_->model->weight(site), 0.5);
  const auto expected = without_directions(plain.deltas.front().delta, directions, 0.5);
  EXPECT_TRUE(at::allclose(projected.deltas.front().delta.materialized(), expected.materialized(),
                           1e-4, 1e-6));
}

TEST_P(SequenceChangesTest, SimIeKeepsKeysForLaterEdits) {
  const auto first = edit({{"simie", 0.1}});
  ASSERT_EQ(first.keys.size(), first.deltas.size());
  const auto& site = vlm_->model->site(first.deltas.front().site);
  EXPECT_EQ(first.keys.front().site, site.name);
  EXPECT_EQ(first.keys.front().keys.size(1), site.in);
  EditContext context;
  context.history = first.keys;
  EXPECT_FALSE(same(first, edit({{"simie", 0.1}}, context)));
}

INSTANTIATE_TEST_SUITE_P(Editors, SequenceChangesTest,
                         ::testing::Values("mend", "rome", "memit", "alphaedit"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace emend
