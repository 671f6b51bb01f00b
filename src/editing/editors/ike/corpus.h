#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "editing/editors/ike/demonstrations.h"
#include "editing/training/checkpoint.h"
#include "editing/training/encoder.h"

namespace emend {

// Texts to vectors, (n, D) float32, near where texts are alike: a sentence encoder, or the model's
// own states.
using TextEmbedding = std::function<at::Tensor(const std::vector<std::string>&)>;

// The mean over a text's tokens of the language module's stream after `blocks` blocks (0: half of
// them), without a picture and without edits. Refers to `vlm`. A text longer than the model's
// positions counts with its beginning. Throws emend::Error when there are fewer blocks.
TextEmbedding state_embedding(const Vlm& vlm, int64_t blocks);

// How demonstrations are collected.
struct IkeCorpusSettings {
  int64_t records = 1000;
  std::string embedding = "states";  // or a sentence encoder's folder
  std::string encoder_id;            // its fingerprint, as it was when the corpus was embedded
  int64_t blocks = 0;
  bool images = false;
  IkeTemplates templates;  // of the texts that are embedded
  int64_t seed = 0;

  void declare(SettingList& list);
  bool by_states() const { return embedding == "states"; }
};

// Demonstrations to choose from.
struct IkeCorpus {
  std::vector<Demonstration> demonstrations;
  at::Tensor embeddings;  // (n, D) float32, of the demonstrations as they are shown, less `mean`
  at::Tensor mean;        // (D) what all texts' states have in common; 0 for a sentence encoder
  at::Tensor pictures;    // (P, 3, H, W) float32 as the model sees them; undefined: none were kept
  IkeCorpusSettings settings;
  std::shared_ptr<const SentenceEncoder> encoder;  // null: the model's own states

  // Embeds them.
  static IkeCorpus of(const Vlm& vlm, std::vector<Demonstration> demonstrations,
                      const IkeCorpusSettings& settings);
  // `training`: where they are from.
  EditorCheckpoint checkpoint(const Vlm& vlm, const nlohmann::json& training) const;
  // `embedding`: what it has to be embedded by, "states" or where the sentence encoder is now;
  // empty: what it was embedded by. Throws emend::Error when the file is damaged, belongs to
  // another model, or was embedded otherwise.
  static IkeCorpus load(const Vlm& vlm, const std::string& file, const std::string& embedding = "");

  // The k demonstrations nearest to the fact's own copy demonstration, nearest first.
  std::vector<int64_t> nearest(const Vlm& vlm, const std::string& prompt, const std::string& target,
                               int64_t k) const;

 private:
  void open_encoder(const Vlm& vlm);
  TextEmbedding embedding(const Vlm& vlm) const;
};

// The k rows of `embeddings` (n, D) with the largest cosine to `query` (D), in double precision;
// largest first, ties to the lowest index. All where k > n.
std::vector<int64_t> nearest_rows(const at::Tensor& embeddings, const at::Tensor& query, int64_t k);

}  // namespace emend
