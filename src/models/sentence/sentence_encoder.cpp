#include "models/sentence/sentence_encoder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "io/error.h"
#include "io/hash.h"
#include "models/config/json_fields.h"
#include "models/language/bert.h"
#include "models/sentence/sentence_folder.h"
#include "text/tokenizer.h"

namespace emend {
namespace {

class BertEncoder : public SentenceEncoder {
 public:
  BertEncoder(const std::string& folder, const SentenceFolder& says, at::Device device)
      : folder_(folder),
        says_(says),
        device_(device),
        config_(BertConfig::load(says.file("config.json"))),
        tokenizer_(Tokenizer::load(says.model)),
        bert_(make_bert()) {
    says_.max_length = std::min(says_.max_length, config_.max_positions);
    find_special_tokens();
    finish_fingerprint();
  }

  at::Tensor embed(const std::vector<std::string>& texts) const override {
    at::NoGradGuard no_grad;
    std::map<std::string, at::Tensor> known;
    std::vector<at::Tensor> rows;
    for (const auto& text : texts) {
      auto& row = known[text];
      if (!row.defined()) row = embed(text);
      rows.push_back(row);
    }
    return rows.empty() ? at::empty({0, width()}) : at::stack(rows);
  }
  int64_t width() const override { return config_.hidden; }
  const std::string& folder() const override { return folder_; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  Bert make_bert() {
    Weights weights(Checkpoint::open(says_.model), at::kFloat, device_);
    weights.name_by(Bert::tensor_name);
    std::map<std::string, at::Tensor> parameters;
    std::vector<Site> sites;  // no interventions are used
    std::vector<at::Tensor> site_weights;
    Bert bert(config_, Builder{weights, parameters, sites, site_weights});
    weights.finish();
    hash_.update_sized(config_.canonical());
    for (const auto& [name, tensor] : parameters) {
      hash_.update_sized(name);
      const auto plain = tensor.to(at::kCPU).contiguous();
      hash_.update(plain.data_ptr(), plain.nbytes());
    }
    return bert;
  }

  // The special tokens around a text, which stay if a long text is truncated.
  void find_special_tokens() {
    const auto with = tokenizer_->encode("a", true), plain = tokenizer_->encode("a", false);
    const auto inner = std::search(with.begin(), with.end(), plain.begin(), plain.end());
    before_.assign(with.begin(), inner);
    if (inner != with.end()) after_.assign(inner + static_cast<int64_t>(plain.size()), with.end());
    const auto special = static_cast<int64_t>(before_.size() + after_.size());
    if (before_.empty() && says_.pooling == SentenceEncoder::Pooling::cls)
      throw Error("models::sentence_encoder",
                  fmt::format("the tokenizer of '{}' adds no token before a text", folder_),
                  "CLS pooling requires a first token such as [CLS]");
    if (says_.max_length <= special)
      throw Error("models::sentence_encoder",
                  fmt::format("'{}' limits a text to {} tokens, {} of which are special tokens",
                              folder_, says_.max_length, special),
                  "correct max_seq_length of sentence_bert_config.json");
  }

  void finish_fingerprint() {
    if (tokenizer_->size() > config_.vocabulary)
      throw Error("models::sentence_encoder",
                  fmt::format("the tokenizer of '{}' has {} tokens, but its model has only {}",
                              folder_, tokenizer_->size(), config_.vocabulary),
                  "config.json and the tokenizer must come from the same model");
    hash_.update_sized(says_.canonical());
    // Throws if a token has no id, so that every id is in the model's table.
    for (int64_t id = 0; id < tokenizer_->size(); ++id) hash_.update_sized(tokenizer_->token(id));
    // A tokenization of a sample text, for the fingerprint.
    hash_.update_sized(
        fmt::format("{}", fmt::join(tokenizer_->encode("Ab\u00c9\u00e9 c\u6f22d.", true), " ")));
    fingerprint_ = hash_.hex();
  }

  at::Tensor embed(const std::string& text) const {
    auto ids = before_;
    const auto plain = tokenizer_->encode(text, false);
    const auto room = says_.max_length - static_cast<int64_t>(before_.size() + after_.size());
    const auto kept = std::min(static_cast<int64_t>(plain.size()), room);
    ids.insert(ids.end(), plain.begin(), plain.begin() + kept);
    ids.insert(ids.end(), after_.begin(), after_.end());
    if (ids.empty()) return at::zeros({width()});
    const auto states = bert_(at::tensor(ids, at::kLong).to(device_));
    auto row = says_.pooling == SentenceEncoder::Pooling::cls ? states[0] : states.mean(0);
    if (says_.normalized) row = row / row.norm().clamp_min(1e-12);
    return row.to(at::kCPU);
  }

  std::string folder_;
  SentenceFolder says_;
  at::Device device_;
  BertConfig config_;
  std::unique_ptr<Tokenizer> tokenizer_;
  Hasher hash_;
  Bert bert_;
  std::vector<int64_t> before_, after_;
  std::string fingerprint_;
};

}  // namespace

std::shared_ptr<const SentenceEncoder> SentenceEncoder::load(const std::string& folder,
                                                             Pooling pooling, at::Device device) {
  at::NoGradGuard no_grad;
  return std::make_shared<BertEncoder>(folder, SentenceFolder::read(folder, pooling), device);
}

}  // namespace emend
