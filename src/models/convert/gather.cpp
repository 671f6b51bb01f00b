#include "models/convert/gather.h"

#include <fmt/format.h>

#include <charconv>

#include "io/error.h"

namespace emend {
namespace {

constexpr const char* kGatherPlace = "models::convert";

}  // namespace

void Gather::take(const Checkpoint& source, const std::string& file, const Rename& rename) {
  for (const auto& stored : source.names()) {
    const auto name = is_benign_buffer(stored) ? std::nullopt : rename(stored);
    if (!name) {
      ignored_.push_back(fmt::format("{} ({})", stored, file));
      continue;
    }
    const auto& info = source.info(stored);
    if (!at::isFloatingType(info.dtype))
      throw Error(kGatherPlace,
                  fmt::format("'{}': tensor '{}' has type {}, not a floating-point type", file,
                              stored, at::toString(info.dtype)),
                  "quantized weights cannot be converted; use the original model");
    Entry entry{file, stored, dtype_.value_or(info.dtype), info.shape,
                [source, stored] { return source.tensor(stored); }};
    const auto [place, is_new] = tensors_.emplace(*name, std::move(entry));
    if (!is_new)
      throw Error(kGatherPlace,
                  fmt::format("'{}' in '{}' and '{}' in '{}' are the same tensor",
                              place->second.stored, place->second.file, stored, file),
                  "use one file for each part");
  }
}

const std::vector<int64_t>& Gather::shape(const std::string& name, size_t dimensions) const {
  auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw Error(kGatherPlace, fmt::format("no file has the tensor for '{}'", name),
                "check that each option names the right file");
  if (found->second.shape.size() != dimensions)
    throw Error(kGatherPlace,
                fmt::format("'{}': tensor '{}' has {} dimensions, expected {}", found->second.file,
                            found->second.stored, found->second.shape.size(), dimensions),
                "check that the files belong to one model");
  return found->second.shape;
}

int64_t Gather::count(const std::string& prefix) const {
  int64_t most = 0;
  for (auto at = tensors_.lower_bound(prefix);
       at != tensors_.end() && at->first.starts_with(prefix); ++at) {
    int64_t number = -1;
    const auto* begin = at->first.data() + prefix.size();
    std::from_chars(begin, at->first.data() + at->first.size(), number);
    if (number >= 0 && number < 4096) most = std::max(most, number + 1);
  }
  return most;
}

void Gather::drop(const std::string& name, const std::string& why) {
  auto found = tensors_.find(name);
  if (found == tensors_.end()) return;
  ignored_.push_back(fmt::format("{} ({}; {})", found->second.stored, found->second.file, why));
  tensors_.erase(found);
}

void Gather::replace(const std::vector<std::string>& names, const std::string& by,
                     std::vector<int64_t> shape,
                     const std::function<at::Tensor(const std::vector<at::Tensor>&)>& compute) {
  std::vector<Entry> from;
  for (const auto& name : names) {
    from.push_back(tensors_.at(name));
    tensors_.erase(name);
  }
  Entry entry = from.front();
  entry.shape = std::move(shape);
  entry.make = [from, compute] {
    std::vector<at::Tensor> tensors;
    for (const auto& one : from) tensors.push_back(one.make());
    return compute(tensors);
  };
  tensors_[by] = std::move(entry);
}

std::vector<WeightInfo> Gather::listing() const {
  std::vector<WeightInfo> listing;
  for (const auto& [name, entry] : tensors_) listing.push_back({name, entry.shape, entry.dtype});
  return listing;
}

std::vector<PlannedTensor> Gather::planned() const {
  std::vector<PlannedTensor> planned;
  for (const auto& [name, entry] : tensors_)
    planned.push_back({name, entry.dtype, entry.shape,
                       [make = entry.make, dtype = entry.dtype] { return make().to(dtype); }});
  return planned;
}

}  // namespace emend
