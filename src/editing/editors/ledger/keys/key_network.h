#pragma once

#include <vector>

#include "editing/editors/memory/question_features.h"
#include "editing/training/named_tensors.h"

namespace emend {

// The key of a question, k = [t(text); p(text, picture)]: small networks on frozen features of the
// model. Questions that mean the same about the same thing have keys with a small squared distance.
// The text selects the parts of the picture that matter (attention over the picture's tokens with
// queries from the text), so that another view of the same thing has a similar key, and another
// thing has not. Without a picture, p reads a trained constant instead.
//
// With text_tokens, the text is its pooled states and what trained heads attend to in its tokens:
// the tokens that tell one fact from another, such as those of a name, weigh more than in the mean.
//
// With consequences, an edit has a second key: that of the questions that follow from it. It is
// made by networks of the same shape from the edit's question, and compared with the keys of
// questions.
class KeyNetwork {
 public:
  enum class Key { question, consequence };
  struct Options {
    int64_t states = 2, text = 0;        // pooled states and W of QuestionFeatures::text
    bool text_tokens = false;            // it also has the states of tokens
    int64_t tokens = 0, picture = 0;     // Q and D of QuestionFeatures::pictures; 0: no pictures
    int64_t heads = 8, head_width = 24;  // of the attention
    int64_t hidden = 192;
    int64_t embedding = 48;  // size of t and of p
    bool consequences = false;
    uint64_t seed = 0;
    at::Device device = at::kCPU;
  };
  explicit KeyNetwork(const Options& options);

  at::Device device() const { return options_.device; }
  int64_t width() const { return options_.embedding * (options_.tokens > 0 ? 2 : 1); }
  // The keys of questions: (B, width).
  at::Tensor keys(const QuestionFeatures& features, Key kind = Key::question) const;
  // The keys of pairs of a text (U, S, W) and a picture (N, Q, D; -1: none): (P, width).
  at::Tensor pair_keys(const at::Tensor& text, const at::Tensor& pictures,
                       const std::vector<int64_t>& which_text,
                       const std::vector<int64_t>& which_picture, Key kind = Key::question) const;
  // t of texts: (U, embedding).
  at::Tensor texts(const at::Tensor& text) const;

  // The trainable tensors in a fixed order.
  NamedTensors parameters() const;

 private:
  struct Linear {
    at::Tensor weight, bias;
    at::Tensor operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }
  };
  // Linear layers with GELU between them.
  struct Layers {
    std::vector<Linear> linear;
    at::Tensor operator()(at::Tensor x) const;
  };
  // Of pictures: the attention keys and values (N, Q, heads, head_width), and a summary of all
  // tokens (N, heads * head_width), which a gate of the text weighs.
  struct Tokens {
    at::Tensor keys, values, summary;
  };
  // The networks of one kind of key.
  struct Head {
    Layers text, query, gate, picture;
  };
  // What the networks read of texts: (U, S, W) -> (U, states * W [+ heads * head_width]).
  at::Tensor read(const at::Tensor& text) const;
  const Head& head(Key kind) const { return kind == Key::question ? question_ : consequence_; }
  Tokens tokens(const at::Tensor& pictures) const;
  // p of texts and pictures, row by row: queries (B, 1, heads, head_width), gates (B, heads *
  // head_width).
  at::Tensor attended_parts(const Head& head, const at::Tensor& queries, const at::Tensor& gates,
                            const Tokens& picture) const;
  // p without a picture: (count, embedding).
  at::Tensor without_picture(const Head& head, int64_t count) const;

  Options options_;
  Head question_, consequence_;
  Linear token_score_, token_value_;  // of the attention to the tokens of a text
  Linear key_, value_, patch_, summary_;
  at::Tensor place_;  // (Q, D): each token of a picture has its own role
  at::Tensor none_;   // (heads * head_width): the summary of no picture
};

// ||a - b||^2 of each pair of keys: (A, W), (B, W) -> (A, B).
at::Tensor key_distances(const at::Tensor& a, const at::Tensor& b);

}  // namespace emend
