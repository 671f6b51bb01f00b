#pragma once

#include <string>
#include <vector>

#include "models/prompting/processor.h"

namespace emend {

// The pictures of a batch. Each has one row of Batch::pixels, or several if it is divided into
// tiles.
class ImageBatch {
 public:
  // Returns the index of the picture. Throws emend::Error if its tiles have another size than the
  // others'.
  size_t add(Tiles tiles);
  // Returns the formatted prompt for a picture.
  Row row(const Processor& processor, const std::string& text, size_t picture) const;
  at::Tensor pixels() const;  // (N, 3, H, W); undefined without pictures

 private:
  std::vector<Tiles> pictures_;
  std::vector<int64_t> firsts_;  // the index of each picture's first tile
};

}  // namespace emend
