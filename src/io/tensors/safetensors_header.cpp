#include "io/tensors/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "io/error.h"
#include "io/files/file_kind.h"
#include "io/json/json.h"

namespace emend {
namespace {

using nlohmann::json;
constexpr const char* kSafetensorsHeaderPlace = "io::safetensors";
constexpr uint64_t kMaxHeader = 100'000'000;  // limit of the format

constexpr SafetensorsType kTypes[] = {
    {"F64", 64, at::kDouble},
    {"F32", 32, at::kFloat},
    {"F16", 16, at::kHalf},
    {"BF16", 16, at::kBFloat16},
    {"I64", 64, at::kLong},
    {"I32", 32, at::kInt},
    {"I16", 16, at::kShort},
    {"I8", 8, at::kChar},
    {"U8", 8, at::kByte},
    {"BOOL", 8, at::kBool},
    {"C64", 64, at::kComplexFloat},
    {"U64", 64, at::ScalarType::Undefined},
    {"U32", 32, at::ScalarType::Undefined},
    {"U16", 16, at::ScalarType::Undefined},
    {"F8_E5M2", 8, at::ScalarType::Undefined},
    {"F8_E4M3", 8, at::ScalarType::Undefined},
    {"F8_E8M0", 8, at::ScalarType::Undefined},
    {"F6_E2M3", 6, at::ScalarType::Undefined},
    {"F6_E3M2", 6, at::ScalarType::Undefined},
    {"F4", 4, at::ScalarType::Undefined},
};

class HeaderParser {
 public:
  explicit HeaderParser(const std::string& path) : path_(path) {}

  SafetensorsHeader parse(const uint8_t* data, uint64_t size) {
    if (size < 8) fail("is shorter than a safetensors header");
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | data[i];
    if (length > kMaxHeader || length > size - 8) {
      const auto kind = file_kind({reinterpret_cast<const char*>(data), size});
      if (!kind.empty())
        throw Error(kSafetensorsHeaderPlace,
                    fmt::format("'{}' is {}, not a safetensors file", path_, kind),
                    "check that it is the right file");
      fail(fmt::format("claims a header of {} bytes but has only {} bytes in total", length, size));
    }
    std::string_view text(reinterpret_cast<const char*>(data) + 8, length);
    if (text.empty() || text.front() != '{') fail("has no safetensors header");
    json header = parse_json(text, path_, 8);
    header_.data_begin = 8 + length;
    for (const auto& [name, value] : header.items())
      name == "__metadata__" ? add_metadata(value) : add_tensor(name, value);
    check_layout(size - header_.data_begin);
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(kSafetensorsHeaderPlace, fmt::format("'{}' {}", path_, problem),
                "the file is damaged or incomplete; fetch it again");
  }
  [[noreturn]] void fail(const std::string& name, const std::string& problem) const {
    throw Error(kSafetensorsHeaderPlace, fmt::format("'{}': tensor '{}' {}", path_, name, problem),
                "the file is damaged; fetch it again");
  }

  void add_metadata(const json& value) {
    if (!value.is_object()) fail("has __metadata__ that is not an object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) fail(fmt::format("has metadata '{}' that is not a string", key));
      header_.metadata[key] = text.get<std::string>();
    }
  }

  void add_tensor(const std::string& name, const json& value) {
    if (!value.is_object() || value.size() != 3 || !value.contains("dtype") ||
        !value.contains("shape") || !value.contains("data_offsets"))
      fail(name, "does not have exactly dtype, shape and data_offsets");
    const auto& dtype = value["dtype"];
    const auto* type =
        dtype.is_string() ? find_safetensors_type(dtype.get_ref<const std::string&>()) : nullptr;
    if (!type) fail(name, "has the unknown dtype " + dtype.dump(-1, ' ', true));

    TensorInfo info{type->type, {}, 0, 0};
    const auto& shape = value["shape"];
    if (!shape.is_array() || shape.size() > 64)
      fail(name, "has a shape that is not a list of at most 64 numbers");
    uint64_t elements = 1;
    bool empty = false;
    for (const auto& extent : shape) {
      uint64_t dimension = unsigned_number(name, extent, "shape");
      info.shape.push_back(static_cast<int64_t>(dimension));
      empty |= dimension == 0;
      if (__builtin_mul_overflow(elements, std::max<uint64_t>(dimension, 1), &elements))
        fail(name, "has more elements than can be counted");
    }
    uint64_t bits = 0;
    if (__builtin_mul_overflow(elements, static_cast<uint64_t>(type->bits), &bits))
      fail(name, "has more bytes than can be counted");
    if (empty) bits = 0;
    if (bits % 8) fail(name, "does not end on a whole byte");

    const auto& offsets = value["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2)
      fail(name, "has data_offsets that are not a pair");
    info.begin = unsigned_number(name, offsets[0], "data_offsets");
    info.end = unsigned_number(name, offsets[1], "data_offsets");
    if (info.end < info.begin || info.end - info.begin != bits / 8)
      fail(name, fmt::format("has bytes {} to {} but its dtype and shape need {}", info.begin,
                             info.end, bits / 8));
    if (info.dtype == at::ScalarType::Undefined) header_.unsupported[name] = type->name;
    header_.tensors.emplace(name, std::move(info));
  }

  uint64_t unsigned_number(const std::string& name, const json& value, const char* what) const {
    if (!value.is_number_unsigned() ||
        value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      fail(name, fmt::format("has an invalid number in {}", what));
    return value.get<uint64_t>();
  }

  // Every byte after the header belongs to exactly one tensor.
  void check_layout(uint64_t data_size) const {
    std::vector<std::pair<const TensorInfo*, const std::string*>> order;
    for (const auto& [name, info] : header_.tensors) order.emplace_back(&info, &name);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return std::pair(a.first->begin, a.first->end) < std::pair(b.first->begin, b.first->end);
    });
    uint64_t position = 0;
    for (const auto& [info, name] : order) {
      if (info->begin != position)
        fail(*name, fmt::format("begins at byte {} but the previous tensor ends at {}", info->begin,
                                position));
      position = info->end;
    }
    if (position > data_size)
      fail(fmt::format("is truncated: it has {} bytes of tensors but its header lists {}",
                       data_size, position));
    if (position < data_size)
      fail(fmt::format("has {} bytes after its last tensor", data_size - position));
  }

  const std::string& path_;
  SafetensorsHeader header_;
};

}  // namespace

const SafetensorsType* find_safetensors_type(std::string_view name) {
  for (const auto& type : kTypes)
    if (name == type.name) return &type;
  return nullptr;
}

const SafetensorsType* find_safetensors_type(at::ScalarType scalar) {
  for (const auto& type : kTypes)
    if (scalar == type.type && scalar != at::ScalarType::Undefined) return &type;
  return nullptr;
}

SafetensorsHeader parse_safetensors_header(const uint8_t* data, uint64_t size,
                                           const std::string& path) {
  return HeaderParser(path).parse(data, size);
}

}  // namespace emend
