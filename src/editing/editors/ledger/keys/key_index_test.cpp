#include "editing/editors/ledger/keys/key_index.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "editing/editors/ledger/keys/key_network.h"

namespace emend {
namespace {

// Keys with few degrees of freedom, as those of real questions.
at::Tensor key_cloud(int64_t count, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  auto axes = at::make_generator<at::CPUGeneratorImpl>(1);
  return at::randn({count, 6}, generator).matmul(at::randn({6, 24}, axes));
}

TEST(KeyIndex, GraphFindsTheNearestKeys) {
  const auto keys = key_cloud(3000, 2), queries = key_cloud(500, 3);
  const KeyIndex all(keys), graph(keys, /*exact=*/0);
  const auto [expected, best] = all.nearest(queries);
  const auto [distances, found] = graph.nearest(queries);
  EXPECT_GE((best == found).sum().item<int64_t>(), 495);
  // A distance is that to the key that was found.
  const auto own = (queries - keys.index_select(0, found)).square().sum(1);
  EXPECT_TRUE(at::allclose(distances, own, 1e-4, 1e-4));
  EXPECT_TRUE((distances >= expected - 1e-2).all().item<bool>());
}

TEST(KeyIndex, NearestWithinALimitIsTheNearestIfItIsNearer) {
  const auto keys = key_cloud(3000, 2), queries = at::cat({key_cloud(500, 3), keys.slice(0, 0, 9)});
  const KeyIndex index(keys);
  const auto [expected, best] = index.nearest(queries);
  for (const double limit : {0.0, 1.0, 8.0, 1e3}) {
    const auto [distances, found] = index.nearest_within(queries, limit);
    const auto near = expected < limit;
    EXPECT_TRUE(at::equal(distances < limit, near)) << limit;
    EXPECT_TRUE(at::equal(distances.isinf(), near.logical_not())) << limit;
    EXPECT_TRUE(at::equal(found.masked_select(near), best.masked_select(near))) << limit;
    EXPECT_TRUE(at::allclose(distances.masked_select(near), expected.masked_select(near), 1e-3,
                             1e-3))
        << limit;
  }
  EXPECT_EQ(index.nearest_within(queries.slice(0, 0, 0), 1.0).first.size(0), 0);
}

TEST(KeyIndex, IsRepeatable) {
  const auto keys = key_cloud(1000, 2), queries = key_cloud(200, 3);
  EXPECT_TRUE(at::equal(KeyIndex(keys, 0).nearest(queries).second,
                        KeyIndex(keys, 0).nearest(queries).second));
}

TEST(KeyIndex, FindsTheLastOfNearKeys) {
  auto keys = key_cloud(600, 2);
  for (const auto& [copy, of] : {std::pair{100, 7}, std::pair{400, 7}, std::pair{599, 300}})
    keys[copy].copy_(keys[of] + 0.001);
  for (const int64_t exact : {int64_t{1000}, int64_t{0}}) {
    const auto last = KeyIndex(keys, exact).last_near(0.01);
    EXPECT_EQ(last[7], 400);
    EXPECT_EQ(last[100], 400);
    EXPECT_EQ(last[400], -1);
    EXPECT_EQ(last[300], 599);
    EXPECT_EQ(std::count(last.begin(), last.end(), -1), 597);
  }
}

TEST(KeyIndex, NearKeysAreThoseOfLastNear) {
  auto keys = key_cloud(300, 2);
  keys[200].copy_(keys[40] + 0.01);
  const double distance = 24 * 0.01 * 0.01;
  for (const double radius : {0.99 * distance, 1.01 * distance, 2.0, 8.0}) {
    std::vector<int64_t> expected(300, -1);
    for (int64_t i = 0; i < 300; ++i)
      for (const auto near : near_keys(keys.slice(0, 0, i), keys[i], radius))
        expected[static_cast<size_t>(near)] = i;
    EXPECT_EQ(KeyIndex(keys).last_near(radius), expected) << radius;
    EXPECT_EQ(expected[40] >= 200, radius > distance) << radius;
  }
}

TEST(KeyIndex, NoQueriesHaveNoNeighbors) {
  for (const int64_t exact : {int64_t{10}, int64_t{0}}) {
    const auto [distances, found] = KeyIndex(key_cloud(5, 1), exact).nearest(at::zeros({0, 24}));
    EXPECT_EQ(distances.size(0), 0);
    EXPECT_EQ(found.size(0), 0);
  }
}

}  // namespace
}  // namespace emend
