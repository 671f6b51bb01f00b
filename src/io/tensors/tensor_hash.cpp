#include "io/tensors/tensor_hash.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace emend {

void update_tensor(Hasher& hash, const at::Tensor& tensor) {
  if (!tensor.defined()) {
    hash.update_sized("none");
    return;
  }
  hash.update_sized(fmt::format("{} {}", at::toString(tensor.scalar_type()),
                                fmt::join(tensor.sizes().begin(), tensor.sizes().end(), " ")));
  const auto plain = tensor.detach().to(at::kCPU).contiguous();
  hash.update(plain.data_ptr(), plain.nbytes());
}

}  // namespace emend
