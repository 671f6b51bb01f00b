#include "editing/editors/ledger/keys/key_network.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

namespace emend {
namespace {

// Each hidden state with mean 0 and variance 1.
at::Tensor normalized(const at::Tensor& states) {
  return at::layer_norm(states, {states.size(-1)});
}

}  // namespace

KeyNetwork::KeyNetwork(const Options& options) : options_(options) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(options.seed);
  const auto on = at::device(options.device).dtype(at::kFloat);
  auto linear = [&](int64_t in, int64_t out) {
    const auto weight =
        at::mul(at::randn({out, in}, generator), 1 / std::sqrt(static_cast<double>(in)));
    return Linear{weight.to(options.device), at::zeros({out}, on)};
  };
  const auto attended = options.heads * options.head_width;
  const auto states = options.states * options.text + (options.text_tokens ? attended : 0);
  const auto hidden = options.hidden, embedding = options.embedding;
  auto make_head = [&] {
    Head head;
    head.text.linear = {linear(states, hidden), linear(hidden, hidden), linear(hidden, embedding)};
    if (options.tokens == 0) return head;
    head.query.linear = {linear(states, hidden), linear(hidden, attended)};
    head.gate.linear = {linear(states, attended)};
    head.picture.linear = {linear(attended, hidden), linear(hidden, hidden),
                           linear(hidden, embedding)};
    return head;
  };
  question_ = make_head();
  if (options.text_tokens) {
    token_score_ = linear(options.text, options.heads);
    token_value_ = linear(options.text, attended);
  }
  if (options.tokens > 0) {
    key_ = linear(options.picture, attended);
    value_ = linear(options.picture, attended);
    patch_ = linear(options.picture, 16);
    summary_ = linear(options.tokens * 16, attended);
    place_ =
        at::mul(at::randn({options.tokens, options.picture}, generator), 0.5).to(options.device);
    none_ = at::zeros({attended}, on);
  }
  if (options.consequences) consequence_ = make_head();
  for (auto& [name, tensor] : parameters()) tensor.requires_grad_();
}

at::Tensor KeyNetwork::Layers::operator()(at::Tensor x) const {
  for (size_t i = 0; i < linear.size(); ++i) {
    if (i > 0) x = at::gelu(x);
    x = linear[i](x);
  }
  return x;
}

at::Tensor KeyNetwork::read(const at::Tensor& text) const {
  const auto pooled = normalized(text.slice(1, 0, options_.states)).flatten(1);
  if (!options_.text_tokens) return pooled;
  const auto tokens = text.slice(1, options_.states);
  const auto absent = tokens.abs().amax(-1, /*keepdim=*/true) == 0;  // (U, T, 1)
  const auto states = normalized(tokens);
  const auto weights = token_score_(states).masked_fill(absent, -INFINITY).softmax(1);
  const auto values =
      token_value_(states).view({text.size(0), -1, options_.heads, options_.head_width});
  return at::cat({pooled, (weights.unsqueeze(-1) * values).sum(1).flatten(1)}, 1);
}

at::Tensor KeyNetwork::texts(const at::Tensor& text) const { return question_.text(read(text)); }

at::Tensor KeyNetwork::without_picture(const Head& head, int64_t count) const {
  return head.picture(none_.unsqueeze(0)).expand({count, -1});
}

KeyNetwork::Tokens KeyNetwork::tokens(const at::Tensor& pictures) const {
  const auto picture = at::layer_norm(pictures, {pictures.size(-1)});
  const auto placed = picture + place_;
  const std::vector<int64_t> heads = {pictures.size(0), options_.tokens, options_.heads,
                                      options_.head_width};
  return {key_(placed).view(heads), value_(placed).view(heads),
          summary_(patch_(picture).flatten(1))};
}

