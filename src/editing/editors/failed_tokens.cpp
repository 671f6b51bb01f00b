#include "editing/editors/failed_tokens.h"

#include <fmt/format.h>

namespace emend {

std::string token_text(const Tokenizer& tokenizer, int64_t id) {
  if (id >= tokenizer.size()) return fmt::format("token {}", id);
  return tokenizer.decode({id}, /*skip_special=*/false);
}

nlohmann::json failed_tokens(const Processor& processor,
                             const std::vector<std::vector<int64_t>>& answers,
                             const std::vector<int64_t>& predicted) {
  auto failed = nlohmann::json::array();
  size_t k = 0;
  for (size_t r = 0; r < answers.size(); ++r)
    for (size_t i = 0; i < answers[r].size(); ++i, ++k) {
      if (predicted.at(k) == answers[r][i]) continue;
      failed.push_back({{"position", i},
                        {"expected", token_text(*processor.tokenizer, answers[r][i])},
                        {"predicted", token_text(*processor.tokenizer, predicted[k])}});
      if (answers.size() > 1) failed.back()["request"] = r;
    }
  return failed;
}

}  // namespace emend
