#include "editing/editors/ledger/key_network.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

namespace emend {
namespace {

// Each hidden state with mean 0 and variance 1, side by side: (A, S, W) -> (A, S * W).
at::Tensor normalized_text(const at::Tensor& text) {
  return at::layer_norm(text, {text.size(-1)}).flatten(1);
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
  const auto states = options.states * options.text;
  const auto attended = options.heads * options.head_width;
  const auto hidden = options.hidden, embedding = options.embedding;
  text_.linear = {linear(states, hidden), linear(hidden, hidden), linear(hidden, embedding)};
  if (options.tokens > 0) {
    query_.linear = {linear(states, hidden), linear(hidden, attended)};
    gate_.linear = {linear(states, attended)};
    picture_.linear = {linear(attended, hidden), linear(hidden, hidden), linear(hidden, embedding)};
    key_ = linear(options.picture, attended);
    value_ = linear(options.picture, attended);
    patch_ = linear(options.picture, 16);
    summary_ = linear(options.tokens * 16, attended);
    place_ =
        at::mul(at::randn({options.tokens, options.picture}, generator), 0.5).to(options.device);
    none_ = at::zeros({attended}, on);
  }
  for (auto& [name, tensor] : parameters()) tensor.requires_grad_();
}

at::Tensor KeyNetwork::Layers::operator()(at::Tensor x) const {
  for (size_t i = 0; i < linear.size(); ++i) {
    if (i > 0) x = at::gelu(x);
    x = linear[i](x);
  }
  return x;
}

at::Tensor KeyNetwork::texts(const at::Tensor& text) const { return text_(normalized_text(text)); }

at::Tensor KeyNetwork::without_picture(int64_t count) const {
  return picture_(none_.unsqueeze(0)).expand({count, -1});
}

KeyNetwork::Tokens KeyNetwork::tokens(const at::Tensor& pictures) const {
  const auto seen = at::layer_norm(pictures, {pictures.size(-1)});
  const auto placed = seen + place_;
  const std::vector<int64_t> heads = {pictures.size(0), options_.tokens, options_.heads,
                                      options_.head_width};
  return {key_(placed).view(heads), value_(placed).view(heads), summary_(patch_(seen).flatten(1))};
}

at::Tensor KeyNetwork::seen_parts(const at::Tensor& queries, const at::Tensor& gates,
                                  const Tokens& seen) const {
  const auto scores = (queries * seen.keys).sum(-1) /  // (B, Q, heads)
                      std::sqrt(static_cast<double>(options_.head_width));
  const auto attended = (scores.softmax(1).unsqueeze(-1) * seen.values).sum(1).flatten(1);
  return picture_(attended + seen.summary * gates);
}

at::Tensor KeyNetwork::pair_keys(const at::Tensor& text, const at::Tensor& pictures,
                                 const std::vector<int64_t>& which_text,
                                 const std::vector<int64_t>& which_picture) const {
  const auto index = [&](const std::vector<int64_t>& which) {
    return at::tensor(which, at::kLong).to(options_.device);
  };
  const auto asked = texts(text).index_select(0, index(which_text));
  if (options_.tokens == 0) return asked;
  auto shown = without_picture(asked.size(0));
  std::vector<int64_t> rows, row_text, row_picture;  // of the pairs with a picture
  for (size_t p = 0; p < which_picture.size(); ++p) {
    if (which_picture[p] < 0) continue;
    rows.push_back(static_cast<int64_t>(p));
    row_text.push_back(which_text[p]);
    row_picture.push_back(which_picture[p]);
  }
  if (!rows.empty()) {
    const auto states = normalized_text(text);
    const auto query = query_(states).view({-1, 1, options_.heads, options_.head_width});
    const auto all = tokens(pictures);
    const auto of_picture = index(row_picture), of_text = index(row_text);
    shown = shown.index_copy(
        0, index(rows),
        seen_parts(query.index_select(0, of_text), gate_(states).sigmoid().index_select(0, of_text),
                   {all.keys.index_select(0, of_picture), all.values.index_select(0, of_picture),
                    all.summary.index_select(0, of_picture)}));
  }
  return at::cat({asked, shown}, 1);
}

at::Tensor KeyNetwork::keys(const QuestionFeatures& features) const {
  const auto text = texts(features.text);
  if (options_.tokens == 0) return text;
  auto picture = without_picture(text.size(0));
  if (features.pictures.defined()) {
    const auto states = normalized_text(features.text);
    const auto query = query_(states).view({-1, 1, options_.heads, options_.head_width});
    picture =
        at::where(features.has_image.unsqueeze(-1).gt(0),
                  seen_parts(query, gate_(states).sigmoid(), tokens(features.pictures)), picture);
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
  add_layers("text", text_);
  add_layers("query", query_);
  add_layers("gate", gate_);
  add_layers("picture", picture_);
  add("key", key_);
  add("value", value_);
  add("patch", patch_);
  add("summary", summary_);
  if (place_.defined()) {
    all.emplace_back("key.place", place_);
    all.emplace_back("key.none", none_);
  }
  return all;
}

}  // namespace emend
