#include "models/prompting/image_batch.h"

#include "io/error.h"

namespace emend {

size_t ImageBatch::add(Tiles tiles) {
  if (!pictures_.empty() && tiles.pixels.sizes().slice(1) != pictures_[0].pixels.sizes().slice(1))
    throw Error("models::request", "the pictures of a batch have different sizes",
                "use one picture per batch; this model does not resize pictures");
  firsts_.push_back(pictures_.empty() ? 0 : firsts_.back() + pictures_.back().pixels.size(0));
  pictures_.push_back(std::move(tiles));
  return pictures_.size() - 1;
}

Row ImageBatch::row(const Processor& processor, const std::string& text, size_t picture) const {
  const auto& tiles = pictures_.at(picture);
  return processor.row(text, firsts_[picture], tiles.rows, tiles.columns);
}

at::Tensor ImageBatch::pixels() const {
  std::vector<at::Tensor> all;
  for (const auto& picture : pictures_) all.push_back(picture.pixels);
  return all.empty() ? at::Tensor() : at::cat(all);
}

}  // namespace emend
