#include "io/tensors/safetensors.h"

#include <fmt/format.h>

#include <cstring>

#include "io/error.h"
#include "io/files/mapped_file.h"
#include "io/tensors/safetensors_header.h"

namespace emend {
namespace {

constexpr const char* kSafetensorsPlace = "io::safetensors";

class MappedSafetensors : public SafetensorsFile {
 public:
  explicit MappedSafetensors(const std::string& path)
      : mapping_(std::make_shared<MappedFile>(path, kSafetensorsPlace)) {
    auto header = parse_safetensors_header(mapping_->data(), mapping_->size(), path);
    path_ = path;
    tensors_ = std::move(header.tensors);
    metadata_ = std::move(header.metadata);
    unsupported_ = std::move(header.unsupported);
    data_begin_ = header.data_begin;
  }

  at::Tensor tensor(const std::string& name) const override {
    auto found = tensors_.find(name);
    if (found == tensors_.end())
      throw Error(kSafetensorsPlace, fmt::format("'{}' has no tensor '{}'", path_, name),
                  "check that the folder contains the expected model");
    const auto& info = found->second;
    if (auto type = unsupported_.find(name); type != unsupported_.end())
      throw Error(kSafetensorsPlace,
                  fmt::format("'{}': tensor '{}' has dtype {}, which emend does not support", path_,
                              name, type->second),
                  "convert the model to F32, F16 or BF16");
    auto options = at::TensorOptions().dtype(info.dtype);
    if (info.begin == info.end) return at::empty(info.shape, options);
    uint8_t* data = mapping_->data() + data_begin_ + info.begin;
    auto alignment = c10::elementSize(info.dtype);
    if (reinterpret_cast<uintptr_t>(data) % alignment == 0)
      return at::from_blob(
          data, info.shape, [mapping = mapping_](void*) {}, options);
    auto copy = at::empty(info.shape, options);
    std::memcpy(copy.data_ptr(), data, info.end - info.begin);
    return copy;
  }

  void release_pages(const std::string& name) const override {
    if (auto found = tensors_.find(name); found != tensors_.end())
      mapping_->release_pages(data_begin_ + found->second.begin, data_begin_ + found->second.end);
  }

 private:
  std::shared_ptr<MappedFile> mapping_;
  std::map<std::string, std::string> unsupported_;
  uint64_t data_begin_ = 0;
};

}  // namespace

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  return std::make_shared<MappedSafetensors>(path);
}

}  // namespace emend
