#include "flop_counter.h"

#include <ATen/ATen.h>

#include <atomic>
#include <cstring>

namespace emend::bench {
namespace {

std::atomic<int64_t> executed{0};  // LibTorch's callback is a plain function

// (..., m, k) x (..., k, n)
int64_t product(const at::Tensor& a, const at::Tensor& b) { return 2 * a.numel() * b.size(-1); }

// The lowest-level operations of LibTorch, so that nothing is counted twice (linear and matmul
// consist of them), and emend's own, which record (x, weight of (out, in)).
int64_t operations_of(const char* name, c10::ArrayRef<const c10::IValue> inputs) {
  const auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };
  const auto tensor = [&](size_t i) { return inputs.at(i).toTensor(); };
  if (is("aten::mm") || is("aten::bmm")) return product(tensor(0), tensor(1));
  if (is("aten::addmm") || is("aten::addmm_") || is("aten::baddbmm") || is("aten::baddbmm_") ||
      is("aten::_addmm_activation"))
    return product(tensor(1), tensor(2));
  if (is("aten::mv")) return 2 * tensor(0).numel();
  if (is("aten::addmv") || is("aten::addmv_")) return 2 * tensor(1).numel();
  if (is("aten::dot")) return 2 * tensor(0).numel();
  if (is("emend::linear")) return 2 * tensor(0).numel() * tensor(1).size(0);
  if (is("emend::matmul")) return product(tensor(0), tensor(1));
  if (is("aten::convolution")) {
    // Only for patches that do not overlap; the models use no others.
    const auto x = tensor(0), kernel = tensor(1);
    const int64_t windows = x.size(0) * (x.size(2) / kernel.size(2)) * (x.size(3) / kernel.size(3));
    return 2 * windows * kernel.numel();
  }
  return 0;
}

std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
  executed += operations_of(function.name(), function.inputs());
  return nullptr;
}

}  // namespace

FlopCounter::FlopCounter() {
  executed = 0;
  handle_ = at::addGlobalCallback(at::RecordFunctionCallback(&count).needsInputs(true).scopes(
      {at::RecordScope::FUNCTION, at::RecordScope::USER_SCOPE}));
}

FlopCounter::~FlopCounter() { at::removeCallback(handle_); }

int64_t FlopCounter::operations() const { return executed; }

}  // namespace emend::bench
