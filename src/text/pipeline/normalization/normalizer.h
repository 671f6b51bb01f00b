#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace emend::text {

// The steps that change a text before it is split; none by default.
class Normalizer {
 public:
  using Step = std::function<std::string(std::string_view)>;
  Normalizer() = default;
  explicit Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  // `text` and the result are valid UTF-8.
  std::string operator()(std::string_view text) const;

 private:
  std::vector<Step> steps_;
};

// Reads the "normalizer" object of tokenizer.json: NFC, Prepend, Replace, or a Sequence of them.
// Throws emend::Error for other types.
Normalizer make_normalizer(const nlohmann::json& spec);

}  // namespace emend::text
