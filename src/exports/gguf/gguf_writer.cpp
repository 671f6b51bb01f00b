#include "exports/gguf/gguf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "exports/gguf/q8_0.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/files/path.h"
#include "io/files/writable.h"

namespace emend {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are little-endian");

constexpr const char* kGgufWriterPlace = "exports::gguf_writer";
constexpr uint64_t kGgufAlignment = 32;
constexpr size_t kLongestName = 63;  // of a tensor in ggml
constexpr int64_t kSliceValues = int64_t{1} << 22;

// The numbers of the value types in the file.
enum GgufValueType : uint32_t {
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9
};

class GgufHeader {
 public:
  template <class T>
  void number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(const std::string& value) {
    number<uint64_t>(value.size());
    bytes_ += value;
  }
  void value(const GgufValue& any) {
    std::visit([this](const auto& value) { typed(value); }, any);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void typed(uint32_t value) { scalar(kUint32, value); }
  void typed(float value) { scalar(kFloat32, value); }
  void typed(bool value) { scalar(kBool, static_cast<uint8_t>(value)); }
  void typed(const std::string& value) {
    number<uint32_t>(kString);
    text(value);
  }
  void typed(const std::vector<int32_t>& values) { array(kInt32, values); }
  void typed(const std::vector<float>& values) { array(kFloat32, values); }
  void typed(const std::vector<std::string>& values) {
    begin_array(kString, values.size());
    for (const auto& value : values) text(value);
  }
  template <class T>
  void scalar(GgufValueType type, T value) {
    number<uint32_t>(type);
    number(value);
  }
  void begin_array(GgufValueType type, size_t size) {
    number<uint32_t>(kArray);
    number<uint32_t>(type);
    number<uint64_t>(size);
  }
  template <class T>
  void array(GgufValueType type, const std::vector<T>& values) {
    begin_array(type, values.size());
    for (const auto value : values) number(value);
  }

  std::string bytes_;
};

uint64_t padding(uint64_t bytes) {
  return (kGgufAlignment - bytes % kGgufAlignment) % kGgufAlignment;
}

[[noreturn]] void fail_to_write_gguf(const std::string& path, const std::string& problem,
                                     const std::string& hint) {
  throw Error(kGgufWriterPlace, fmt::format("cannot write '{}': {}", path, problem), hint);
}

double largest_value(GgufType type) {
  switch (type) {
    case GgufType::f16:
      return 65504;
    case GgufType::q8_0:
      return 65504.0 * 127;
    case GgufType::bf16:
      return 3.3895313892515355e38;
    case GgufType::f32:
      break;
  }
  return std::numeric_limits<float>::max();
}

at::Tensor encoded(const at::Tensor& values, GgufType type) {
  switch (type) {
    case GgufType::f16:
      return values.to(at::kHalf).contiguous();
    case GgufType::bf16:
      return values.to(at::kBFloat16).contiguous();
    case GgufType::q8_0:
      return quantize_q8_0(values);
    case GgufType::f32:
      break;
  }
  return values.to(at::kFloat).contiguous();
}

std::string gguf_header(const std::string& path, const GgufMetadata& metadata,
                        const std::vector<GgufTensor>& tensors) {
  GgufHeader header;
  header.number<uint32_t>(0x46554747);  // "GGUF"
  header.number<uint32_t>(3);
  header.number<uint64_t>(tensors.size());
  header.number<uint64_t>(metadata.size());
  std::set<std::string> names;
  const auto add_name = [&](const std::string& name) {
    if (!names.insert(name).second)
      fail_to_write_gguf(path, fmt::format("two entries are named '{}'", name),
                         "this is an error in emend; please report it");
    header.text(name);
  };
  for (const auto& [key, value] : metadata) {
    add_name(key);
    header.value(value);
  }
  uint64_t offset = 0;
  for (const auto& tensor : tensors) {
    if (tensor.name.size() > kLongestName)
      fail_to_write_gguf(
          path,
          fmt::format("the tensor name '{}' has more than {} bytes", tensor.name, kLongestName),
          "this is an error in emend; please report it");
    add_name(tensor.name);
    header.number(static_cast<uint32_t>(tensor.shape.size()));
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent)
      header.number(static_cast<uint64_t>(*extent));
    header.number(static_cast<uint32_t>(tensor.type));
    header.number(offset);
    const auto bytes = gguf_bytes(tensor);
    offset += bytes + padding(bytes);
  }
  return header.bytes();
}

void write_padding(AtomicFile& file, uint64_t bytes) {
  file.write(std::string(padding(bytes), '\0'));
}

void write_values(AtomicFile& file, const std::string& path, const GgufTensor& planned,
                  const WriteProgress& written) {
  const auto tensor = planned.make().detach().cpu();
  if (tensor.sizes() != planned.shape || !at::isFloatingType(tensor.scalar_type()))
    fail_to_write_gguf(path,
                       fmt::format("tensor '{}' does not have the planned shape", planned.name),
                       "this is an error in emend; please report it");
  const auto rows = tensor.dim() > 1 ? tensor : tensor.unsqueeze(0);
  const auto step = std::max<int64_t>(
      1, kSliceValues / std::max<int64_t>(1, rows.numel() / std::max<int64_t>(1, rows.size(0))));
  for (int64_t row = 0; row < rows.size(0); row += step) {
    const auto values = rows.narrow(0, row, std::min(step, rows.size(0) - row)).to(at::kFloat);
    // Also false if a value is not a number.
    if (!(values.abs().max().item<double>() <= largest_value(planned.type)))
      fail_to_write_gguf(
          path,
          fmt::format("tensor '{}' has a value that {} cannot represent", planned.name,
                      gguf_type_name(planned.type)),
          "use --weights-dtype bf16 or fp32; if that fails too, the weights are damaged");
    const auto bytes = encoded(values, planned.type);
    file.write(bytes.data_ptr(), bytes.nbytes());
    if (written) written(bytes.nbytes());
  }
}

bool is_gguf(const std::string& path) {
  char magic[4] = {};
  std::ifstream(path, std::ios::binary).read(magic, sizeof magic);
  return std::memcmp(magic, "GGUF", sizeof magic) == 0;
}

}  // namespace

