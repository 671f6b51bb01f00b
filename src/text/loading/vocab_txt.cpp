#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "io/files/file.h"
#include "text/loading/folder_tokens.h"
#include "text/loading/loaders.h"
#include "text/loading/spec.h"
#include "text/pipeline/bpe/vocabulary.h"
#include "text/utf8.h"
#include "text/wordpiece/word_piece_tokenizer.h"

namespace emend::text {
namespace {

// One token per line; the line number, from 0, is the ID.
WordPiece::Vocabulary read_lines(const std::string& file) {
  const std::string text = read_file(file);
  if (invalid_utf8(text)) malformed(file, "is not UTF-8");
  WordPiece::Vocabulary vocabulary;
  int64_t id = 0;
  for (size_t at = 0; at < text.size(); ++id) {
    const size_t end = std::min(text.find('\n', at), text.size());
    auto token = text.substr(at, end - at);
    if (!token.empty() && token.back() == '\r') token.pop_back();
    if (!vocabulary.emplace(token, id).second)
      malformed(file, fmt::format("line {}: '{}' occurs twice", id + 1, token));
    at = end + 1;
  }
  return vocabulary;
}

BertNormalizer read_bert_normalizer(const nlohmann::json& config) {
  BertNormalizer made;
  made.lowercase = spec_bool(config, "do_lower_case", true, kTokenizerConfig);
  made.handle_chinese_chars = spec_bool(config, "tokenize_chinese_chars", true, kTokenizerConfig);
  made.strip_accents = spec_bool(config, "strip_accents", made.lowercase, kTokenizerConfig);
  return made;
}

void check_class(const nlohmann::json& config) {
  if (spec_field(config, "tokenizer_class").is_null()) return;
  const auto name = spec_string(config, "tokenizer_class", kTokenizerConfig);
  for (const char* known :
       {"BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast"})
    if (name == known) return;
  not_implemented("tokenizer_class", name);
}

}  // namespace

std::unique_ptr<Tokenizer> load_vocab_txt(const std::string& folder) {
  const std::filesystem::path path(folder);
  const auto config = read_tokenizer_config(path);
  check_class(config);
  const auto tokens = read_folder_tokens(path, config,
                                         {{"unk_token", "[UNK]"},
                                          {"sep_token", "[SEP]"},
                                          {"pad_token", "[PAD]"},
                                          {"cls_token", "[CLS]"},
                                          {"mask_token", "[MASK]"}});
  WordPiece::Options options;
  options.unknown = tokens.need("unk_token");
  auto made = std::make_unique<WordPieceTokenizer>(
      WordPiece(read_lines((path / "vocab.txt").string()), std::move(options)),
      read_bert_normalizer(config), tokens.all(), WordPieceTokenizer::Decoding{});
  made->set_post_processor(
      {{*made->id(tokens.need("cls_token"))}, {*made->id(tokens.need("sep_token"))}});
  return made;
}

}  // namespace emend::text
