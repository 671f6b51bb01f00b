#include "io/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/error.h"
#include "io/safetensors_header.h"

namespace emend {
namespace {

constexpr const char* kPlace = "io::safetensors";

// A file's bytes. Private and read-only: nothing can write to the base weights.
class Mapping {
 public:
  explicit Mapping(const std::string& path) {
    int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) fail(path, errno);
    struct stat status {};
    int error = ::fstat(file, &status) == 0 ? 0 : errno;
    if (!error && !S_ISREG(status.st_mode)) error = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    if (!error && status.st_size > 0) {
      size_ = static_cast<uint64_t>(status.st_size);
      void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
      if (address == MAP_FAILED)
        error = errno;
      else
        data_ = static_cast<uint8_t*>(address);
    }
    ::close(file);
    if (error) fail(path, error);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (data_) ::munmap(data_, size_);
  }

  uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  [[noreturn]] static void fail(const std::string& path, int error) {
    throw Error(kPlace, fmt::format("cannot open '{}': {}", path, std::strerror(error)),
                "check the path");
  }

  uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

class MappedSafetensors : public SafetensorsFile {
 public:
  explicit MappedSafetensors(const std::string& path) : mapping_(std::make_shared<Mapping>(path)) {
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
      throw Error(kPlace, fmt::format("'{}' has no tensor '{}'", path_, name),
                  "check that the folder holds the expected model");
    const auto& info = found->second;
    if (auto type = unsupported_.find(name); type != unsupported_.end())
      throw Error(kPlace,
                  fmt::format("'{}': tensor '{}' has dtype {}, which emend cannot compute with",
                              path_, name, type->second),
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

 private:
  std::shared_ptr<Mapping> mapping_;
  std::map<std::string, std::string> unsupported_;
  uint64_t data_begin_ = 0;
};

}  // namespace

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  return std::make_shared<MappedSafetensors>(path);
}

}  // namespace emend
