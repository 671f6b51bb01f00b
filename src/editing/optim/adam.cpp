#include "editing/optim/adam.h"

#include <ATen/Parallel.h>

#include <cmath>

namespace emend {
namespace {

// A step is limited by memory bandwidth. Blocks that fit into the cache are read and written once.
constexpr int64_t kBlock = 1 << 15;

template <class Work>
void by_blocks(const at::Tensor& flat, const Work& work) {
  const int64_t size = flat.numel();
  if (!flat.is_cpu()) return work(0, size);
  const int64_t blocks = (size + kBlock - 1) / kBlock;
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) work(b * kBlock, std::min(kBlock, size - b * kBlock));
  });
}

}  // namespace

void adam_update(at::Tensor p, at::Tensor m, at::Tensor v, const at::Tensor& g,
                 const AdamStep& step) {
  const auto correction = [&](double beta) {
    return 1 - std::pow(beta, static_cast<double>(step.number));
  };
  m.mul_(step.beta1).add_(g, 1 - step.beta1);
  v.mul_(step.beta2).addcmul_(g, g, 1 - step.beta2);
  const auto scale = v.sqrt().div_(std::sqrt(correction(step.beta2))).add_(step.eps);
  p.addcdiv_(m, scale, -step.lr / correction(step.beta1));
}

Adam::Adam(const std::vector<at::Tensor>& leaves, const OptimizerOptions& options, Decay decay)
    : options_(options), decay_(decay) {
  for (const auto& leaf : leaves) {
    leaves_.push_back(leaf.detach().view({-1}));
    means_.push_back(at::zeros_like(leaves_.back()));
    squares_.push_back(at::zeros_like(leaves_.back()));
  }
}

void Adam::step(const std::vector<at::Tensor>& gradients) {
  ++steps_;
  const double lr = options_.lr, decay = options_.weight_decay;
  for (size_t i = 0; i < leaves_.size(); ++i) {
    if (!gradients.at(i).defined()) continue;
    const auto flat = gradients[i].detach().reshape({-1});
    by_blocks(leaves_[i], [&](int64_t begin, int64_t size) {
      at::NoGradGuard no_grad;  // for this thread
      auto p = leaves_[i].narrow(0, begin, size);
      auto g = flat.narrow(0, begin, size);
      if (decay != 0 && decay_ == Decay::decoupled) p.mul_(1 - lr * decay);
      if (decay != 0 && decay_ == Decay::in_gradient) g = g.add(p, decay);
      adam_update(p, means_[i].narrow(0, begin, size), squares_[i].narrow(0, begin, size), g,
                  {steps_, lr});
    });
  }
}

}  // namespace emend
