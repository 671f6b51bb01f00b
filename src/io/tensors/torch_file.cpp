#include "io/tensors/torch_file.h"

#include <fmt/format.h>

#include <cstring>

#include "io/error.h"
#include "io/files/mapped_file.h"
#include "io/tensors/torch_layout.h"

namespace emend {
namespace {

constexpr const char* kTorchFilePlace = "io::torch_file";
constexpr int64_t kMostDimensions = 64;

using Kind = Pickle::Kind;

// A tensor as the file describes it: its offset in a storage, and its strides.
struct Placed {
  std::vector<int64_t> strides;
  uint64_t begin = 0;   // offset of the first element in the file
  uint64_t extent = 0;  // bytes from the first element to the end of the last one
};

bool is_dict(const Pickle& pickle, Pickle::Index index) {
  const auto& value = pickle.at(index);
  return value.kind == Kind::dict ||
         (value.kind == Kind::object && pickle.name(index) == "collections.OrderedDict" &&
          pickle.at(value.items[1]).items.empty());
}

// Keys and values alternate.
std::vector<Pickle::Index> entries(const Pickle& pickle, Pickle::Index index) {
  const auto& value = pickle.at(index);
  return {value.items.begin() + (value.kind == Kind::object ? 2 : 0), value.items.end()};
}

std::string describe(const Pickle& pickle, Pickle::Index index) {
  const auto& value = pickle.at(index);
  switch (value.kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
    case Kind::integer:
    case Kind::large_integer:
    case Kind::real:
      return "a number";
    case Kind::text:
    case Kind::bytes:
      return "a string";
    case Kind::list:
    case Kind::tuple:
    case Kind::set:
      return "a list";
    case Kind::dict:
      return "a dict";
    case Kind::persistent:
      return "a storage without a tensor";
    case Kind::global:
      return "the global " + pickle.name(index);
    case Kind::object:
      return "an object of " + pickle.name(index);
  }
  return "";
}

// Reads the tensors under one key of the saved value.
class Reader {
 public:
  Reader(const TorchLayout& layout, const std::string& path)
      : layout_(layout), pickle_(layout.saved), path_(path) {}

  void read(Pickle::Index dict, std::map<std::string, TensorInfo>& tensors,
            std::map<std::string, Placed>& places) const {
    if (!is_dict(pickle_, dict))
      throw Error(
          kTorchFilePlace,
          fmt::format("'{}' contains {}, not a dict of tensors", path_, describe(pickle_, dict)),
          "save the model's state_dict");
    const auto items = entries(pickle_, dict);
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const auto& key = pickle_.at(items[i]);
      if (key.kind != Kind::text)
        throw Error(kTorchFilePlace,
                    fmt::format("'{}' has {} as a tensor name", path_, describe(pickle_, items[i])),
                    "save the model's state_dict");
      std::string name(key.text);
      auto [info, place] = tensor(name, items[i + 1]);
      if (!tensors.emplace(name, std::move(info)).second) fail(name, "occurs twice");
      places.emplace(std::move(name), std::move(place));
    }
  }

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& problem) const {
    throw Error(kTorchFilePlace, fmt::format("'{}': '{}' {}", path_, name.substr(0, 200), problem),
                "the file is damaged, or is not a checkpoint of weights");
  }

  // The arguments of a call of `function`, or null.
  const Pickle::Value* call_of(Pickle::Index index, const char* function) const {
    const auto& value = pickle_.at(index);
    if (value.kind != Kind::object || pickle_.name(index) != function) return nullptr;
    return &pickle_.at(value.items[1]);
  }

  std::vector<int64_t> numbers(const std::string& name, Pickle::Index index) const {
    const auto* value = &pickle_.at(index);
    if (const auto* size = call_of(index, "torch.Size"); size && size->items.size() == 1)
      value = &pickle_.at(size->items[0]);
    if (value->kind != Kind::tuple || static_cast<int64_t>(value->items.size()) > kMostDimensions)
      fail(name, "has a malformed shape");
    std::vector<int64_t> numbers;
    for (auto item : value->items) {
      const auto& number = pickle_.at(item);
      if (number.kind != Kind::integer || number.integer < 0) fail(name, "has a malformed shape");
      numbers.push_back(number.integer);
    }
    return numbers;
  }

