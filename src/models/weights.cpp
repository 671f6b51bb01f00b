#include "models/weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "io/error.h"

namespace emend {
namespace {

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

bool ends_with(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

std::string first_ten(const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::vector<std::string> head(names.begin(), names.begin() + std::min<size_t>(names.size(), 10));
  return fmt::format("{} {}: {}{}; ", names.size(), what, fmt::join(head, ", "),
                     names.size() > 10 ? ", ..." : "");
}

}  // namespace

std::string canonical_name(const std::string& name) {
  std::string result = name;
  // Releases that wrap the parts in a base model write `model.` before each of them.
  for (const char* part : {"model.vision_model.", "model.qformer.", "model.language_projection.",
                           "model.language_model.", "model.query_tokens"})
    if (starts_with(result, part)) result = result.substr(6);
  // OPT without its head's wrapper.
  if (starts_with(result, "language_model.decoder."))
    result = "language_model.model." + result.substr(15);
  return result;
}

bool is_benign_buffer(const std::string& canonical) {
  return ends_with(canonical, ".position_ids");
}

Weights::Weights(Checkpoint checkpoint, at::ScalarType dtype, at::Device device,
                 const Naming& naming)
    : dtype_(dtype), device_(device) {
  checkpoint_ = std::make_shared<const Checkpoint>(std::move(checkpoint));
  for (const auto& name : checkpoint_->names()) {
    const auto& info = checkpoint_->info(name);
    add(name, info.shape, info.dtype, naming);
  }
}

Weights::Weights(Initialiser initialise, at::ScalarType dtype, at::Device device)
    : dtype_(dtype), device_(device), initialise_(std::move(initialise)) {}

Weights::Weights(const std::vector<WeightInfo>& listing, at::ScalarType dtype, at::Device device)
    : dtype_(dtype), device_(device) {
  for (const auto& info : listing) add(info.name, info.shape, info.dtype);
}

void Weights::add(const std::string& stored, std::vector<int64_t> shape, at::ScalarType dtype,
                  const Naming& naming) {
  auto canonical = naming ? naming(stored) : canonical_name(stored);
  if (canonical.empty() || is_benign_buffer(canonical)) return;
  if (!entries_.emplace(canonical, Entry{stored, std::move(shape), dtype}).second)
    doubled_.push_back(stored);
}

bool Weights::contains(const std::string& name) const { return entries_.count(name) > 0; }

at::Tensor Weights::take(const std::string& name, at::IntArrayRef shape) {
  at::NoGradGuard no_grad;
  const auto options = at::TensorOptions().dtype(dtype_).device(device_);
  if (initialise_) {
    auto tensor = initialise_(name, shape);
    if (!tensor.defined() || tensor.sizes() != shape)
      throw Error("models::weights", fmt::format("the initialiser made {} in another shape", name));
    return tensor.to(options);
  }
  if (!zero_.defined()) zero_ = at::zeros({1}, options);
  auto stand_in = [&] { return zero_.view(std::vector<int64_t>(shape.size(), 1)).expand(shape); };
  auto found = entries_.find(name);
  if (found == entries_.end()) {
    missing_.push_back(name);
    return stand_in();
  }
  taken_.insert(name);
  const auto& entry = found->second;
  if (at::IntArrayRef(entry.shape) != shape || !at::isFloatingType(entry.dtype)) {
    misshapen_.push_back(fmt::format("{} is {} [{}], expected [{}]", entry.stored,
                                     at::toString(entry.dtype), fmt::join(entry.shape, ", "),
                                     fmt::join(shape.begin(), shape.end(), ", ")));
    return stand_in();
  }
  return checkpoint_ ? checkpoint_->tensor(entry.stored).to(options) : stand_in();
}

void Weights::finish() const {
  std::vector<std::string> extra;
  if (!initialise_)
    for (const auto& [name, entry] : entries_)
      if (!taken_.count(name)) extra.push_back(entry.stored);
  if (missing_.empty() && extra.empty() && misshapen_.empty() && doubled_.empty()) return;
  auto problem = first_ten("missing", missing_) + first_ten("not expected", extra) +
                 first_ten("misshapen", misshapen_) + first_ten("there twice", doubled_);
  problem.resize(problem.size() - 2);
  throw Error("models::weights",
              "the tensors are not those of the model that config.json says: " + problem,
              "config.json and the weights must come from the same model");
}

}  // namespace emend
