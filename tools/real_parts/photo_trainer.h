#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adamw.h"
#include "models/vlm.h"
#include "photo_batch.h"
#include "photo_features.h"

namespace emend::photos {

struct Recipe {
  int64_t photos = 8;      // per step
  int64_t texts = 2;       // text-only lines per step
  int64_t questions = 10;  // of a photo, at most
  // First steps, which train only the projector, without running the language model: the sum of a
  // photo's image tokens, as if it were the output of the language model, predicts the words of the
  // captions. A photo costs about a fiftieth of what it costs in the other steps.
  int64_t word_steps = 300;
  int64_t word_photos = 64;  // per step
  int64_t caption_steps = 2000;
  // Steps after them, in which half of the photos are those with questions.
  int64_t question_steps = 800;
  int64_t rank = 8;    // of the change of every linear layer in the language model's blocks
  int64_t hidden = 0;  // of the projector; 0: the language model's hidden size
  double lr = 1e-3;
  double weight_decay = 0.01;
  double clip = 1.0;
  int64_t warmup = 50;
  double text_weight = 1.0;  // of the divergence on text-only lines, in the loss
  bool blind = false;        // the features of every photo are zeros
  uint64_t seed = 1;
  int threads = 2;

  int64_t steps() const { return word_steps + caption_steps + question_steps; }
  // Rises over the warmup, stays constant until there are questions, and falls to zero in a line
  // over the steps with questions.
  double rate(int64_t step) const;
};

// What the connector learns from.
struct TrainingData {
  std::vector<Photo> captioned, asked;
  std::vector<std::string> texts;
};

struct StepLosses {
  double words = 0;                               // cross-entropy of the captions' words
  double captions = 0, questions = 0, texts = 0;  // means over the answers
  double answered = 0;                            // fraction of questions with the right answer
};

// Trains a projector and a low-rank change of the language model (LoRA, Hu et al. 2022: W + B A,
// with B at zero first). The pretrained weights stay as they are. The loss is the cross-entropy of
// captions and answers, and, on text-only lines, KL(unedited || trained), so that the language
// model keeps what it knows. Rows are divided among the threads. The same seed, steps and threads
// give the same numbers, also after resuming.
class PhotoTrainer {
 public:
  PhotoTrainer(const Vlm& vlm, const PhotoFeatures& features, const TrainingData& data,
               const Recipe& recipe);

  StepLosses step();
  int64_t steps() const { return steps_; }
  // The mean loss of the captions of held-out photos, with their own features or with the next
  // photo's. The difference is what the model sees.
  double caption_loss(const std::vector<Photo>& photos, bool swapped) const;

  // Training state.
  void save(const std::string& path) const;
  void resume(const std::string& path);
  // The file that make_photo_model.py joins: connector.linear_{1,2}.{weight,bias}, and SITE.lora_A
  // .weight (r, in) and SITE.lora_B.weight (out, r) of every changed layer, bfloat16.
  void write_connector(const std::string& path,
                       const std::map<std::string, std::string>& parts) const;

 private:
  struct Share {
    std::vector<at::Tensor> grads;
    StepLosses losses;
  };
  // The features that the model is trained on: (N, P, D).
  at::Tensor features_of(const std::vector<const Photo*>& photos) const;
  // (N, P, D) -> (N, P, H) float32
  at::Tensor project(const at::Tensor& features) const;
  // The logits at the batch's positions: (K, V).
  at::Tensor logits(const PhotoBatch& batch, const at::Tensor& shown, bool changed) const;
  Share learn_words(int64_t share) const;
  Share learn(int64_t share) const;
  // The tokens of the photo's captions with weights of sum 1: frequency x log(photos / photos with
  // the token).
  std::map<int64_t, double> words_of(const Photo& photo) const;
  // The item of this number in an endless sequence of shuffled passes over `count` items.
  size_t item(size_t count, uint64_t stream, int64_t number) const;

  const Vlm& vlm_;
  const PhotoFeatures& features_;
  const TrainingData& data_;
  Recipe recipe_;
  std::map<std::string, at::Tensor> parameters_;
  Interventions changes_;
  std::unique_ptr<pretrain::AdamW> optimizer_;
  int64_t steps_ = 0;
  std::map<int64_t, double> photos_with_;  // number of photos whose captions have a token
  mutable std::map<std::pair<uint64_t, int64_t>, std::vector<size_t>> orders_;
};

}  // namespace emend::photos
