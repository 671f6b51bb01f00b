#include "text/pipeline/post_processor.h"

#include <fmt/format.h>

#include "io/error.h"
#include "text/loading/spec.h"

namespace emend::text {
namespace {

constexpr std::string_view kPostProcessorKey = "post_processor";

PostProcessor from_template(const nlohmann::json& spec) {
  const auto& special = spec_object(spec, "special_tokens", kPostProcessorKey);
  PostProcessor made;
  bool seen = false;
  for (const auto& piece : spec_array(spec, "single", kPostProcessorKey)) {
    if (piece.contains("Sequence")) {
      if (seen) not_implemented(kPostProcessorKey, "TemplateProcessing with the text twice");
      seen = true;
      continue;
    }
    const std::string name =
        spec_string(spec_object(piece, "SpecialToken", kPostProcessorKey), "id", kPostProcessorKey);
    const auto& token = spec_object(special, name.c_str(), kPostProcessorKey);
    for (const auto& id : spec_array(token, "ids", kPostProcessorKey))
      (seen ? made.after : made.before).push_back(to_id(id, name, kPostProcessorKey));
  }
  if (!seen) malformed(kPostProcessorKey, "TemplateProcessing has no sequence for the text");
  return made;
}

// [token, id] of "sep" or "cls".
int64_t pair_id(const nlohmann::json& spec, const char* field) {
  const auto& pair = spec_array(spec, field, kPostProcessorKey);
  if (pair.size() != 2)
    malformed(kPostProcessorKey, fmt::format("'{}' should be [token, id]", field));
  return to_id(pair[1], field, kPostProcessorKey);
}

}  // namespace

void check_ids(const PostProcessor& post, const std::function<bool(int64_t)>& known) {
  for (const auto* side : {&post.before, &post.after})
    for (int64_t id : *side)
      if (!known(id))
        throw Error(
            "text::tokenizer",
            fmt::format("the post_processor adds the ID {}, which is not in the vocabulary", id),
            "the files must come from the same tokenizer; fetch them again");
}

PostProcessor make_post_processor(const nlohmann::json& spec) {
  if (spec.is_null()) return {};
  const std::string type = spec_type(spec, kPostProcessorKey);
  if (type == "ByteLevel") return {};
  if (type == "TemplateProcessing") return from_template(spec);
  if (type == "RobertaProcessing" || type == "BertProcessing")
    return {{pair_id(spec, "cls")}, {pair_id(spec, "sep")}};
  if (type == "Sequence") {
    PostProcessor made;
    for (const auto& part : spec_array(spec, "processors", kPostProcessorKey)) {
      auto inner = make_post_processor(part);
      if (inner.empty()) continue;
      // Hugging Face tokenizers take the tokens of the first one and the text for a pair of texts.
      if (!made.empty())
        not_implemented(kPostProcessorKey, "Sequence with two processors that add tokens");
      made = std::move(inner);
    }
    return made;
  }
  not_implemented(kPostProcessorKey, type);
}

}  // namespace emend::text
