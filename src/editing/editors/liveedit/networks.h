#pragma once

#include "editing/editors/liveedit/attention.h"
#include "editing/editors/liveedit/question_states.h"

namespace emend {

// The sizes of the networks of LiveEdit [arXiv 2411.15432].
struct LiveEditSizes {
  int64_t width = 0;       // of the residual stream
  int64_t module_dim = 0;  // width of the attention and of the routing features
  int64_t heads = 8;
  int64_t rank = 4;             // of an expert
  int64_t routing_queries = 4;  // n, the number of vectors of a routing feature
  double scale = 5;             // experts are divided by scale * sqrt(rank)
  int64_t picture_tokens = 0;   // of the sentinel
};

// Experts of edits, (E, rank, width) each. The output for states x is ReLU(x down^T) up.
struct Experts {
  at::Tensor down, up;
};

// The routing features of questions about pictures, (B, n, module_dim) each:
//   picture = A_v(A_p(q_1, LN_1(question)), LN_1(picture)),  text = A_t(q_2, LN_2(question))
// with trained queries q, and cross-attention A.
class RoutingFeatures {
 public:
  RoutingFeatures(const LiveEditSizes& sizes, at::Generator generator, at::Device device);
  at::Tensor picture(const QuestionStates& states) const;
  // The same for another picture, (1, P, width), in front of the questions.
  at::Tensor picture(const QuestionStates& states, const at::Tensor& other) const;
  at::Tensor text(const QuestionStates& states) const;
  void add_to(NamedTensors& all, const std::string& name) const;

 private:
  at::Tensor question_summary(const QuestionStates& states) const;

  TrainedNorm picture_norm_, text_norm_;
  at::Tensor picture_query_, text_query_;  // (1, n, module_dim)
  CrossAttention prompt_, picture_, text_;
};

// Makes the routing features and the expert of an edit.
class ExpertGenerator {
 public:
  ExpertGenerator(const LiveEditSizes& sizes, uint64_t seed, at::Device device);
  const RoutingFeatures& features() const { return features_; }
  // Reads picture, question and answer.
  Experts experts(const QuestionStates& edits) const;
  NamedTensors parameters() const;

 private:
  // A(q, LN(picture, question, answer)) / (scale * sqrt(rank)), with trained queries q.
  struct Factor {
    TrainedNorm norm;
    at::Tensor query;  // (1, rank, module_dim)
    CrossAttention attention;
    double scale;

    Factor(const LiveEditSizes& sizes, at::Generator generator, at::Device device);
    at::Tensor of(const QuestionStates& edits) const;
    void add_to(NamedTensors& all, const std::string& name) const;
  };
  ExpertGenerator(const LiveEditSizes& sizes, at::Generator generator, at::Device device);

  RoutingFeatures features_;
  Factor down_, up_;
};

// What a question needs to find and to use experts: its routing features, the sentinel, which
// stands for "none of the pictures", and the LayerNorm of the experts' input.
class ExpertRouter {
 public:
  ExpertRouter(const LiveEditSizes& sizes, uint64_t seed, at::Device device);
  const RoutingFeatures& features() const { return features_; }
  // The picture features of the questions if the sentinel were their picture.
  at::Tensor sentinel(const QuestionStates& states) const;
  // The input of the experts.
  at::Tensor normalized(const at::Tensor& hidden) const { return norm_(hidden); }
  NamedTensors parameters() const;

 private:
  ExpertRouter(const LiveEditSizes& sizes, at::Generator generator, at::Device device);

  RoutingFeatures features_;
  at::Tensor sentinel_;  // (1, picture_tokens, width)
  TrainedNorm norm_;
};

// The similarity of routing features (A, n, D) and (B, n, D): the mean over n of their dot
// products, divided by sqrt(D): (A, B).
at::Tensor feature_similarity(const at::Tensor& a, const at::Tensor& b);
// The same of each row of a and that of b: (A).
at::Tensor own_similarity(const at::Tensor& a, const at::Tensor& b);

// The weights of experts with these similarities (R, E), of which those in `mask` (R, E) are used:
// softmax * sigmoid over the used ones; without `soft`, 1 / their number. Others have 0.
at::Tensor expert_weights(const at::Tensor& similarity, const at::Tensor& mask, bool soft = true);

// The sum of the experts' outputs for states (R, T, width) that are normalized, with weights
// (R, E): (R, T, width).
at::Tensor expert_output(const at::Tensor& normalized, const Experts& experts,
                         const at::Tensor& weights);

}  // namespace emend
