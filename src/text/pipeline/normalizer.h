#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace emend::text {

// What happens to a text before it is cut: steps, one after another; none by default.
class Normalizer {
 public:
  using Step = std::function<std::string(std::string_view)>;
  Normalizer() = default;
  explicit Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  // `text` is well-formed UTF-8, and so is the result.
  std::string operator()(std::string_view text) const;

 private:
  std::vector<Step> steps_;
};

// The "normalizer" object of tokenizer.json: NFC, Prepend, Replace, or a Sequence of them. Throws
// emend::Error for any other kind.
Normalizer make_normalizer(const nlohmann::json& spec);

}  // namespace emend::text
