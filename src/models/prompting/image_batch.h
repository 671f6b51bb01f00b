#pragma once

#include <string>
#include <vector>

#include "models/prompting/processor.h"

namespace emend {

// The pictures of a batch. Each has one item of Batch::pixels, or several if it is divided into
// tiles that are pictures for the model.
class ImageBatch {
 public:
  // Returns the index of the picture.
  size_t add(Tiles tiles);
  // Returns the formatted prompt for these pictures (see Processor::row).
  Row row(const Processor& processor, const std::string& text,
          const std::vector<size_t>& pictures) const;
  Pictures pixels() const;

 private:
  std::vector<Tiles> pictures_;
  std::vector<int64_t> first_tiles_;  // the index of each picture's first tile
};

}  // namespace emend
