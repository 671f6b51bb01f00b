#include "models/vision/resnet.h"

#include <fmt/format.h>

#include "io/error.h"

namespace emend {
namespace {

// (N, C, H, W) as a channels-last view of (N, H, W, C), or of weights (out, H, W, in).
at::Tensor channels_second(const at::Tensor& x) { return x.permute({0, 3, 1, 2}); }

// (N, C, H, W) in channels-last memory -> (N, H * W, C)
at::Tensor positions_of(const at::Tensor& x) { return x.permute({0, 2, 3, 1}).flatten(1, 2); }

// (N, side * side, C) -> (N, side, side, C)
at::Tensor grid_of(const at::Tensor& x, int64_t side) {
  return x.view({x.size(0), side, side, x.size(2)});
}

// Every second row and column: what a 1 x 1 convolution with stride 2 reads.
at::Tensor every_second(const at::Tensor& x, int64_t side) {
  return grid_of(x, side).slice(1, 0, side, 2).slice(2, 0, side, 2).flatten(1, 2);
}

}  // namespace

ResNet::ResNet(const ResNetConfig& config, Builder builder, const std::string& path)
    : config_(config) {
  const auto stem = path + "embedder.embedder.convolution";
  stem_weight_ = builder.parameter(stem + ".weight", {config.embedding, 7, 7, 3});
  stem_bias_ = builder.parameter(stem + ".bias", {config.embedding});
  auto in = config.embedding, side = config.stem_side();
  for (size_t stage = 0; stage < config.widths.size(); ++stage) {
    const auto out = config.widths[stage], inner = out / 4;
    for (int64_t i = 0; i < config.depths[stage]; ++i) {
      ++builder.stage;
      const auto layer = fmt::format("{}encoder.stages.{}.layers.{}.", path, stage, i);
      Block block;
      block.side = side;
      block.downsample = stage > 0 && i == 0;
      block.has_projection = i == 0 && (in != out || block.downsample);
      if (block.has_projection)
        block.shortcut = builder.linear(layer + "shortcut.convolution", in, out);
      block.reduce = builder.linear(layer + "layer.0.convolution", in, inner);
      block.weight = builder.parameter(layer + "layer.1.convolution.weight", {inner, 3, 3, inner});
      block.bias = builder.parameter(layer + "layer.1.convolution.bias", {inner});
      block.expand = builder.linear(layer + "layer.2.convolution", inner, out);
      blocks_.push_back(std::move(block));
      if (blocks_.back().downsample) side = half_side(side);
      in = out;
    }
  }
}

at::Tensor ResNet::embed(const at::Tensor& pixels) const {
  const int64_t size = config_.image_size;
  if (pixels.dim() != 4 || pixels.size(1) != 3 || pixels.size(2) != size || pixels.size(3) != size)
    throw Error("models::vision", fmt::format("pixels must be (N, 3, {}, {})", size, size),
                "preprocessor_config.json must have the image size of config.json");
  const auto x = pixels.to(stem_weight_.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast);
  const auto stem = at::conv2d(x, channels_second(stem_weight_), stem_bias_, 2, 3);
  return positions_of(at::max_pool2d(activate(stem, config_.activation), 3, 2, 1));
}

at::Tensor ResNet::block(size_t index, const at::Tensor& x, const Attachments& attachments) const {
  const auto& b = blocks_[index];
  const auto in = b.downsample ? every_second(x, b.side) : x;
  const auto side = b.downsample ? half_side(b.side) : b.side;
  const auto narrow = activate(b.reduce(in, attachments), config_.activation);
  const auto mixed = positions_of(
      at::conv2d(channels_second(grid_of(narrow, side)), channels_second(b.weight), b.bias, 1, 1));
  const auto wide = b.expand(activate(mixed, config_.activation), attachments);
  return activate(wide + (b.has_projection ? b.shortcut(in, attachments) : in), config_.activation);
}

}  // namespace emend
