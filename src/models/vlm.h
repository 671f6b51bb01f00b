#pragma once

#include <functional>
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

// An opened Hugging Face folder: the model, and the processor of pictures and text.
struct Vlm {
  std::unique_ptr<Model> model;
  Processor processor;
  std::string folder;
  // The dtype of most of the folder's bytes, independent of the compute dtype.
  at::ScalarType stored_dtype = at::kFloat;
  Precision precision;

  // XXH3-128 of the parsed config.json and of every tensor's name, shape and bytes; computed on the
  // first call.
  std::string fingerprint() const;

  struct FingerprintCache;
  std::shared_ptr<FingerprintCache> fingerprint_cache = make_fingerprint_cache();
  static std::shared_ptr<FingerprintCache> make_fingerprint_cache();
};

// How a model folder is opened.
struct LoadOptions {
  std::optional<at::ScalarType> dtype = at::kFloat;  // none: see choose_precision
  at::Device device = at::kCPU;
  bool chat_template = true;  // put prompts into the model's template, if it has one
  std::string date = {};      // YYYY-MM-DD, the current date for templates; empty: today
};

// Throws emend::Error if a file is missing, a tensor is missing, unexpected or has the wrong shape,
// or config.json has a value that is not implemented.
Vlm load_vlm(const std::string& folder, const LoadOptions& options = {});

// The precision in results: {"dtype", "weights", "dtype_reason"}.
nlohmann::json precision_facts(const Precision& precision);

// A prompt for a model, with or without pictures.
struct Query {
  std::optional<Image> image;
  std::string text;
  std::vector<Image> more_images = {};  // those after the first, in the order of the prompt

  void add(Image picture) {
    if (image)
      more_images.push_back(std::move(picture));
    else
      image = std::move(picture);
  }
  int64_t pictures() const { return (image ? 1 : 0) + static_cast<int64_t>(more_images.size()); }
};

// How answers are generated.
struct GenerationOptions {
  int64_t max_new_tokens = 32;
  double temperature = 0;  // 0: greedy, ties go to the lowest token id
  double top_p = 1;
  uint64_t seed = 0;
  // Sequences that end an answer; `generate` adds those of the folder's layout.
  std::vector<std::vector<int64_t>> stop_sequences = {};
  // The settings of the folder's generation_config.json, and the ids of the rows' prompts, which
  // they use; set by `generate`.
  GenerationConfig config = {};
  std::vector<std::vector<int64_t>> prompts = {};
  // Called after each token of a row with all tokens of its answer so far. False ends the row.
  std::function<bool(int64_t row, const std::vector<int64_t>& tokens)> on_tokens = {};
};
// Adds the settings of the folder for these rows.
GenerationOptions with_folder_settings(GenerationOptions options, const Vlm& vlm,
                                       const Batch& batch);

// Why an answer ended: it is complete, or a limit truncated it.
enum class FinishReason { stop, max_new_tokens, max_length, max_position_embeddings, cancelled };
// The limit's name in transformers, "stop", or "cancelled" (by GenerationOptions::on_tokens).
const char* finish_reason_name(FinishReason reason);

// The generated tokens of a row.
struct GeneratedTokens {
  std::vector<int64_t> tokens;
  FinishReason finish_reason = FinishReason::stop;
};
// A generated answer as text.
struct Answer {
  std::string text;
  FinishReason finish_reason = FinishReason::stop;
};

// Generates the tokens after each row, without the stop token, and returns why they ended. The pass
// is as for `generate_tokens`.
std::vector<GeneratedTokens> generate_rows(const Model& model, Pass pass,
                                           const std::vector<int64_t>& stop_tokens,
                                           const Interventions& interventions = {},
                                           const GenerationOptions& options = {});
// Generates the tokens after each row, without the stop token.
std::vector<std::vector<int64_t>> generate_tokens(const Model& model, const Batch& batch,
                                                  const std::vector<int64_t>& stop_tokens,
                                                  const Interventions& interventions = {},
                                                  const GenerationOptions& options = {});
// The same for a left-padded pass at the start of the language module, as forward_until or
// share_prefixes returns it. The pass can be used again.
std::vector<std::vector<int64_t>> generate_tokens(const Model& model, Pass pass,
                                                  const std::vector<int64_t>& stop_tokens,
                                                  const Interventions& interventions = {},
                                                  const GenerationOptions& options = {});

// Decodes tokens to text, without special tokens and trimmed.
std::string answer_text(const Processor& processor, const std::vector<int64_t>& tokens);

// Answers of one batch, and why they ended. With a store, stored picture features are used.
std::vector<Answer> generate_answers(const Vlm& vlm, const std::vector<Query>& queries,
                                     const Interventions& interventions = {},
                                     const GenerationOptions& options = {},
                                     ActivationStore* store = nullptr);
// The same, but returns only the texts.
std::vector<std::string> generate(const Vlm& vlm, const std::vector<Query>& queries,
                                  const Interventions& interventions = {},
                                  const GenerationOptions& options = {},
                                  ActivationStore* store = nullptr);

// One teacher-forced row: the prompt, then the target (which includes its leading space).
struct ForcedRow {
  int64_t answer_begin = 0;      // index in `tokens` of the first answer token
  std::vector<int64_t> tokens;   // text tokens of the row, without image tokens
  at::Tensor logits;             // (length of the row with image tokens, V), float32
  int64_t num_image_tokens = 0;  // number of image tokens at the start of `logits`
};

// Teacher-forces a padded batch of prompts with their answers. As in MMEdit, the text is prompt +
// target.
std::vector<ForcedRow> teacher_force(const Vlm& vlm, const std::vector<Query>& queries,
                                     const std::vector<std::string>& targets,
                                     const Interventions& interventions = {});

}  // namespace emend
