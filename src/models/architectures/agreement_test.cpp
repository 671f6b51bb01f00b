#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "models/testing/fixture.h"
#include "models/testing/thread_guard.h"
#include "models/vlm.h"

namespace emend {
namespace {

using fixtures::Fixture;
using fixtures::relative_error;

// Comparisons with values that Hugging Face computed, for models of different shapes.
class Agreement : public ::testing::TestWithParam<std::string> {
 protected:
  ThreadGuard threads_{1};
  // Error of emend relative to that of transformers, of all fixtures so far.
  inline static std::vector<double> bfloat16_ratios = {};

  at::Tensor logits(const Model& model, const Batch& batch, PadSide pad = PadSide::right) const {
    at::NoGradGuard no_grad;
    auto pass = model.collate(batch, pad);
    model.run(pass);
    return pass.logits().index({pass.mask});
  }

  Fixture fixture = Fixture::open(GetParam());
  std::unique_ptr<Model> model = fixtures::load(fixture);
};

INSTANTIATE_TEST_SUITE_P(All, Agreement, ::testing::ValuesIn(fixtures::all_fixtures()),
                         fixtures::test_name);

#define EXPECT_WITHIN(differences)                                        \
  do {                                                                    \
    const auto compared = (differences);                                  \
    ::testing::Test::RecordProperty("worst", fixtures::worst(compared));  \
    EXPECT_TRUE(fixtures::within(compared)) << fixtures::worst(compared); \
  } while (false)

// All stages of a fixture are compared, so that no name is missed because of a typing error.
TEST_P(Agreement, StageNamesAreComplete) {
  for (const auto& stage : model->stages()) {
    const auto key = stage.name == "language.head" ? "logits" : stage.name;
    EXPECT_TRUE(fixture.has(fixture.main_case() + "/" + key)) << key;
  }
}

TEST_P(Agreement, Stages) {
  for (const auto& name : fixture.cases({"image_right", "text_right"})) {
    EXPECT_WITHIN(compare_stages(*model, fixture, name));
    EXPECT_WITHIN(compare_stages(*model, fixture, name, PadSide::left));
  }
}

// Rows with one picture, none and two in one batch, with image tokens inside the text.
// (Transformers cannot run such a batch in releases without image tokens, or with narrow
// embeddings.)
TEST(Agreements, MixedRows) {
  for (const auto& name : fixtures::all_fixtures()) {
    const auto fixture = Fixture::open(name);
    if (!fixture.has_case("mixed")) continue;
    const auto model = fixtures::load(fixture);
    EXPECT_WITHIN(compare_stages(*model, fixture, "mixed"));
    EXPECT_WITHIN(compare_stages(*model, fixture, "mixed", PadSide::left));
  }
}

// Rows with and without pictures in one batch give the same values as separately in Hugging Face.
TEST_P(Agreement, RowsWithAndWithoutPictures) {
  if (!fixture.has_case("image_right")) return;
  auto batch = fixture.batch("image_right");
  const size_t with_pictures = batch.rows.size();
  const auto text = fixture.batch("text_right");
  batch.rows.insert(batch.rows.begin() + 1, text.rows.begin(), text.rows.end());

  std::vector<int64_t> lengths;
  for (const auto& row : batch.rows) lengths.push_back(row.ids.size());
  const auto parts = logits(*model, batch, PadSide::left).split_with_sizes(lengths);
  std::vector<at::Tensor> seen(parts.begin() + 1, parts.begin() + 1 + text.rows.size());
  std::vector<at::Tensor> shown{parts[0]};
  shown.insert(shown.end(), parts.begin() + 1 + text.rows.size(), parts.end());
  ASSERT_EQ(shown.size(), with_pictures);
  EXPECT_LE(relative_error(at::cat(shown), fixture.tensor("image_right/logits")),
            fixtures::kStageTolerance);
  EXPECT_LE(relative_error(at::cat(seen), fixture.tensor("text_right/logits")),
            fixtures::kStageTolerance);
}

// Larger than the trained size, and not square: position embeddings are interpolated.
TEST(Agreements, OtherPictureSizes) {
  const auto fixture = Fixture::open("blip2/untied");
  const auto model = fixtures::load(fixture);
  EXPECT_WITHIN(compare_stages(*model, fixture, "size_24x24"));
  EXPECT_WITHIN(compare_stages(*model, fixture, "size_20x12"));
}

// Twenty greedy tokens from a left-padded batch, with a cache.
TEST_P(Agreement, Generation) {
  for (const auto& name : fixture.cases({"image_left", "text_left"})) {
    const auto expected = fixture.tensor(name + "/generated");
    GenerationOptions options;
    options.max_new_tokens = expected.size(1);
    const auto made = generate_tokens(*model, fixture.batch(name), {}, {}, options);
    ASSERT_EQ(static_cast<int64_t>(made.size()), expected.size(0));
    for (size_t row = 0; row < made.size(); ++row)
      EXPECT_TRUE(at::equal(at::tensor(made[row], at::kLong), expected[row])) << name << " " << row;
  }
}

TEST_P(Agreement, Gradients) { EXPECT_WITHIN(compare_gradients(*model, fixture)); }

// bfloat16 has 8 significant bits. In these few layers, this gives an error of a few percent of the
// largest logit. The error of a single case varies with the order of the sums: it may be twice that
// of transformers; the mean over all cases stays near it.
TEST_P(Agreement, Bfloat16IsWithinTolerance) {
  const auto rounded = fixtures::load(fixture, at::kBFloat16);
  for (const auto& name : fixture.cases({"image_right", "text_right"})) {
    const auto expected = fixture.tensor(name + "/logits");
    const auto error =
        relative_error(logits(*rounded, fixture.batch(name)).to(at::kFloat), expected);
    const auto theirs = name + "/bfloat16_error";
    const double allowed = fixture.has(theirs) ? 2 * fixture.tensor(theirs).item<double>() : 0.05;
    EXPECT_LE(error, allowed) << name;
    EXPECT_GT(error, 1e-5) << name << " was not computed in bfloat16";
    if (fixture.has(theirs)) bfloat16_ratios.push_back(2 * error / allowed);
  }
}

TEST_P(Agreement, Bfloat16IsOnAverageAsGoodAsTransformers) {
  if (bfloat16_ratios.size() < 10) GTEST_SKIP() << "needs all cases of Bfloat16IsWithinTolerance";
  EXPECT_LE(std::accumulate(bfloat16_ratios.begin(), bfloat16_ratios.end(), 0.0) /
                static_cast<double>(bfloat16_ratios.size()),
            1.2);
}

}  // namespace
}  // namespace emend
