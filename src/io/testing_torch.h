#pragma once

// For tests only: builds files of torch.save by hand.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace emend::by_hand {

using Named = std::vector<std::pair<std::string, std::string>>;

// A zip archive with stored entries. `wide`: with the numbers of zip64, as above 4 GiB.
std::string torch_zip(const Named& entries, bool wide = false);

// The layout before torch 1.6: the instructions of a pickle (without PROTO and STOP), with float32
// storages by key.
std::string torch_legacy(const std::string& pickle, const Named& storages);

// Pickle instructions that push a float32 tensor.
std::string torch_tensor(const std::string& key, int64_t elements, int64_t offset,
                         const std::vector<int64_t>& shape, const std::vector<int64_t>& strides);
// Pickle instructions that push a string.
std::string short_text(const std::string& text);

}  // namespace emend::by_hand