  // torch/_utils.py: _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, hooks),
  // _rebuild_parameter(tensor, requires_grad, hooks).
  std::pair<TensorInfo, Placed> tensor(const std::string& name, Pickle::Index index) const {
    if (const auto* parameter = call_of(index, "torch._utils._rebuild_parameter")) {
      if (parameter->items.size() != 3) fail(name, "is a malformed parameter");
      index = parameter->items[0];
    }
    const auto* call = call_of(index, "torch._utils._rebuild_tensor_v2");
    if (!call) fail(name, fmt::format("is {}, not a tensor", describe(pickle_, index)));
    if (call->items.size() != 6 && call->items.size() != 7) fail(name, "is a malformed tensor");
    const auto& id = pickle_.at(call->items[0]);
    const auto& offset = pickle_.at(call->items[1]);
    if (id.kind != Kind::persistent || offset.kind != Kind::integer || offset.integer < 0)
      fail(name, "is a malformed tensor");
    const auto& storage =
        layout_.storages.at(std::string(pickle_.at(pickle_.at(id.items[0]).items[2]).text));

    TensorInfo info{storage.dtype, numbers(name, call->items[2])};
    Placed place{numbers(name, call->items[3])};
    if (info.shape.size() != place.strides.size()) fail(name, "has a malformed shape");
    const auto size = c10::elementSize(storage.dtype);
    uint64_t count = 1, last = static_cast<uint64_t>(offset.integer);
    bool overflow = false, empty = false;
    for (size_t i = 0; i < info.shape.size(); ++i) {
      const auto extent = static_cast<uint64_t>(info.shape[i]);
      empty |= extent == 0;
      uint64_t step = 0;
      overflow |= __builtin_mul_overflow(count, std::max<uint64_t>(extent, 1), &count);
      overflow |= __builtin_mul_overflow(extent ? extent - 1 : 0,
                                         static_cast<uint64_t>(place.strides[i]), &step);
      overflow |= __builtin_add_overflow(last, step, &last);
    }
    if (empty) return {info, place};
    if (overflow || last >= storage.elements)
      fail(name, fmt::format("exceeds its storage of {} elements", storage.elements));
    // A view that repeats its elements could claim any number of bytes.
    if (count > storage.elements)
      fail(name, "repeats elements of its storage, which is not supported");
    info.end = count * size;
    place.begin = storage.begin + static_cast<uint64_t>(offset.integer) * size;
    place.extent = (last - static_cast<uint64_t>(offset.integer) + 1) * size;
    return {info, place};
  }

  const TorchLayout& layout_;
  const Pickle& pickle_;
  const std::string& path_;
};

class MappedTorchFile : public TorchFile {
 public:
  MappedTorchFile(const std::string& path, const std::vector<std::string>& keys)
      : file_(std::make_shared<MappedFile>(path, kTorchFilePlace)) {
    path_ = path;
    const auto layout = read_torch_layout(file_->bytes(), path);
    auto dict = layout.saved.root();
    if (is_dict(layout.saved, dict)) {
      const auto items = entries(layout.saved, dict);
      for (const auto& key : keys) {
        for (size_t i = 0; i + 1 < items.size() && key_.empty(); i += 2) {
          if (layout.saved.at(items[i]).text != key || !is_dict(layout.saved, items[i + 1]))
            continue;
          key_ = key;
          dict = items[i + 1];
        }
        if (!key_.empty()) break;
      }
    }
    Reader(layout, path).read(dict, tensors_, places_);
  }

  at::Tensor tensor(const std::string& name) const override {
    auto found = tensors_.find(name);
    if (found == tensors_.end())
      throw Error(kTorchFilePlace, fmt::format("'{}' has no tensor '{}'", path_, name),
                  "check that it is the right file");
    const auto& info = found->second;
    const auto& place = places_.at(name);
    const auto options = at::TensorOptions().dtype(info.dtype);
    if (info.end == 0) return at::empty(info.shape, options);
    const auto size = c10::elementSize(info.dtype);
    uint8_t* data = file_->data() + place.begin;
    if (reinterpret_cast<uintptr_t>(data) % size == 0)
      return at::from_blob(
          data, info.shape, place.strides, [file = file_](void*) {}, options);
    auto copy = at::empty({static_cast<int64_t>(place.extent / size)}, options);
    std::memcpy(copy.data_ptr(), data, place.extent);
    return copy.as_strided(info.shape, place.strides);
  }

  void release_pages(const std::string& name) const override {
    if (auto found = places_.find(name); found != places_.end())
      file_->release_pages(found->second.begin, found->second.begin + found->second.extent);
  }

 private:
  std::shared_ptr<MappedFile> file_;
  std::map<std::string, Placed> places_;
};

}  // namespace

std::shared_ptr<const TorchFile> TorchFile::open(const std::string& path,
                                                 const std::vector<std::string>& keys) {
  return std::make_shared<MappedTorchFile>(path, keys);
}

}  // namespace emend
