#include "text/loading/spec.h"
#include "text/pipeline/bpe/vocabulary.h"
#include "text/wordpiece/word_piece_tokenizer.h"

namespace emend::text {
namespace {

WordPiece read_model(const nlohmann::json& model) {
  constexpr const char* kWhere = "model";
  WordPiece::Options options;
  const auto text = [&](const char* field, std::string& value) {
    if (!spec_field(model, field).is_null()) value = spec_string(model, field, kWhere);
  };
  text("unk_token", options.unknown);
  text("continuing_subword_prefix", options.prefix);
  constexpr const char* kMost = "max_input_chars_per_word";
  if (!spec_field(model, kMost).is_null()) options.most = spec_count(model, kMost, kWhere);
  return {read_vocabulary(spec_field(model, "vocab"), kWhere), std::move(options)};
}

WordPieceTokenizer::Decoding read_decoder(const nlohmann::json& spec) {
  if (spec.is_null()) not_implemented("decoder", "null");
  if (const auto type = spec_type(spec, "decoder"); type != "WordPiece")
    not_implemented("decoder", type);
  WordPieceTokenizer::Decoding decoding;
  if (!spec_field(spec, "prefix").is_null())
    decoding.prefix = spec_string(spec, "prefix", "decoder");
  decoding.cleanup = spec_bool(spec, "cleanup", true, "decoder");
  return decoding;
}

void check_pre_tokenizer(const nlohmann::json& spec) {
  if (spec.is_null()) not_implemented("pre_tokenizer", "null");
  if (const auto type = spec_type(spec, "pre_tokenizer"); type != "BertPreTokenizer")
    not_implemented("pre_tokenizer", type);
}

}  // namespace

bool is_word_piece(const nlohmann::json& root) {
  return spec_field(spec_field(root, "model"), "type") == "WordPiece";
}

std::unique_ptr<Tokenizer> make_word_piece(const nlohmann::json& root) {
  // "truncation" and "padding" are ignored: transformers applies them only if requested.
  check_pre_tokenizer(spec_field(root, "pre_tokenizer"));
  auto made = std::make_unique<WordPieceTokenizer>(
      read_model(spec_object(root, "model", "tokenizer.json")),
      BertNormalizer::read(spec_field(root, "normalizer")), read_added_tokens(root),
      read_decoder(spec_field(root, "decoder")));
  made->set_post_processor(make_post_processor(spec_field(root, "post_processor")));
  return made;
}

}  // namespace emend::text
