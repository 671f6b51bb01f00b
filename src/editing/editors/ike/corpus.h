#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "editing/editors/ike/demonstrations.h"
#include "editing/training/checkpoint.h"
#include "editing/training/encoder.h"

namespace emend {

// Embeds texts as vectors (n, D) float32, by a sentence encoder or by the hidden states of the
// model. Similar texts have similar vectors.
using TextEmbedding = std::function<at::Tensor(const std::vector<std::string>&)>;

// Embeds a text as the mean over its tokens of the residual stream after `blocks` language blocks
// (0: half of them), without a picture and without edits. A text that is longer than the model's
// positions is truncated at the end. Keeps a reference to `vlm`. Throws emend::Error if the model
// has fewer blocks.
TextEmbedding state_embedding(const Vlm& vlm, int64_t blocks);

// How demonstrations are collected.
struct IkeCorpusSettings {
  int64_t records = 1000;
  std::string embedding = "states";  // or the folder of a sentence encoder
  std::string encoder_id;            // fingerprint of the sentence encoder that embedded the corpus
  int64_t blocks = 0;
  bool images = false;
  IkeTemplates templates;  // templates of the embedded texts
  int64_t seed = 0;

  void declare(SettingList& list);
  bool uses_hidden_states() const { return embedding == "states"; }
};

// A corpus of demonstrations for retrieval.
struct IkeCorpus {
  std::vector<Demonstration> demonstrations;
  at::Tensor embeddings;  // (n, D) float32, embeddings of the formatted demonstrations minus `mean`
  at::Tensor mean;        // (D) mean of the hidden states of all texts; 0 for a sentence encoder
  at::Tensor pictures;    // (P, 3, H, W) float32, preprocessed; undefined if no pictures are stored
  IkeCorpusSettings settings;
  std::shared_ptr<const SentenceEncoder> encoder;  // null: the hidden states of the model

  // Embeds the demonstrations.
  static IkeCorpus of(const Vlm& vlm, std::vector<Demonstration> demonstrations,
                      const IkeCorpusSettings& settings);
  // `training` describes where the demonstrations come from.
  EditorCheckpoint checkpoint(const Vlm& vlm, const nlohmann::json& training) const;
  // `embedding` is the required embedding: "states", or the folder of the sentence encoder; empty
  // accepts any. Throws emend::Error if the file is damaged, belongs to another model, or has
  // another embedding.
  static IkeCorpus load(const Vlm& vlm, const std::string& file, const std::string& embedding = "");

  // Returns the k demonstrations nearest to the copy demonstration of the fact, nearest first.
  std::vector<int64_t> nearest(const Vlm& vlm, const std::string& prompt, const std::string& target,
                               int64_t k) const;

 private:
  void open_encoder(const Vlm& vlm);
  TextEmbedding embedding(const Vlm& vlm) const;
};

// Returns the k rows of `embeddings` (n, D) with the largest cosine similarity to `query` (D),
// computed in double precision. The order is by decreasing similarity; ties go to the lower index.
// Returns all rows if k > n.
std::vector<int64_t> nearest_rows(const at::Tensor& embeddings, const at::Tensor& query, int64_t k);

}  // namespace emend
