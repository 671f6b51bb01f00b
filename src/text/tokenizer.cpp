#include "text/tokenizer.h"

#include <fmt/format.h>

#include <filesystem>

#include "io/error.h"
#include "text/loading/loaders.h"

namespace emend {

std::unique_ptr<Tokenizer> Tokenizer::load(const std::string& folder) {
  const std::filesystem::path path(folder);
  std::error_code ignored;
  if (std::filesystem::exists(path / "tokenizer.json", ignored))
    return text::load_tokenizer_json((path / "tokenizer.json").string());
  if (std::filesystem::exists(path / "vocab.json", ignored) &&
      std::filesystem::exists(path / "merges.txt", ignored))
    return text::load_vocab_merges(folder);
  if (std::filesystem::exists(path / "tokenizer.model", ignored))
    return text::load_sentencepiece(folder);
  if (std::filesystem::exists(path / "vocab.txt", ignored)) return text::load_vocab_txt(folder);
  throw Error("text::tokenizer",
              fmt::format("'{}' has neither tokenizer.json nor vocab.json with merges.txt nor "
                          "tokenizer.model nor vocab.txt",
                          folder),
              "give a model folder in the Hugging Face layout");
}

}  // namespace emend
