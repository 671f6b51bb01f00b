#include "editing/editors/memory/entries.h"

namespace emend {

std::string entry_name(const std::string& prompt, const Batch& batch, size_t row) {
  const auto& images = batch.rows.at(row).images;
  return entry_name(prompt, images.empty() ? at::Tensor() : batch.pixels[images[0]]);
}

}  // namespace emend