at::Tensor KeyNetwork::attended_parts(const Head& head, const at::Tensor& queries,
                                      const at::Tensor& gates, const Tokens& picture) const {
  const auto scores = (queries * picture.keys).sum(-1) /  // (B, Q, heads)
                      std::sqrt(static_cast<double>(options_.head_width));
  const auto attended = (scores.softmax(1).unsqueeze(-1) * picture.values).sum(1).flatten(1);
  return head.picture(attended + picture.summary * gates);
}

at::Tensor KeyNetwork::pair_keys(const at::Tensor& text, const at::Tensor& pictures,
                                 const std::vector<int64_t>& which_text,
                                 const std::vector<int64_t>& which_picture, Key kind) const {
  const auto& head = this->head(kind);
  const auto index = [&](const std::vector<int64_t>& which) {
    return at::tensor(which, at::kLong).to(options_.device);
  };
  const auto states = read(text);
  const auto asked = head.text(states).index_select(0, index(which_text));
  if (options_.tokens == 0) return asked;
  auto shown = without_picture(head, asked.size(0));
  std::vector<int64_t> rows, row_text, row_picture;  // of the pairs with a picture
  for (size_t p = 0; p < which_picture.size(); ++p) {
    if (which_picture[p] < 0) continue;
    rows.push_back(static_cast<int64_t>(p));
    row_text.push_back(which_text[p]);
    row_picture.push_back(which_picture[p]);
  }
  if (!rows.empty()) {
    const auto query = head.query(states).view({-1, 1, options_.heads, options_.head_width});
    const auto all = tokens(pictures);
    const auto of_picture = index(row_picture), of_text = index(row_text);
    shown = shown.index_copy(0, index(rows),
                             attended_parts(head, query.index_select(0, of_text),
                                            head.gate(states).sigmoid().index_select(0, of_text),
                                            {all.keys.index_select(0, of_picture),
                                             all.values.index_select(0, of_picture),
                                             all.summary.index_select(0, of_picture)}));
  }
  return at::cat({asked, shown}, 1);
}

at::Tensor KeyNetwork::keys(const QuestionFeatures& features, Key kind) const {
  const auto& head = this->head(kind);
  const auto states = read(features.text);
  const auto text = head.text(states);
  if (options_.tokens == 0) return text;
  auto picture = without_picture(head, text.size(0));
  if (features.pictures.defined()) {
    const auto query = head.query(states).view({-1, 1, options_.heads, options_.head_width});
    picture = at::where(
        features.has_image.unsqueeze(-1).gt(0),
        attended_parts(head, query, head.gate(states).sigmoid(), tokens(features.pictures)),
        picture);
  }
  return at::cat({text, picture}, 1);
}

at::Tensor key_distances(const at::Tensor& a, const at::Tensor& b) {
  const auto lengths = a.square().sum(1, /*keepdim=*/true) + b.square().sum(1).unsqueeze(0);
  return at::addmm(lengths, a, b.t(), 1, -2).clamp_min(0);
}

NamedTensors KeyNetwork::parameters() const {
  NamedTensors all;
  auto add = [&](const std::string& name, const Linear& linear) {
    if (!linear.weight.defined()) return;
    all.emplace_back("key." + name + ".weight", linear.weight);
    all.emplace_back("key." + name + ".bias", linear.bias);
  };
  auto add_layers = [&](const std::string& name, const Layers& layers) {
    for (size_t i = 0; i < layers.linear.size(); ++i)
      add(name + "." + std::to_string(i), layers.linear[i]);
  };
  auto add_head = [&](const std::string& prefix, const Head& head) {
    add_layers(prefix + "text", head.text);
    add_layers(prefix + "query", head.query);
    add_layers(prefix + "gate", head.gate);
    add_layers(prefix + "picture", head.picture);
  };
  add_head("", question_);
  add("token_score", token_score_);
  add("token_value", token_value_);
  add("key", key_);
  add("value", value_);
  add("patch", patch_);
  add("summary", summary_);
  if (place_.defined()) {
    all.emplace_back("key.place", place_);
    all.emplace_back("key.none", none_);
  }
  add_head("consequence.", consequence_);
  return all;
}

}  // namespace emend
