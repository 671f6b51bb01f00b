#include "evaluation/protocol/prompt_template.h"

#include "evaluation/protocol/protocol.h"

namespace emend {

std::string prompt_template(const PromptOptions& options, const std::string& text,
                            bool model_wraps) {
  if (!options.pattern.empty()) return options.pattern;
  if (options.bare || model_wraps) return "{}";
  auto end = text.find_last_not_of(" \t\n");
  bool question = end != std::string::npos && text[end] == '?';
  return question ? Protocol().question_template : "{}";
}

}  // namespace emend
