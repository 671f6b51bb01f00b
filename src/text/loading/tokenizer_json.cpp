#include <fmt/format.h>

#include "io/error.h"
#include "io/json/json.h"
#include "text/loading/loaders.h"
#include "text/loading/spec.h"
#include "text/pipeline/bpe/vocabulary.h"
#include "text/pipeline/pipeline_tokenizer.h"
#include "text/wordpiece/word_piece_tokenizer.h"

namespace emend::text {
namespace {

// Older files write "a b", newer ones ["a", "b"].
Bpe::Merges read_merges(const nlohmann::json& model) {
  Bpe::Merges merges;
  for (const auto& merge : spec_array(model, "merges", "model")) {
    if (merge.is_string()) {
      merges.push_back(read_merge(merge.get_ref<const std::string&>(), merges.size() + 1, "model"));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      malformed("model", fmt::format("merge {} is not two tokens", merges.size() + 1));
    }
  }
  return merges;
}

std::unique_ptr<Bpe> read_bpe(const nlohmann::json& model) {
  const std::string type = spec_field(model, "type").is_null() && model.contains("merges")
                               ? "BPE"  // omitted in files of old releases
                               : spec_type(model, "model");
  if (type != "BPE") not_implemented("model type", type);
  if (!spec_field(model, "dropout").is_null() && spec_field(model, "dropout") != 0.0)
    not_implemented("model option", "dropout");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!spec_field(model, affix).is_null() && !spec_string(model, affix, "model").empty())
      not_implemented("model option", affix);
  Bpe::Options options;
  options.ignore_merges = spec_bool(model, "ignore_merges", false, "model");
  if (!spec_field(model, "unk_token").is_null())
    options.unknown = spec_string(model, "unk_token", "model");
  options.fuse_unknown = spec_bool(model, "fuse_unk", false, "model");
  options.byte_fallback = spec_bool(model, "byte_fallback", false, "model");
  return std::make_unique<Bpe>(read_vocabulary(spec_field(model, "vocab"), "model"),
                               read_merges(model), std::move(options));
}

std::unique_ptr<Tokenizer> build(const nlohmann::json& root) {
  if (!root.is_object()) malformed("tokenizer.json", "should be an object");
  // "truncation" and "padding" are ignored: transformers applies them only if requested.
  PipelineTokenizer::Parts parts;
  parts.decoder = make_decoder(spec_field(root, "decoder"));
  parts.normalizer = make_normalizer(spec_field(root, "normalizer"));
  parts.pre_tokenizer = make_pre_tokenizer(spec_field(root, "pre_tokenizer"));
  auto post = make_post_processor(spec_field(root, "post_processor"));
  parts.bpe = read_bpe(spec_object(root, "model", "tokenizer.json"));
  parts.added = read_added_tokens(root);
  auto made = std::make_unique<PipelineTokenizer>(std::move(parts));
  made->set_post_processor(std::move(post));
  return made;
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer_json(const std::string& file) {
  const auto root = read_json(file);
  return is_word_piece(root) ? make_word_piece(root) : build(root);
}

}  // namespace emend::text
