#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "io/files/file.h"
#include "text/loading/folder_tokens.h"
#include "text/loading/loaders.h"
#include "text/loading/spec.h"
#include "text/sentencepiece/tokenizer.h"

namespace emend::text {
namespace {

void check_config(const nlohmann::json& config) {
  if (!spec_field(config, "tokenizer_class").is_null()) {
    const auto name = spec_string(config, "tokenizer_class", kTokenizerConfig);
    if (name != "LlamaTokenizer" && name != "LlamaTokenizerFast")
      not_implemented("tokenizer_class (with a tokenizer.model)", name);
  }
  const auto& settings = spec_field(config, "sp_model_kwargs");
  if (!settings.is_null() && !settings.empty())
    not_implemented("sp_model_kwargs", settings.dump(-1, ' ', true));
  if (spec_bool(config, "split_special_tokens", false, kTokenizerConfig))
    not_implemented("option", "split_special_tokens");
}

// Listed tokens have the IDs of the files. Named tokens that are not listed have the model's IDs,
// or follow all others.
std::vector<AddedToken> numbered_tokens(FolderTokens& tokens, const SentencePieceModel& model) {
  std::unordered_map<std::string, int64_t> known;
  for (size_t id = 0; id < model.pieces.size(); ++id)
    known.emplace(model.pieces[id].text, static_cast<int64_t>(id));
  std::vector<AddedToken> added = std::move(tokens.listed);
  for (AddedToken& token : added) {
    token.special = false;  // the named roles decide which tokens are special
    known[token.content] = token.id;
  }
  for (const AddedToken& named : tokens.special) {
    const auto same = [&](const AddedToken& one) { return one.content == named.content; };
    auto found = std::find_if(added.begin(), added.end(), same);
    if (found == added.end()) {
      found = added.insert(added.end(), named);
      found->id = known.emplace(named.content, static_cast<int64_t>(known.size())).first->second;
    }
    found->special = true;
  }
  return added;
}

std::vector<std::string> contents(const nlohmann::json& entries) {
  std::vector<std::string> texts;
  for (const auto& entry : entries)
    texts.push_back(entry.is_string() ? entry.get<std::string>()
                                      : spec_string(entry, "content", kTokenizerConfig));
  return texts;
}

}  // namespace

std::unique_ptr<Tokenizer> load_sentencepiece(const std::string& folder) {
  const std::filesystem::path path(folder);
  const auto config = read_tokenizer_config(path);
  check_config(config);
  // The defaults of LlamaTokenizer.
  const nlohmann::json defaults = {
      {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}};
  auto tokens = read_folder_tokens(path, config, defaults);

  const auto file = (path / "tokenizer.model").string();
  auto model = read_sentencepiece_model(read_file(file), file);
  SentencePieceTokenizer::Options options;
  auto flag = [&](const char* name, bool fallback) {
    return spec_bool(config, name, fallback, kTokenizerConfig);
  };
  options.legacy = flag("legacy", true);
  options.add_prefix_space = flag("add_prefix_space", true);
  options.clean_up_spaces = flag("clean_up_tokenization_spaces", false);
  options.unknown = tokens.need("unk_token");
  options.additional = contents(spec_field(tokens.named, "additional_special_tokens"));
  auto added = numbered_tokens(tokens, model);
  auto made = std::make_unique<SentencePieceTokenizer>(std::move(model), std::move(added),
                                                       std::move(options));
  PostProcessor post;
  if (flag("add_bos_token", true)) post.before = {*made->id(tokens.need("bos_token"))};
  if (flag("add_eos_token", false)) post.after = {*made->id(tokens.need("eos_token"))};
  made->set_post_processor(std::move(post));
  return made;
}

}  // namespace emend::text
