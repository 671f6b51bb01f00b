#include "text/pipeline/normalization/normalizer.h"

#include <memory>

#include "text/loading/spec.h"
#include "text/pipeline/normalization/nfc.h"
#include "text/pipeline/normalization/replacement.h"

namespace emend::text {
namespace {

constexpr std::string_view kNormalizerKey = "normalizer";

void add_steps(const nlohmann::json& spec, std::vector<Normalizer::Step>& steps) {
  const std::string type = spec_type(spec, kNormalizerKey);
  if (type == "NFC") {
    steps.emplace_back(nfc);
  } else if (type == "Prepend") {
    steps.emplace_back(
        [prefix = spec_string(spec, "prepend", kNormalizerKey)](std::string_view text) {
          return text.empty() ? std::string() : prefix + std::string(text);
        });
  } else if (type == "Replace") {
    const auto replacement = std::make_shared<Replacement>(spec, kNormalizerKey);
    steps.emplace_back([replacement](std::string_view text) { return replacement->apply(text); });
  } else if (type == "Sequence") {
    for (const auto& step : spec_array(spec, "normalizers", kNormalizerKey)) add_steps(step, steps);
  } else {
    not_implemented(kNormalizerKey, type);
  }
}

}  // namespace

std::string Normalizer::operator()(std::string_view text) const {
  std::string result(text);
  for (const Step& step : steps_) result = step(result);
  return result;
}

Normalizer make_normalizer(const nlohmann::json& spec) {
  std::vector<Normalizer::Step> steps;
  if (!spec.is_null()) add_steps(spec, steps);
  return Normalizer(std::move(steps));
}

}  // namespace emend::text
