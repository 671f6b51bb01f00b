#include "models/caching/shared_prefix.h"

#include <gtest/gtest.h>

#include "models/caching/prefix.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

// The rounding error of a softmax over more or fewer padded positions.
constexpr double kBound = 2e-5;

class SharedPrefixTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(folder_->path());
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_->path()));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    folder_.reset();
  }
  static const Vlm& vlm() { return *vlm_; }
  static const Model& model() { return *vlm_->model; }

  // Demonstrations before questions: two about picture 0, one about picture 1, two without
  // pictures.
  static Batch batch() {
    Batch batch;
    batch.pixels = at::stack({vlm().processor.pixels(*testing::noise_image(1)),
                              vlm().processor.pixels(*testing::noise_image(2))});
    const auto told = std::string(60, 'a') + "New Fact: What is this? cat\nPrompt: ";
    batch.rows = {vlm().processor.row(told + "What is this?", 0),
                  vlm().processor.row(told + "Is it a dog, or what else is it?", 0),
                  vlm().processor.row(told + "What is this?", 1),
                  vlm().processor.row(told + "Where?"), vlm().processor.row(told + "Who is it?")};
    return batch;
  }
  static Interventions noise() {
    at::manual_seed(3);
    Interventions all;
    for (const auto& site : model().find_sites("*.fc2")) {
      auto change = Intervention::weight(site.name, {at::randn({site.out, site.in}) * 0.1, {}, {}});
      all.push_back(std::move(change));
    }
    return all;
  }

  static std::unique_ptr<TemporaryFolder> folder_;
  static std::unique_ptr<Vlm> vlm_;
};
std::unique_ptr<TemporaryFolder> SharedPrefixTest::folder_;
std::unique_ptr<Vlm> SharedPrefixTest::vlm_;

TEST_F(SharedPrefixTest, LogitsAgreeWithUnsharedRows) {
  at::NoGradGuard no_grad;
  const auto rows = batch();
  // The second row needs more positions than its own remainder.
  const std::vector<int64_t> ends = {3, 40, 5, 2, 7};
  for (const auto& changes : {Interventions{}, noise()}) {
    ActivationStore store(ActivationStore::Options{});
    for (auto* where : {static_cast<ActivationStore*>(nullptr), &store}) {
      auto plain =
          forward_until(vlm(), rows, model().first_stage(Module::language), changes, where);
      model().run(plain, changes);
      auto shared = share_prefixes(vlm(), rows, ends, changes, where, PadSide::right);
      ASSERT_TRUE(shared);
      auto& pass = shared->pass;
      const auto cached = pass.mask.size(1) - pass.ids.size(1);
      EXPECT_TRUE(at::equal(pass.mask.sum(1), plain.mask.sum(1)));
      const auto left = pass.mask.slice(1, cached).sum(1);
      model().run(pass, changes);
      for (int64_t r = 0; r < 5; ++r) {
        const auto size = plain.mask[r].sum().item<int64_t>();
        const auto own = left[r].item<int64_t>();
        EXPECT_GE(own, ends[static_cast<size_t>(r)]);
        const auto expected = plain.logits()[r].slice(0, size - own, size);
        const auto actual = pass.logits()[r].slice(0, 0, own);
        EXPECT_LT((actual - expected).abs().max().item<double>(), kBound) << r;
        EXPECT_GT(expected.abs().max().item<double>(), 0.1);
      }
    }
  }
}

TEST_F(SharedPrefixTest, GenerationAgreesWithUnsharedRows) {
  const auto rows = batch();
  const std::vector<int64_t> ends(rows.rows.size(), 1);
  GenerationOptions options;
  options.max_new_tokens = 6;
  for (const auto& changes : {Interventions{}, noise()}) {
    const auto plain = forward_until(vlm(), rows, model().first_stage(Module::language), changes,
                                     nullptr, PadSide::left);
    const auto shared = share_prefixes(vlm(), rows, ends, changes, nullptr, PadSide::left);
    ASSERT_TRUE(shared);
    const auto expected = generate_tokens(model(), plain, {2}, changes, options);
    // The pass can be used again.
    for (int round = 0; round < 2; ++round)
      EXPECT_EQ(generate_tokens(model(), shared->pass, {2}, changes, options), expected);
  }
}

TEST_F(SharedPrefixTest, SharedPrefixRunsOnce) {
  auto rows = batch();
  const auto size = [&](size_t r) { return static_cast<int64_t>(rows.rows[r].ids.size()); };
  const auto shared = share_prefixes(vlm(), rows, {1, 1, 1, 1, 1}, {}, nullptr, PadSide::right);
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->plain, size(0) + size(1) + size(2) + size(3) + size(4));
  const int64_t told = 60 + 36 + 1;  // bytes and BOS
  const int64_t image_tokens = model().num_image_tokens();
  // "Where?" and "Who is it?" have a common prefix; the others have none.
  EXPECT_EQ(shared->plain - shared->computed, image_tokens + told + told + 2);
}

TEST_F(SharedPrefixTest, ReturnsNothingWithoutSharing) {
  const auto rows = batch();
  const std::vector<int64_t> ends = {1, 1, 1, 1, 1};
  const auto shares = [&](const Batch& batch, const std::vector<int64_t>& wanted,
                          const Interventions& changes = {}) {
    return share_prefixes(vlm(), batch, wanted, changes, nullptr, PadSide::right).has_value();
  };
  EXPECT_TRUE(shares(rows, ends));
  EXPECT_FALSE(shares(rows, {1, 1000, 1, 1, 1}));  // the whole row is needed
  EXPECT_FALSE(shares({rows.pixels, {rows.rows[0], rows.rows[2]}}, {1, 1}));
  auto segmented = rows;
  segmented.rows[0].segments.assign(rows.rows[0].ids.size(), 0);
  EXPECT_FALSE(shares(segmented, ends));
  auto late = rows;  // a picture after the text
  late.rows[0].ids.insert(late.rows[0].ids.end(), rows.rows[0].ids.begin(),
                          rows.rows[0].ids.begin() + model().num_image_tokens());
  late.rows[0].images.push_back(1);
  EXPECT_FALSE(shares(late, ends));
  Intervention scoped = noise()[0];
  scoped.rows = {true, false, true, false, true};
  EXPECT_FALSE(shares(rows, ends, {scoped}));
  auto mix = Intervention::logits([](const at::Tensor& logits) { return logits; });
  EXPECT_FALSE(shares(rows, ends, {mix}));
}

}  // namespace
}  // namespace emend
