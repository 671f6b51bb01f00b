#include "models/prompting/image_batch.h"

namespace emend {

size_t ImageBatch::add(Tiles tiles) {
  first_tiles_.push_back(pictures_.empty() ? 0
                                           : first_tiles_.back() + pictures_.back().pixels.size(0));
  pictures_.push_back(std::move(tiles));
  return pictures_.size() - 1;
}

Row ImageBatch::row(const Processor& processor, const std::string& text,
                    const std::vector<size_t>& pictures) const {
  std::vector<RowPicture> placed;
  for (const auto picture : pictures)
    placed.push_back({first_tiles_.at(picture), &pictures_[picture]});
  return processor.row(text, placed);
}

Pictures ImageBatch::pixels() const {
  Pictures all;
  for (const auto& picture : pictures_) all.append(picture.pixels);
  return all;
}

}  // namespace emend
