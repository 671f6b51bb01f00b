#include "models/generation/generation_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "io/error.h"
#include "models/config/json_fields.h"

namespace emend {
namespace {

using nlohmann::json;

constexpr double kLargest = 1e9;
constexpr int64_t kMost = int64_t{1} << 40;
constexpr float kNever = -std::numeric_limits<float>::infinity();

std::vector<std::vector<int64_t>> token_sequences(const json& object, const char* name,
                                                  const std::string& file) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return {};
  std::vector<std::vector<int64_t>> all;
  const auto malformed = [&] {
    throw Error("models::generation_config",
                fmt::format("{}: {} is not a list of lists of token ids", file, name),
                "write it as [[1, 2], [3]]");
  };
  if (!found->is_array()) malformed();
  for (const auto& sequence : *found) {
    if (!sequence.is_array() || sequence.empty()) malformed();
    all.emplace_back();
    for (const auto& id : sequence) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0) malformed();
      all.back().push_back(id.get<int64_t>());
    }
  }
  return all;
}

// Whether a field has an effect; `neutral` is the value without effect.
bool is_set(const json& object, const char* name, const json& neutral) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null() || *found == neutral) return false;
  return !found->is_boolean() || found->get<bool>();
}

bool has(const std::vector<int64_t>& ids, int64_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// Scores of tokens, which are set to -inf in turn.
class Scores {
 public:
  explicit Scores(const at::Tensor& logits)
      : tensor_(logits.to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true)),
        data_(tensor_.data_ptr<float>()),
        size_(tensor_.numel()) {}

  void forbid(int64_t id) {
    if (id >= 0 && id < size_) data_[id] = kNever;
  }
  void forbid(const std::vector<int64_t>& ids) {
    for (auto id : ids) forbid(id);
  }
  void penalize(const std::vector<int64_t>& ids, double penalty) {
    const auto by = static_cast<float>(penalty);
    for (auto id : std::set<int64_t>(ids.begin(), ids.end()))
      if (id >= 0 && id < size_) data_[id] = data_[id] < 0 ? data_[id] * by : data_[id] / by;
  }
  at::Tensor tensor() const { return tensor_; }

 private:
  at::Tensor tensor_;
  float* data_;
  int64_t size_;
};

// Tokens that followed earlier occurrences of the last `size` - 1 ids.
void forbid_repeated(const std::vector<int64_t>& ids, int64_t size, Scores& scores) {
  const auto all = static_cast<int64_t>(ids.size());
  for (int64_t at = 0; at + size <= all; ++at)
    if (std::equal(ids.end() - (size - 1), ids.end(), ids.begin() + at))
      scores.forbid(ids[static_cast<size_t>(at + size - 1)]);
}

void forbid_word(const std::vector<int64_t>& ids, const std::vector<int64_t>& word,
                 const std::vector<int64_t>& stop_tokens, Scores& scores) {
  if (word.size() == 1 && has(stop_tokens, word[0])) return;
  if (word.size() - 1 <= ids.size() && std::equal(word.rbegin() + 1, word.rend(), ids.rbegin()))
    scores.forbid(word.back());
}

}  // namespace

