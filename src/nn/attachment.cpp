#include "nn/attachment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/error.h"

namespace emend {

at::Tensor apply_transform(const at::Tensor& x, const Transform& transform,
                           const at::Tensor& rows) {
  auto changed = transform(x);
  if (changed.is_same(x)) return x;
  if (!changed.defined() || changed.sizes() != x.sizes())
    throw Error("nn::attachment",
                fmt::format("a transform returned the shape [{}] for an input of [{}]",
                            changed.defined() ? fmt::to_string(fmt::join(changed.sizes(), ", "))
                                              : "nothing",
                            fmt::join(x.sizes(), ", ")),
                "a transform must keep the shape");
  changed = changed.to(x.scalar_type());
  if (!rows.defined()) return changed;
  std::vector<int64_t> shape(x.dim(), 1);
  shape[0] = x.size(0);
  return at::where(rows.view(shape), changed, x);
}

}  // namespace emend
