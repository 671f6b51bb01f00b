#include "nn/attachment.h"

#include <gmock/gmock.h>

#include "io/error.h"

namespace emend {
namespace {

std::string transform_refusal(const at::Tensor& x, const Transform& transform) {
  try {
    apply_transform(x, transform, {});
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(WeightDelta, MaterializesTheProductOfLowRankFactors) {
  const auto up = at::tensor({1., 2., 3.}).view({3, 1}).to(at::kFloat);
  const auto down = at::tensor({10., 20.}).view({1, 2}).to(at::kFloat);
  const WeightDelta low_rank{{}, up, down}, dense{at::ones({3, 2}), {}, {}};
  EXPECT_TRUE(low_rank.low_rank());
  EXPECT_FALSE(dense.low_rank());
  const auto expected = at::tensor({10., 20., 20., 40., 30., 60.}).view({3, 2}).to(at::kFloat);
  EXPECT_TRUE(at::equal(low_rank.materialized(), expected));
  EXPECT_TRUE(dense.materialized().is_same(dense.dense));
}

TEST(ApplyTransform, ReturnsTheArgumentOfAnObserver) {
  const auto x = at::randn({2, 3, 4});
  at::Tensor seen;
  const auto y = apply_transform(
      x, [&](const at::Tensor& t) { return seen = t; }, at::ones({2}, at::kBool));
  EXPECT_TRUE(y.is_same(x));
  EXPECT_TRUE(seen.is_same(x));
}

TEST(ApplyTransform, ChangesOnlyItsRows) {
  const auto x = at::randn({3, 2, 4});
  const auto twice = [](const at::Tensor& t) { return t * 2; };
  EXPECT_TRUE(at::equal(apply_transform(x, twice, {}), x * 2));
  const auto rows = at::arange(3) == 1;
  const auto y = apply_transform(x, twice, rows);
  EXPECT_TRUE(at::equal(y[0], x[0]));
  EXPECT_TRUE(at::equal(y[1], x[1] * 2));
  EXPECT_TRUE(at::equal(y[2], x[2]));
}

// 0 * infinity would be NaN if rows were mixed by arithmetic.
TEST(ApplyTransform, KeepsOtherRowsForAnyResult) {
  const auto x = at::randn({2, 1, 4});
  const auto y = apply_transform(
      x, [](const at::Tensor& t) { return t / 0; }, at::arange(2) == 0);
  EXPECT_TRUE(at::equal(y[1], x[1]));
}

TEST(ApplyTransform, KeepsTheDtype) {
  const auto x = at::randn({2, 3, 4}).to(at::kBFloat16);
  const auto y = apply_transform(x, [](const at::Tensor& t) { return t.to(at::kFloat) + 1; }, {});
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(y, (x.to(at::kFloat) + 1).to(at::kBFloat16)));
}

TEST(ApplyTransform, RefusesAnotherShape) {
  const auto x = at::randn({2, 3, 4});
  EXPECT_THAT(transform_refusal(x, [](const at::Tensor& t) { return t.slice(1, 1); }),
              ::testing::HasSubstr("returned the shape [2, 2, 4] for an input of [2, 3, 4]"));
  EXPECT_THAT(transform_refusal(x, [](const at::Tensor&) { return at::Tensor(); }),
              ::testing::HasSubstr("returned the shape [nothing] for an input of [2, 3, 4]"));
}

TEST(Attachments, AreAbsentForUnknownAndUnchangedSites) {
  Attachments attachments;
  EXPECT_EQ(attachments.at(0), nullptr);
  attachments.by_site.resize(2);
  attachments.by_site[1].push_back({Attachment::Kind::weight, {at::ones({1, 1}), {}, {}}, {}, {}});
  EXPECT_EQ(attachments.at(-1), nullptr);
  EXPECT_EQ(attachments.at(0), nullptr);
  EXPECT_EQ(attachments.at(1), &attachments.by_site[1]);
  EXPECT_EQ(attachments.at(2), nullptr);
}

}  // namespace
}  // namespace emend
