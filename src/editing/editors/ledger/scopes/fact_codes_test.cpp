#include "editing/editors/ledger/scopes/fact_codes.h"

#include <gtest/gtest.h>

#include "io/error.h"

namespace emend {
namespace {

TEST(FactCodesTest, CountKnownFactsOnly) {
  const auto codes = fact_codes({"color/star|1.2.0", "", "who|creature 3"});
  EXPECT_EQ(codes.sizes(), (std::vector<int64_t>{3, kFactWidth}));
  const auto counts = count_facts(codes, {"who|creature 3", "", "count|1.2.0", "who|creature 3"});
  EXPECT_TRUE(at::equal(counts, at::tensor({0, 0, 2}, at::kInt)));
}

TEST(FactCodesTest, SurviveTheDtypeOfACheckpoint) {
  const auto codes = fact_codes({"color/star|1.2.0", "who|creature 3"});
  EXPECT_TRUE(at::equal(codes.to(at::kBFloat16).to(at::kFloat), codes));
  EXPECT_GT(codes.max().item<float>(), 100);
}

TEST(FactCodesTest, OtherShapesAreRefused) {
  EXPECT_NO_THROW(check_fact_codes(at::zeros({3, kFactWidth}), 3, "file"));
  EXPECT_THROW(check_fact_codes(at::zeros({2, kFactWidth}), 3, "file"), Error);
  EXPECT_THROW(check_fact_codes(at::zeros({3, 1}), 3, "file"), Error);
}

}  // namespace
}  // namespace emend