GenerationConfig GenerationConfig::parse(const json& object, const std::string& file) {
  const JsonFields fields(file, object);
  GenerationConfig c;
  c.repetition_penalty = fields.number("repetition_penalty", 1, 1e-9, kLargest);
  c.no_repeat_ngram_size = fields.integer("no_repeat_ngram_size", 0, 0, kMost);
  c.bad_words_ids = token_sequences(object, "bad_words_ids", file);
  c.suppress_tokens = fields.ids("suppress_tokens");
  c.begin_suppress_tokens = fields.ids("begin_suppress_tokens");
  c.min_length = fields.integer("min_length", 0, 0, kMost);
  c.min_new_tokens = fields.integer("min_new_tokens", 0, 0, kMost);
  c.max_length = fields.integer("max_length", 0, 0, kMost);
  c.max_new_tokens = fields.integer("max_new_tokens", 0, 0, kMost);
  c.eos_token_id = fields.ids("eos_token_id");

  struct Setting {
    const char* name;
    const char* neutral;  // JSON
  };
  static const Setting kOthers[] = {{"num_beams", "1"},
                                    {"num_beam_groups", "1"},
                                    {"penalty_alpha", "0.0"},
                                    {"dola_layers", "null"},
                                    {"sequence_bias", "[]"},
                                    {"force_words_ids", "[]"},
                                    {"constraints", "[]"},
                                    {"guidance_scale", "1.0"},
                                    {"encoder_repetition_penalty", "1.0"},
                                    {"encoder_no_repeat_ngram_size", "0"},
                                    {"forced_bos_token_id", "null"},
                                    {"forced_eos_token_id", "null"},
                                    {"exponential_decay_length_penalty", "null"},
                                    {"stop_strings", "[]"},
                                    {"max_time", "null"},
                                    {"token_healing", "false"},
                                    {"watermarking_config", "null"},
                                    {"num_return_sequences", "1"}};
  for (const auto& [name, neutral] : kOthers)
    if (is_set(object, name, json::parse(neutral))) c.not_implemented.emplace_back(name);
  if (fields.boolean("do_sample", false)) {
    c.sampling.emplace_back("do_sample");
    static const Setting kSampling[] = {{"temperature", "1.0"},    {"top_k", "0"},
                                        {"top_p", "1.0"},          {"min_p", "null"},
                                        {"typical_p", "1.0"},      {"top_h", "null"},
                                        {"epsilon_cutoff", "0.0"}, {"eta_cutoff", "0.0"}};
    for (const auto& [name, neutral] : kSampling)
      if (is_set(object, name, json::parse(neutral))) c.sampling.emplace_back(name);
  }
  return c;
}

bool GenerationConfig::changes_logits() const {
  return repetition_penalty != 1 || no_repeat_ngram_size > 0 || !bad_words_ids.empty() ||
         !suppress_tokens.empty() || !begin_suppress_tokens.empty() || min_length > 0 ||
         min_new_tokens > 0;
}

json GenerationConfig::applied() const {
  json all = json::object();
  if (repetition_penalty != 1) all["repetition_penalty"] = repetition_penalty;
  if (!bad_words_ids.empty()) all["bad_words_ids"] = bad_words_ids;
  if (!suppress_tokens.empty()) all["suppress_tokens"] = suppress_tokens;
  if (!begin_suppress_tokens.empty()) all["begin_suppress_tokens"] = begin_suppress_tokens;
  for (const auto& [name, value] :
       {std::pair{"no_repeat_ngram_size", no_repeat_ngram_size},
        std::pair{"min_length", min_length}, std::pair{"min_new_tokens", min_new_tokens},
        std::pair{"max_length", max_length}})
    if (value > 0) all[name] = value;
  return all;
}

std::vector<std::string> GenerationConfig::names() const {
  std::vector<std::string> all = not_implemented;
  const auto settings = applied();
  for (const auto& [name, value] : settings.items()) all.push_back(name);
  all.insert(all.end(), sampling.begin(), sampling.end());
  return all;
}

at::Tensor processed_logits(const GenerationConfig& config, const std::vector<int64_t>& stop_tokens,
                            const std::vector<int64_t>& ids, size_t prompt,
                            const at::Tensor& logits) {
  Scores scores(logits);
  const auto size = static_cast<int64_t>(ids.size());
  const auto made = static_cast<int64_t>(ids.size() - prompt);
  if (config.repetition_penalty != 1) scores.penalize(ids, config.repetition_penalty);
  if (config.no_repeat_ngram_size > 0 && size + 1 >= config.no_repeat_ngram_size)
    forbid_repeated(ids, config.no_repeat_ngram_size, scores);
  for (const auto& word : config.bad_words_ids) forbid_word(ids, word, stop_tokens, scores);
  if (size < config.min_length || made < config.min_new_tokens) scores.forbid(stop_tokens);
  scores.forbid(config.suppress_tokens);
  if (made == 0) scores.forbid(config.begin_suppress_tokens);
  return scores.tensor();
}

}  // namespace emend