const char* gguf_type_name(GgufType type) {
  switch (type) {
    case GgufType::f16:
      return "fp16";
    case GgufType::q8_0:
      return "q8_0";
    case GgufType::bf16:
      return "bf16";
    case GgufType::f32:
      break;
  }
  return "fp32";
}

uint64_t gguf_bytes(const GgufTensor& tensor) {
  const auto values = static_cast<uint64_t>(c10::multiply_integers(tensor.shape));
  if (tensor.type == GgufType::q8_0) return values / kQ8Block * kQ8BlockBytes;
  return values * (tensor.type == GgufType::f32 ? 4 : 2);
}

at::Tensor gguf_rounded(const at::Tensor& values, GgufType type) {
  const auto stored = encoded(values.to(at::kFloat), type);
  return type == GgufType::q8_0 ? dequantize_q8_0(stored) : stored.to(at::kFloat);
}

void check_gguf_output(const std::string& path) {
  if (path_exists(path) && (!is_file(path) || !is_gguf(path)))
    throw Error(kGgufWriterPlace, fmt::format("'{}' exists and is not a GGUF file", path),
                "give another file with -o, or delete it first");
  check_writable_file(path);
}

void stream_gguf(const std::string& path, const GgufMetadata& metadata,
                 const std::vector<GgufTensor>& tensors, const WriteProgress& written) {
  check_gguf_output(path);
  const at::NoGradGuard no_grad;
  const auto header = gguf_header(path, metadata, tensors);
  AtomicFile file(path);
  file.write(header);
  write_padding(file, header.size());
  for (const auto& tensor : tensors) {
    write_values(file, path, tensor, written);
    write_padding(file, gguf_bytes(tensor));
  }
  file.commit();
}

}  // namespace emend
