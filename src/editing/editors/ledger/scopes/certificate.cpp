#include "editing/editors/ledger/scopes/certificate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/error.h"

namespace emend {

nlohmann::json Certificate::json() const {
  return {{"risk", risk},       {"confidence", confidence}, {"samples", samples},
          {"touched", touched}, {"left_out", left_out},     {"threshold", threshold}};
}

int64_t certified_rank(int64_t samples, double risk, double confidence) {
  const auto n = static_cast<double>(samples);
  double at_most = 0;  // P(Binomial(n, risk) <= k - 1)
  for (int64_t k = 1; k <= samples; ++k) {
    const auto hits = static_cast<double>(k - 1);
    at_most += std::exp(std::lgamma(n + 1) - std::lgamma(hits + 1) - std::lgamma(n - hits + 1) +
                        hits * std::log(risk) + (n - hits) * std::log1p(-risk));
    if (at_most > 1 - confidence) return k - 1;
  }
  return samples;
}

int64_t required_samples(double risk, double confidence) {
  return static_cast<int64_t>(std::ceil(std::log1p(-confidence) / std::log1p(-risk)));
}

Certificate certify(const at::Tensor& distances, double risk, double confidence, double limit,
                    int64_t left_out) {
  Certificate certificate{risk, confidence, distances.size(0), 0, left_out, limit};
  const auto rank = certified_rank(certificate.samples, risk, confidence);
  if (rank == 0)
    throw Error(
        "editing::ledger",
        fmt::format("{} calibration questions{} cannot certify a risk of {} with a "
                    "confidence of {}; {} are needed",
                    certificate.samples,
                    left_out > 0 ? fmt::format(" ({} more are about edited facts)", left_out)
                                 : std::string(),
                    risk, confidence, required_samples(risk, confidence)),
        "raise the risk (--set risk=...), or train with more questions (--set "
        "calibration=...)");
  const auto sorted = std::get<0>(distances.to(at::kCPU).to(at::kFloat).sort());
  const auto* first = sorted.data_ptr<float>();
  certificate.threshold = std::min(limit, static_cast<double>(first[rank - 1]));
  certificate.touched =
      std::lower_bound(first, first + sorted.size(0), static_cast<float>(certificate.threshold)) -
      first;
  return certificate;
}

}  // namespace emend
