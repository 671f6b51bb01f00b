#include "models/core/loading/weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "io/cpu.h"
#include "io/error.h"
#include "models/core/precision.h"
#include "nn/linear/upcast.h"

namespace emend {
namespace {

std::string first_ten(const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::vector<std::string> head(names.begin(), names.begin() + std::min<size_t>(names.size(), 10));
  return fmt::format("{} {}: {}{}; ", names.size(), what, fmt::join(head, ", "),
                     names.size() > 10 ? ", ..." : "");
}

}  // namespace

std::string identity_name(const std::string& name) { return name; }

bool is_benign_buffer(const std::string& name) {
  return name.ends_with(".position_ids") || name.ends_with(".rotary_emb.inv_freq");
}

Weights::Weights(Checkpoint checkpoint, at::ScalarType dtype, at::Device device)
    : dtype_(dtype), device_(device) {
  limit_simd_targets();  // before LibTorch's first product
  checkpoint_ = std::make_shared<const Checkpoint>(std::move(checkpoint));
  for (const auto& name : checkpoint_->names()) {
    const auto& info = checkpoint_->info(name);
    stored_.push_back({name, info.shape, info.dtype});
  }
  name_by(identity_name);
}

Weights::Weights(Initializer initialize, at::ScalarType dtype, at::Device device)
    : dtype_(dtype), device_(device), initialize_(std::move(initialize)) {
  limit_simd_targets();
}

Weights::Weights(const std::vector<WeightInfo>& listing, at::ScalarType dtype, at::Device device)
    : dtype_(dtype), device_(device) {
  for (const auto& info : listing) stored_.push_back({info.name, info.shape, info.dtype});
  name_by(identity_name);
}

void Weights::name_by(NameMap names) {
  entries_.clear();
  doubled_.clear();
  for (size_t i = 0; i < stored_.size(); ++i) {
    const auto& name = stored_[i].stored;
    const auto own = names(name);
    if (own.empty() || is_benign_buffer(name)) continue;
    if (!entries_.emplace(own, i).second) doubled_.push_back(name);
  }
}

bool Weights::contains(const std::string& name) const { return entries_.count(name) > 0; }

at::Tensor Weights::take(const std::string& name, at::IntArrayRef shape) {
  return take(name, shape, false);
}

at::Tensor Weights::take_matrix(const std::string& name, at::IntArrayRef shape) {
  return take(name, shape, keep_16_bits_);
}

at::Tensor Weights::take(const std::string& name, at::IntArrayRef shape, bool keep_16_bits) {
  at::NoGradGuard no_grad;
  const auto options = at::TensorOptions().dtype(dtype_).device(device_);
  const auto wanted = [&](at::ScalarType stored) {
    return keep_16_bits && has_16_bits(stored) ? options.dtype(stored) : options;
  };
  if (initialize_) {
    auto tensor = initialize_(name, shape);
    if (!tensor.defined() || tensor.sizes() != shape)
      throw Error("models::weights",
                  fmt::format("the initializer made {} with another shape", name),
                  "return a tensor of the requested shape");
    return tensor.to(wanted(tensor.scalar_type()));
  }
  if (!zero_.defined()) zero_ = at::zeros({1}, options);
  auto stand_in = [&] { return zero_.view(std::vector<int64_t>(shape.size(), 1)).expand(shape); };
  auto found = entries_.find(name);
  if (found == entries_.end()) {
    missing_.push_back(name);
    return stand_in();
  }
  taken_.insert(name);
  const auto& entry = stored_[found->second];
  if (at::IntArrayRef(entry.shape) != shape || !at::isFloatingType(entry.dtype)) {
    misshapen_.push_back(fmt::format("{} is {} [{}], expected [{}]", entry.stored,
                                     dtype_name(entry.dtype), fmt::join(entry.shape, ", "),
                                     fmt::join(shape.begin(), shape.end(), ", ")));
    return stand_in();
  }
  if (!checkpoint_) return stand_in();
  const auto stored = checkpoint_->tensor(entry.stored);
  const auto tensor = stored.to(wanted(stored.scalar_type()));
  // Converted: the original is not kept in memory.
  if (!tensor.is_same(stored)) checkpoint_->release_pages(entry.stored);
  return tensor;
}

void Weights::finish() const {
  std::vector<std::string> extra;
  if (!initialize_)
    for (const auto& [name, number] : entries_)
      if (!taken_.count(name)) extra.push_back(stored_[number].stored);
  if (missing_.empty() && extra.empty() && misshapen_.empty() && doubled_.empty()) return;
  auto problem = first_ten("missing", missing_) + first_ten("unexpected", extra) +
                 first_ten("with a wrong shape or dtype", misshapen_) +
                 first_ten("duplicate", doubled_);
  problem.resize(problem.size() - 2);
  throw Error("models::weights", "the tensors do not match config.json: " + problem,
              "config.json and the weights must come from the same model");
}

}  // namespace emend
