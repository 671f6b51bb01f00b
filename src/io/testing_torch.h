#pragma once

// For tests only: files of torch.save, written by hand.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace emend::by_hand {

using Named = std::vector<std::pair<std::string, std::string>>;

// A zip archive of stored entries; `wide`: with zip64's numbers, as beyond 4 GiB.
std::string torch_zip(const Named& entries, bool wide = false);

// The layout before torch 1.6 around a pickle's instructions (no PROTO, no STOP), with float32
// storages by key.
std::string torch_legacy(const std::string& pickle, const Named& storages);

// Instructions that leave a float32 tensor on the stack.
std::string torch_tensor(const std::string& key, int64_t elements, int64_t offset,
                         const std::vector<int64_t>& shape, const std::vector<int64_t>& strides);
// Instructions that leave a text on the stack.
std::string short_text(const std::string& text);

}  // namespace emend::by_hand
