#pragma once

#include <string>
#include <vector>

#include "models/prompting/processor.h"

namespace emend {

// The pictures of a batch: each is one row of Batch::pixels, or several where it is cut into tiles.
class ShownPictures {
 public:
  // The picture's number. Throws emend::Error when its tiles are not as large as the others'.
  size_t add(Tiles tiles);
  // The text as it is asked about a picture.
  Row row(const Processor& processor, const std::string& text, size_t picture) const;
  at::Tensor pixels() const;  // (N, 3, H, W); undefined when there is none

 private:
  std::vector<Tiles> pictures_;
  std::vector<int64_t> firsts_;  // where each picture's tiles begin
};

}  // namespace emend
