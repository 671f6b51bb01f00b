#include "editing/editors/ledger/scopes/certificate.h"

#include <gtest/gtest.h>

#include <random>

#include "io/error.h"

namespace emend {
namespace {

// R: qbeta(0.95, k, n - k + 1) is at most the risk for k, and above it for k + 1.
TEST(CertificateTest, RankMatchesTheClopperPearsonBound) {
  EXPECT_EQ(certified_rank(298, 0.01, 0.95), 0);
  EXPECT_EQ(certified_rank(299, 0.01, 0.95), 1);
  EXPECT_EQ(certified_rank(473, 0.01, 0.95), 2);  // one of 473 in scope: upper bound 0.01
  EXPECT_EQ(certified_rank(472, 0.01, 0.95), 1);
  EXPECT_EQ(certified_rank(10, 0.5, 0.95), 2);  // P(Bin(10, .5) <= 1) = 11 / 1024
  EXPECT_EQ(required_samples(0.01, 0.95), 299);
  EXPECT_EQ(required_samples(0.1, 0.9), 22);
}

TEST(CertificateTest, ThresholdIsAnOrderStatistic) {
  const auto distances = at::arange(1, 474).to(at::kFloat).flip(0);
  const auto certificate = certify(distances, 0.01, 0.95, 1e9);
  EXPECT_EQ(certificate.threshold, 2);
  EXPECT_EQ(certificate.touched, 1);
  EXPECT_EQ(certificate.samples, 473);
  EXPECT_EQ(certify(distances, 0.01, 0.95, 1.5).threshold, 1.5);
}

TEST(CertificateTest, TooFewSamplesNameTheNumberThatIsNeeded) {
  try {
    certify(at::ones({100}), 0.01, 0.95, 1);
    FAIL() << "100 samples certify a risk of 0.01";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("299 are needed"), std::string::npos) << error.what();
  }
  try {
    certify(at::ones({100}), 0.01, 0.95, 1, /*left_out=*/12);
    FAIL() << "100 samples certify a risk of 0.01";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("(12 more are about edited facts)"), std::string::npos)
        << error.what();
  }
}

// With distances that are uniform on [0, 1], the rate below a threshold is the threshold itself.
TEST(CertificateTest, RateIsAboveTheRiskInAtMostOneOfTwentyCalibrations) {
  std::mt19937_64 random(7);
  const int trials = 2000;
  int above = 0;
  for (int trial = 0; trial < trials; ++trial) {
    std::vector<float> distances(1000);
    for (auto& distance : distances) distance = static_cast<float>(random() >> 11) * 0x1p-53f;
    above += certify(at::tensor(distances), 0.02, 0.95, 1).threshold > 0.02;
  }
  EXPECT_LE(above, trials * 0.05 + 3 * std::sqrt(trials * 0.05 * 0.95));
  EXPECT_GE(above, trials * 0.01);  // the bound is not much too careful
}

}  // namespace
}  // namespace emend
