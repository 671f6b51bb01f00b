#include "editing/statistics/accumulator.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/statistics/triangle.h"
#include "io/error.h"

namespace emend {
namespace {

constexpr int64_t kPanel = 1024;  // columns whose products are computed at once

const at::Tensor& saved_tensor(const std::map<std::string, at::Tensor>& tensors,
                               const std::string& name, at::ScalarType dtype,
                               const std::vector<int64_t>& shape) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.scalar_type() != dtype ||
      found->second.sizes() != shape)
    throw Error(
        "editing::statistics",
        fmt::format("the saved state has no tensor '{}' of the right dtype and shape", name),
        "use --restart to start again");
  return found->second;
}

}  // namespace

void MomentAccumulator::add(const at::Tensor& inputs) {
  const auto x = inputs.detach().to(at::kCPU, at::kFloat);
  for (int64_t next = 0; next < x.size(0);) {
    if (!block_.defined()) block_ = at::empty({kBlock, dimension_}, at::kFloat);
    const auto rows = std::min(kBlock - filled_, x.size(0) - next);
    block_.narrow(0, filled_, rows).copy_(x.narrow(0, next, rows));
    filled_ += rows;
    next += rows;
    count_ += rows;
    if (filled_ == kBlock) add_block();
  }
}

void MomentAccumulator::add_block() {
  if (!sum_.defined()) sum_ = at::zeros({dimension_, dimension_}, at::kDouble);
  const auto x = block_.narrow(0, 0, filled_);
  for (int64_t begin = 0; begin < dimension_; begin += kPanel) {
    const auto columns = std::min(kPanel, dimension_ - begin);
    const auto product = x.narrow(1, begin, columns).t().matmul(x.slice(1, begin));
    sum_.narrow(0, begin, columns).slice(1, begin).add_(product);
  }
  filled_ = 0;
}

at::Tensor MomentAccumulator::packed_mean() {
  if (count_ == 0) return {};
  if (filled_ > 0) add_block();
  const auto packed = pack_triangle(sum_, 1 / static_cast<double>(count_));
  sum_.reset();
  block_.reset();
  return packed;
}

void MomentAccumulator::sum_over(ProcessGroup& group) {
  if (filled_ > 0) add_block();
  const auto count = at::tensor({count_}, at::kLong);
  group.sum({count});
  count_ = count.item<int64_t>();
  if (count_ == 0) return;
  if (!sum_.defined()) sum_ = at::zeros({dimension_, dimension_}, at::kDouble);
  group.sum({sum_});
}

void MomentAccumulator::save(const std::string& prefix,
                             std::map<std::string, at::Tensor>& tensors) const {
  tensors[prefix + ".count"] = at::tensor({count_, filled_}, at::kLong);
  if (filled_ > 0) tensors[prefix + ".block"] = block_.narrow(0, 0, filled_);
  if (sum_.defined()) tensors[prefix + ".sum"] = sum_;
}

void MomentAccumulator::load(const std::string& prefix,
                             const std::map<std::string, at::Tensor>& tensors) {
  const auto& counts = saved_tensor(tensors, prefix + ".count", at::kLong, {2});
  count_ = counts[0].item<int64_t>();
  filled_ = std::clamp<int64_t>(counts[1].item<int64_t>(), 0, kBlock);
  block_ = at::empty({kBlock, dimension_}, at::kFloat);
  if (filled_ > 0)
    block_.narrow(0, 0, filled_)
        .copy_(saved_tensor(tensors, prefix + ".block", at::kFloat, {filled_, dimension_}));
  if (count_ > filled_)
    sum_ = saved_tensor(tensors, prefix + ".sum", at::kDouble, {dimension_, dimension_}).clone();
}

}  // namespace emend
