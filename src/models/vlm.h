#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/image/image.h"
#include "io/json/json.h"
#include "models/core/model.h"
#include "models/core/precision.h"
#include "models/prompting/processor.h"

namespace emend {

class ActivationStore;

// A Hugging Face folder, opened: the model and what turns pictures and text into its rows.
struct Vlm {
  std::unique_ptr<Model> model;
  Processor processor;
  std::string folder;
  // What most of the folder's bytes are stored in, whatever the model computes in.
  at::ScalarType stored_dtype = at::kFloat;
  Precision precision;

  // XXH3-128 over config.json's meaning and every tensor's name, shape and bytes; computed on
  // demand.
  std::string fingerprint() const;
  struct Once;  // keeps it
  std::shared_ptr<Once> once = make_once();
  static std::shared_ptr<Once> make_once();
};

struct LoadOptions {
  std::optional<at::ScalarType> dtype = at::kFloat;  // none: see choose_precision
  at::Device device = at::kCPU;
  bool chat_template = true;  // put bare prompts into the model's template, where it has one
  std::string date = {};      // YYYY-MM-DD, a template's today; empty: today
};

// Throws emend::Error when a file is missing, a tensor is missing, extra or misshapen, or
// config.json asks for something that is not implemented.
Vlm load_vlm(const std::string& folder, const LoadOptions& options = {});

// fp32, bf16 or fp16, as results name what is computed in.
std::string dtype_name(at::ScalarType dtype);
// How results record it: {"dtype", "weights", "dtype_reason"}.
nlohmann::json precision_facts(const Precision& precision);

// What is asked of a model.
struct Query {
  std::optional<Image> image;
  std::string text;
};

struct GenerationOptions {
  int64_t max_new_tokens = 32;
  double temperature = 0;  // 0: greedy, ties to the lowest token id
  double top_p = 1;
  uint64_t seed = 0;
  // An answer ends before any of these; what a folder's layout says is added by `generate`.
  std::vector<std::vector<int64_t>> stop_sequences = {};
  // What the folder's generation_config.json asks for, and the ids of the rows' prompts, which it
  // looks at; `generate` sets both.
  GenerationConfig config = {};
  std::vector<std::vector<int64_t>> prompts = {};
};
// Adds what the folder asks for, about these rows.
GenerationOptions with_folder_settings(GenerationOptions options, const Vlm& vlm,
                                       const Batch& batch);

// Why an answer ends: it is complete, or a limit cut it.
enum class FinishReason { stop, max_new_tokens, max_length, max_position_embeddings };
// The limit's name in transformers, or "stop".
const char* finish_reason_name(FinishReason reason);

struct GeneratedTokens {
  std::vector<int64_t> tokens;
  FinishReason finish_reason = FinishReason::stop;
};
struct Answer {
  std::string text;
  FinishReason finish_reason = FinishReason::stop;
};

// The tokens that follow each row, up to and without a stop token, and why they end. The pass is as
// for `generate_tokens`.
std::vector<GeneratedTokens> generate_rows(const Model& model, Pass pass,
                                           const std::vector<int64_t>& stop_tokens,
                                           const Interventions& interventions = {},
                                           const GenerationOptions& options = {});
// The tokens that follow each row, up to and without a stop token.
std::vector<std::vector<int64_t>> generate_tokens(const Model& model, const Batch& batch,
                                                  const std::vector<int64_t>& stop_tokens,
                                                  const Interventions& interventions = {},
                                                  const GenerationOptions& options = {});
// The same from a left-padded pass that has run no stage of the language module yet, as run_prefix
// or share_prefixes gives it; the pass can be used again.
std::vector<std::vector<int64_t>> generate_tokens(const Model& model, Pass pass,
                                                  const std::vector<int64_t>& stop_tokens,
                                                  const Interventions& interventions = {},
                                                  const GenerationOptions& options = {});

// The text that tokens stand for, special tokens removed, trimmed.
std::string answer_text(const Processor& processor, const std::vector<int64_t>& tokens);

// Answers of one batch, and why they end. With a store no picture is encoded that was encoded
// before.
std::vector<Answer> generate_answers(const Vlm& vlm, const std::vector<Query>& queries,
                                     const Interventions& interventions = {},
                                     const GenerationOptions& options = {},
                                     ActivationStore* store = nullptr);
// The same, their texts only.
std::vector<std::string> generate(const Vlm& vlm, const std::vector<Query>& queries,
                                  const Interventions& interventions = {},
                                  const GenerationOptions& options = {},
                                  ActivationStore* store = nullptr);

// One teacher-forced row: prompt then target (which brings its own leading space).
struct ForcedRow {
  int64_t answer_begin = 0;     // index in `tokens` of the first answer token
  std::vector<int64_t> tokens;  // text tokens of the row, without image slots
  at::Tensor logits;            // (length of the row with image slots, V), float32
  int64_t image_slots = 0;      // leading positions of `logits` that belong to image slots
};

// A padded batch of prompts with their answers; text targets as the field does: prompt + target.
std::vector<ForcedRow> teacher_force(const Vlm& vlm, const std::vector<Query>& queries,
                                     const std::vector<std::string>& targets,
                                     const Interventions& interventions = {});

}  // namespace emend
