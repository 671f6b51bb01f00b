#include <gtest/gtest.h>

#include "evaluation/protocol/metrics.h"
#include "io/tensors/safetensors.h"

namespace emend {
namespace {

// Compares with the published formulas in plain PyTorch (tools/reference/make_metric_fixtures.py).
class MetricsFixtureTest : public ::testing::TestWithParam<const char*> {
 protected:
  at::Tensor tensor(const std::string& name) const {
    static const auto file =
        SafetensorsFile::open(EMEND_SOURCE_DIR "/src/evaluation/testdata/metrics.safetensors");
    return file->tensor(GetParam() + ("/" + name)).clone();
  }
  double number(const std::string& name) const { return tensor(name).item<double>(); }
};

TEST_P(MetricsFixtureTest, Accuracies) {
  auto logits = tensor("after"), labels = tensor("labels");
  EXPECT_NEAR(nll(logits, labels), number("nll"), 1e-5 * number("nll"));
  EXPECT_DOUBLE_EQ(token_accuracy(logits, labels), number("token_accuracy"));
  EXPECT_DOUBLE_EQ(exact_match(logits, labels), number("exact_match"));
}

TEST_P(MetricsFixtureTest, RankAgreement) {
  auto before = tensor("before"), after = tensor("after"), mask = tensor("mask");
  for (auto [ranking, name] : {std::pair{Ranking::logits_float32, "logits_float32"},
                               std::pair{Ranking::softmax_float16, "softmax_float16"}}) {
    for (int64_t k : {1, 10})
      EXPECT_NEAR(locality(before, after, mask, k, ranking),
                  number("agreement_" + std::to_string(k) + "_" + name), 1e-12);
    auto best = top_ids(before.flatten(0, 1), 10, ranking).view_as(tensor("best_logits_float32"));
    EXPECT_TRUE(at::equal(best, tensor(std::string("best_") + name))) << name;
    EXPECT_EQ(locality(before, before, mask, 10, ranking), 1.0);
  }
}

TEST_P(MetricsFixtureTest, KlLocality) {
  auto before = tensor("before"), after = tensor("after"), mask = tensor("mask");
  EXPECT_NEAR(kl_locality(before, after, mask), number("kl"), 1e-6 + 1e-4 * number("kl"));
  EXPECT_EQ(kl_locality(before, before, mask), 0);
}

INSTANTIATE_TEST_SUITE_P(Cases, MetricsFixtureTest,
                         ::testing::Values("plain", "ties", "flat", "peaked", "one_row"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace emend
