#include "models/vision/qwen_vision.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "io/error.h"
#include "nn/attention.h"

namespace emend {
namespace {

constexpr double kNormEps = 1e-6;  // not a field of config.json

bool all_equal(const std::vector<PatchGrid>& grids) {
  return std::all_of(grids.begin(), grids.end(), [&](const auto& g) { return g == grids[0]; });
}

// Attention within each of the spans, which follow each other. (N, heads, P, d)
at::Tensor attention_in(const std::vector<int64_t>& spans, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v, double scale) {
  if (spans.size() == 1) return attention(q, k, v, {}, scale);
  std::vector<at::Tensor> mixed;
  int64_t begin = 0;
  for (auto span : spans) {
    const auto part = [&](const at::Tensor& x) { return x.narrow(2, begin, span); };
    mixed.push_back(attention(part(q), part(k), part(v), {}, scale));
    begin += span;
  }
  return at::cat(mixed, 2);
}

}  // namespace

QwenVision::QwenVision(const QwenVisionConfig& config, Builder builder, const std::string& path)
    : config_(config) {
  const int64_t width = config.hidden;
  const bool third = config.release == QwenVl::third;
  patch_weight_ =
      builder.parameter(path + "patch_embed.proj.weight",
                        {width, 3, config.temporal_patch, config.patch_size, config.patch_size});
  if (third) {
    patch_bias_ = builder.parameter(path + "patch_embed.proj.bias", {width});
    position_embedding_ = builder.matrix(path + "pos_embed.weight",
                                         config.position_side * config.position_side, width);
  }
  // The frequencies of rows, and again those of columns.
  const auto half = static_cast<double>(width / config.heads / 2);
  frequencies_ = (1 / at::pow(at::Scalar(config.theta), at::arange(0, half, 2, at::kFloat) / half))
                     .to(builder.weights.device());
  const bool gated = config.release == QwenVl::second_5;
  const char* fc1 = third ? "mlp.linear_fc1" : "mlp.fc1";
  const char* fc2 = third ? "mlp.linear_fc2" : "mlp.fc2";
  for (int64_t i = 0; i < config.layers; ++i) {
    ++builder.stage;
    const auto layer = fmt::format("{}blocks.{}.", path, i);
    Block b;
    b.norm1 = norm(builder, layer + "norm1", width);
    b.qkv = builder.linear(layer + "attn.qkv", width, 3 * width);
    b.out = builder.linear(layer + "attn.proj", width, width);
    b.norm2 = norm(builder, layer + "norm2", width);
    if (gated) b.gate = builder.linear(layer + "mlp.gate_proj", width, config.intermediate);
    b.up = builder.linear(layer + (gated ? "mlp.up_proj" : fc1), width, config.intermediate);
    b.down = builder.linear(layer + (gated ? "mlp.down_proj" : fc2), config.intermediate, width);
    blocks_.push_back(std::move(b));
  }
  ++builder.stage;
  merger_ = merger(builder, path + "merger.", false);
  for (size_t i = 0; i < config.deepstack.size(); ++i)
    deepstack_.push_back(
        merger(builder, fmt::format("{}deepstack_merger_list.{}.", path, i), true));
}

QwenVision::Norm QwenVision::norm(const Builder& builder, const std::string& path,
                                  int64_t width) const {
  if (config_.release == QwenVl::second_5) return {{}, builder.rms_norm(path, width, kNormEps)};
  return {builder.norm(path, width, kNormEps), {}};
}

QwenVision::Merger QwenVision::merger(const Builder& builder, const std::string& path,
                                      bool norm_after_merge) const {
  const bool third = config_.release == QwenVl::third;
  const int64_t wide = config_.hidden * config_.merge * config_.merge;
  Merger merger;
  merger.norm_after_merge = norm_after_merge;
  merger.norm =
      norm(builder, path + (third ? "norm" : "ln_q"), norm_after_merge ? wide : config_.hidden);
  merger.fc1 = builder.linear(path + (third ? "linear_fc1" : "mlp.0"), wide, wide);
  merger.fc2 = builder.linear(path + (third ? "linear_fc2" : "mlp.2"), wide, config_.out);
  return merger;
}

PatchGrid QwenVision::grid(const at::Tensor& picture) const {
  const auto side = config_.side();
  if (picture.dim() != 3 || picture.size(0) != 3 || picture.size(1) < side ||
      picture.size(2) < side || picture.size(1) % side != 0 || picture.size(2) % side != 0)
    throw Error("models::vision",
                fmt::format("a picture has the shape ({}), but its sides must be multiples of {}",
                            fmt::join(picture.sizes(), ", "), side),
                "preprocessor_config.json must have do_resize, and the patch_size and merge_size "
                "of config.json");
  return {picture.size(1) / config_.patch_size, picture.size(2) / config_.patch_size, config_.merge,
          config_.window};
}

std::vector<PatchGrid> QwenVision::grids(const Pictures& pixels) const {
  std::vector<PatchGrid> grids;
  for (const auto& picture : pixels) grids.push_back(grid(picture));
  return grids;
}

void QwenVision::embed(Pass& pass) const {
  std::vector<at::Tensor> patches, places;
  for (const auto& picture : pass.pixels) {
    const auto grid = this->grid(picture);
    patches.push_back(
        grid.patchify(picture, config_.patch_size, config_.temporal_patch).unsqueeze(0));
    if (position_embedding_.defined()) places.push_back(position_embeddings(grid));
  }
  pass.set_picture_states(patches);
  pass.hidden =
      at::linear(pass.hidden.to(patch_weight_.options()), patch_weight_.flatten(1), patch_bias_);
  if (!places.empty())
    pass.hidden = pass.hidden + padded_states(places).to(pass.hidden.scalar_type());
}

// The grid of embeddings, interpolated bilinearly with aligned corners, as in transformers.
at::Tensor QwenVision::position_embeddings(const PatchGrid& grid) const {
  const auto last = config_.position_side - 1;
  const auto positions = grid.positions();
  std::vector<at::Tensor> lower, share;
  for (int64_t axis = 0; axis < 2; ++axis) {
    const auto size = axis == 0 ? grid.rows : grid.columns;
    const auto place = positions.select(1, axis).to(at::kFloat) * static_cast<double>(last) /
                       static_cast<double>(std::max<int64_t>(size - 1, 1));
    lower.push_back(place.floor().to(at::kLong));
    share.push_back(place - place.floor());
  }
  at::Tensor sum;
  for (int64_t corner = 0; corner < 4; ++corner) {
    const auto at_side = [&](int64_t axis, int64_t upper) {
      return (lower[axis] + upper).clamp_max(last);
    };
    const auto weight = [&](int64_t axis, int64_t upper) {
      return upper ? share[axis] : 1 - share[axis];
    };
    const auto index = at_side(0, corner / 2) * config_.position_side + at_side(1, corner % 2);
    const auto part = position_embedding_.index_select(0, index.to(position_embedding_.device())) *
                      (weight(0, corner / 2) * weight(1, corner % 2))
                          .unsqueeze(1)
                          .to(position_embedding_.device());
    sum = sum.defined() ? sum + part : part;
  }
  return sum.unsqueeze(0);
}

Rotation QwenVision::rotation(const std::vector<PatchGrid>& grids) const {
  std::vector<at::Tensor> angles;
  for (const auto& grid : grids) {
    if (&grid != &grids[0] && grid == grids[angles.size() - 1]) {
      angles.push_back(angles.back());
      continue;
    }
    const auto positions = grid.positions().to(frequencies_.device()).to(at::kFloat);
    angles.push_back((positions.unsqueeze(-1) * frequencies_).flatten(1).unsqueeze(0));
  }
  auto all = padded_states(angles);
  all = at::cat({all, all}, -1).unsqueeze(1);
  return {all.cos(), all.sin()};
}

at::Tensor QwenVision::block(size_t index, const at::Tensor& x, const Pictures& pixels,
                             const Attachments& attachments) const {
  const auto& b = blocks_[index];
  const auto grids = this->grids(pixels);
  const auto qkv = b.qkv(b.norm1(x), attachments).chunk(3, -1);
  const auto rotate = rotation(grids);
  const auto turned = [&](const at::Tensor& part) {
    return rotate(split_heads(part, config_.heads).to(at::kFloat)).to(x.scalar_type());
  };
  const auto q = turned(qkv[0]), k = turned(qkv[1]), v = split_heads(qkv[2], config_.heads);
  const double scale = 1 / std::sqrt(static_cast<double>(config_.hidden / config_.heads));
  const auto spans = [&](const PatchGrid& grid) {
    return config_.has_full_attention(static_cast<int64_t>(index))
               ? std::vector<int64_t>{grid.patches()}
               : grid.window_patches();
  };
  at::Tensor mixed;
  if (all_equal(grids)) {
    mixed = merge_heads(attention_in(spans(grids[0]), q, k, v, scale));
  } else {
    std::vector<at::Tensor> each;
    for (size_t i = 0; i < grids.size(); ++i) {
      const auto own = [&](const at::Tensor& part) {
        return part.narrow(0, static_cast<int64_t>(i), 1).narrow(2, 0, grids[i].patches());
      };
      each.push_back(merge_heads(attention_in(spans(grids[i]), own(q), own(k), own(v), scale)));
    }
    mixed = padded_states(each);
  }
  const auto h = x + b.out(mixed, attachments);
  const auto wide = b.norm2(h);
  const auto up = b.up(wide, attachments);
  const auto inner = b.gate.weight.defined()
                         ? activate(b.gate(wide, attachments), config_.activation) * up
                         : activate(up, config_.activation);
  return h + b.down(inner, attachments);
}

at::Tensor QwenVision::merged(const Merger& merger, const at::Tensor& x,
                              const Attachments& attachments) const {
  const auto squares = [&](const at::Tensor& patches) {
    return patches.reshape({x.size(0), -1, config_.hidden * config_.merge * config_.merge});
  };
  const auto wide = merger.norm_after_merge ? merger.norm(squares(x)) : squares(merger.norm(x));
  return merger.fc2(activate(merger.fc1(wide, attachments), Activation::gelu), attachments);
}

at::Tensor QwenVision::merge(const at::Tensor& x, const at::Tensor& deepstack,
                             const Pictures& pixels, const Attachments& attachments) const {
  std::vector<at::Tensor> parts = {merged(merger_, x, attachments)};
  for (size_t i = 0; i < deepstack_.size(); ++i)
    parts.push_back(merged(
        deepstack_[i],
        deepstack.narrow(-1, static_cast<int64_t>(i) * config_.hidden, config_.hidden).contiguous(),
        attachments));
  auto tokens = parts.size() == 1 ? parts[0] : at::cat(parts, -1);
  if (config_.window == 0) return tokens;
  std::vector<at::Tensor> each;
  for (int64_t i = 0; i < pixels.size(); ++i) {
    const auto order = at::tensor(grid(pixels[i]).order(), at::kLong).to(tokens.device());
    each.push_back(tokens.narrow(0, i, 1).index_select(1, order.argsort()));
  }
  return padded_states(each);
}

}  // namespace emend
