#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "io/error.h"
#include "models/generation/sampling.h"
#include "models/testing/fixture.h"
#include "models/testing/thread_guard.h"
#include "models/vlm.h"

namespace emend {
namespace {

using fixtures::Fixture;
using Tokens = std::vector<std::vector<int64_t>>;

GenerationOptions greedy(int64_t count) { return {.max_new_tokens = count}; }

Tokens rows_of(const at::Tensor& ids) {
  Tokens rows;
  for (int64_t r = 0; r < ids.size(0); ++r) {
    const auto row = ids[r].contiguous();
    rows.emplace_back(row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel());
  }
  return rows;
}

class Generate : public ::testing::TestWithParam<std::string> {
 protected:
  ThreadGuard threads_{1};
  Tokens make(const Batch& batch, const GenerationOptions& options,
              const std::vector<int64_t>& stop = {},
              const Interventions& interventions = {}) const {
    return generate_tokens(*model, batch, stop, interventions, options);
  }
  Fixture fixture = Fixture::open(GetParam());
  std::unique_ptr<Model> model = fixtures::load(fixture);
};
INSTANTIATE_TEST_SUITE_P(All, Generate, ::testing::ValuesIn(fixtures::pictured_fixtures()),
                         fixtures::test_name);

TEST_P(Generate, TwentyGreedyTokensAgreeWithTransformers) {
  for (const char* name : {"image_left", "text_left"}) {
    const auto expected = rows_of(fixture.tensor(std::string(name) + "/generated"));
    ASSERT_EQ(expected[0].size(), 20u);
    EXPECT_EQ(make(fixture.batch(name), greedy(20)), expected) << name;
  }
}

// Results with and without a cache are equal, also for rows with and without pictures in a batch.
TEST_P(Generate, CacheAgreesWithFullPasses) {
  at::NoGradGuard no_grad;
  auto batch = fixture.batch("image_right");
  const auto text = fixture.batch("text_right");
  batch.rows.insert(batch.rows.begin(), text.rows.begin(), text.rows.end());
  const auto cached = make(batch, greedy(8));
  auto grown = batch;
  for (int step = 0; step < 8; ++step) {
    auto pass = model->collate(grown, PadSide::left);
    model->run(pass);
    const auto next = choose_greedy(pass.logits().select(1, -1));
    for (size_t r = 0; r < next.size(); ++r) {
      EXPECT_EQ(next[r], cached[r][step]) << r << " " << step;
      grown.rows[r].ids.push_back(next[r]);
    }
  }
}

TEST_P(Generate, EachRowEndsAtItsStopToken) {
  const auto batch = fixture.batch("image_left");
  const auto whole = make(batch, greedy(20));
  const int64_t stop = whole[0][5];
  const auto stopped = make(batch, greedy(20), {stop});
  for (size_t r = 0; r < whole.size(); ++r) {
    const auto end = std::find(whole[r].begin(), whole[r].end(), stop);
    EXPECT_EQ(stopped[r], std::vector<int64_t>(whole[r].begin(), end));
  }
}

TEST_P(Generate, OnTokensSeesEveryTokenAndEndsRows) {
  const auto batch = fixture.batch("image_left");
  const auto whole = make(batch, greedy(6));
  auto options = greedy(6);
  Tokens seen(whole.size());
  options.on_tokens = [&](int64_t row, const std::vector<int64_t>& tokens) {
    EXPECT_EQ(tokens.size(), seen[row].size() + 1);
    seen[row] = tokens;
    return row > 0 || tokens.size() < 2;  // the first row ends after two tokens
  };
  const auto rows = generate_rows(*model, model->collate(batch, PadSide::left), {}, {}, options);
  ASSERT_EQ(rows.size(), whole.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto expected =
        r > 0 ? whole[r] : std::vector<int64_t>(whole[0].begin(), whole[0].begin() + 2);
    EXPECT_EQ(rows[r].tokens, expected) << r;
    EXPECT_EQ(seen[r], expected) << r;
    EXPECT_EQ(rows[r].finish_reason,
              r > 0 ? FinishReason::max_new_tokens : FinishReason::cancelled);
  }
}

TEST_P(Generate, StopsAtTheMaximumNumberOfPositions) {
  auto batch = fixture.batch("text_left");
  batch.rows.resize(1);
  const auto made = make(batch, greedy(1000));
  EXPECT_EQ(made[0].size() + batch.rows[0].ids.size(),
            static_cast<size_t>(model->max_positions()) + 1);
}

TEST_P(Generate, SamplesDependOnSeedAndRow) {
  const auto batch = fixture.batch("text_left");
  GenerationOptions options{.max_new_tokens = 12, .temperature = 1.5, .top_p = 0.95, .seed = 3};
  const auto first = make(batch, options);
  EXPECT_EQ(make(batch, options), first);
  options.seed = 4;
  EXPECT_NE(make(batch, options), first);
  options = {.max_new_tokens = 12, .temperature = 1e-6, .top_p = 1, .seed = 3};
  EXPECT_EQ(make(batch, options), make(batch, greedy(12)));
}

TEST_P(Generate, InterventionsActOnEveryToken) {
  const auto batch = fixture.batch("image_left");
  const auto forbid = Intervention::logits([](const at::Tensor& logits) {
                        auto changed = logits.clone();
                        changed.select(-1, 11).add_(1e4);
                        return changed;
                      }).on_rows({false, true, false});
  const auto plain = make(batch, greedy(6)), forced = make(batch, greedy(6), {}, {forbid});
  EXPECT_EQ(forced[0], plain[0]);
  EXPECT_THAT(forced[1], ::testing::Each(11));
  EXPECT_EQ(forced[2], plain[2]);
}

TEST_P(Generate, RejectsInvalidOptions) {
  const auto batch = fixture.batch("text_left");
  EXPECT_THROW(make(batch, greedy(0)), Error);
  EXPECT_THROW(make(batch, {.max_new_tokens = 1, .temperature = -1}), Error);
  EXPECT_THROW(make(batch, {.max_new_tokens = 1, .top_p = 0}), Error);
  const auto nan = Intervention::logits([](const at::Tensor& x) { return x * NAN; });
  EXPECT_THROW(make(batch, greedy(2), {}, {nan}), Error);
  EXPECT_THROW(make(batch, {.max_new_tokens = 2, .temperature = 1}, {}, {nan}), Error);
}

TEST(Choose, TiesGoToTheLowestId) {
  auto logits = at::zeros({2, 5000}, at::kBFloat16);
  logits[0][4999] = 2;
  logits[0][77] = 2;
  logits[0][78] = 2;
  EXPECT_THAT(choose_greedy(logits), ::testing::ElementsAre(77, 0));
}

TEST(Choose, SamplesByProbability) {
  std::mt19937_64 random(1);
  const auto logits = at::log(at::tensor({0.1, 0.6, 0.3}));
  std::vector<int> counts(3, 0), cut(3, 0);
  for (int i = 0; i < 20000; ++i) ++counts[choose_sampled(logits, 1, 1, random)];
  EXPECT_NEAR(counts[0], 2000, 200);
  EXPECT_NEAR(counts[1], 12000, 300);
  for (int i = 0; i < 2000; ++i) ++cut[choose_sampled(logits, 1, 0.8, random)];
  EXPECT_EQ(cut[0], 0);
  EXPECT_GT(cut[2], 400);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(choose_sampled(logits, 1, 0.01, random), 1);
}

}  // namespace
}  // namespace emend
