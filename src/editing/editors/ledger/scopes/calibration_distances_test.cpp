#include "editing/editors/ledger/scopes/calibration_distances.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "editing/editors/ledger/keys/key_network.h"

namespace emend {
namespace {

class CalibrationDistancesTest : public ::testing::Test {
 protected:
  static constexpr int64_t kCount = 3 * CalibrationDistances::kBlock + 5;

  static at::Tensor random(int64_t rows, uint64_t seed) {
    return at::randn({rows, 24}, at::make_generator<at::CPUGeneratorImpl>(seed));
  }
  // All keys at once.
  CalibrationDistances of(const at::Tensor& keys, const at::Tensor& active) const {
    CalibrationDistances distances(questions_);
    for (int64_t block = 0; block <= CalibrationDistances::block_of(keys.size(0) - 1); ++block)
      distances.update(block, keys, active);
    return distances;
  }

  at::Tensor questions_ = random(300, 1), keys_ = random(kCount, 2);
  at::Tensor all_ = at::ones({kCount}, at::kBool);
};

TEST_F(CalibrationDistancesTest, AreThoseToTheNearestKey) {
  const auto expected = key_distances(questions_, keys_).amin(1);
  EXPECT_TRUE(at::allclose(of(keys_, all_).nearest(), expected, 1e-4, 1e-4));
}

TEST_F(CalibrationDistancesTest, HaveTheSameBitsIfKeysAreAddedOneByOne) {
  CalibrationDistances grown(questions_);
  for (int64_t i = 0; i < kCount; ++i)
    grown.update(CalibrationDistances::block_of(i), keys_.slice(0, 0, i + 1),
                 all_.slice(0, 0, i + 1));
  EXPECT_TRUE(at::equal(grown.nearest(), of(keys_, all_).nearest()));
}

TEST_F(CalibrationDistancesTest, IgnoreInactiveKeys) {
  auto active = all_.clone();
  auto distances = of(keys_, all_);
  const auto before = distances;
  const auto nearest = key_distances(questions_.slice(0, 0, 1), keys_).argmin(1).item<int64_t>();
  active[nearest] = false;
  distances.update(CalibrationDistances::block_of(nearest), keys_, active);
  EXPECT_TRUE(at::equal(distances.nearest(), of(keys_, active).nearest()));
  EXPECT_FALSE(at::equal(distances.nearest(), before.nearest()));
  EXPECT_TRUE(at::equal(before.nearest(), of(keys_, all_).nearest()));
}

TEST_F(CalibrationDistancesTest, AreInfiniteWithoutActiveKeys) {
  const auto none = of(keys_.slice(0, 0, 2), at::zeros({2}, at::kBool)).nearest();
  EXPECT_TRUE(at::isinf(none).all().item<bool>());
}

}  // namespace
}  // namespace emend
