#include "io/tensors/torch_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "io/error.h"
#include "io/tensors/zip.h"

namespace emend {
namespace {

constexpr const char* kTorchLayoutPlace = "io::torch_file";
constexpr uint64_t kMostPickle =
    uint64_t{1} << 28;  // limit of the pickle's size, which does not include weights

using Kind = Pickle::Kind;
using Storages = std::map<std::string, TorchStorage, std::less<>>;

[[noreturn]] void fail_to_read(
    const std::string& path, const std::string& problem,
    const char* hint = "the file is damaged or incomplete; fetch it again") {
  throw Error(kTorchLayoutPlace, fmt::format("'{}' {}", path, problem), hint);
}

at::ScalarType storage_type(std::string_view name) {
  static const std::map<std::string_view, at::ScalarType> types{
      {"DoubleStorage", at::kDouble},
      {"FloatStorage", at::kFloat},
      {"HalfStorage", at::kHalf},
      {"BFloat16Storage", at::kBFloat16},
      {"LongStorage", at::kLong},
      {"IntStorage", at::kInt},
      {"ShortStorage", at::kShort},
      {"CharStorage", at::kChar},
      {"ByteStorage", at::kByte},
      {"BoolStorage", at::kBool},
      {"ComplexFloatStorage", at::kComplexFloat}};
  auto found = types.find(name);
  return found == types.end() ? at::ScalarType::Undefined : found->second;
}

// Names that a checkpoint may contain. Those of the first group are interpreted here. The others
// are written by training scripts next to the weights: they are read as inert data, and refused
// where a tensor is expected.
bool allowed(std::string_view module, std::string_view name) {
  static const std::set<std::pair<std::string_view, std::string_view>> known{
      {"collections", "OrderedDict"},
      {"torch._utils", "_rebuild_tensor_v2"},
      {"torch._utils", "_rebuild_parameter"},
      {"torch", "Size"},
      {"torch", "device"},
      {"argparse", "Namespace"},
      {"collections", "defaultdict"},
      {"collections", "Counter"},
      {"_codecs", "encode"},
      {"numpy", "dtype"},
      {"numpy", "ndarray"},
      {"numpy.core.multiarray", "scalar"},
      {"numpy.core.multiarray", "_reconstruct"},
      {"numpy._core.multiarray", "scalar"},
      {"numpy._core.multiarray", "_reconstruct"},
      {"pathlib", "Path"},
      {"pathlib", "PosixPath"},
      {"pathlib", "PurePosixPath"},
      {"pathlib", "WindowsPath"},
      {"typing", "Any"},
      {"omegaconf.base", "ContainerMetadata"},
      {"omegaconf.base", "Metadata"},
      {"omegaconf.dictconfig", "DictConfig"},
      {"omegaconf.listconfig", "ListConfig"},
      {"omegaconf.nodes", "AnyNode"},
      {"omegaconf.nodes", "BooleanNode"},
      {"omegaconf.nodes", "FloatNode"},
      {"omegaconf.nodes", "IntegerNode"},
      {"omegaconf.nodes", "StringNode"}};
  static const std::set<std::string_view> dtypes{"float64", "float32", "float16",  "bfloat16",
                                                 "int64",   "int32",   "int16",    "int8",
                                                 "uint8",   "bool",    "complex64"};
  static const std::set<std::string_view> builtins{"dict", "list", "set",  "frozenset", "int",
                                                   "str",  "bool", "long", "float",     "tuple"};
  if (known.count({module, name})) return true;
  if (module == "torch")
    return storage_type(name) != at::ScalarType::Undefined || dtypes.count(name) > 0;
  return (module == "builtins" || module == "__builtin__") && builtins.count(name) > 0;
}

// How the pickle describes storages: ('storage', class, key, device, elements[, None]).
Storages named_storages(const Pickle& pickle, const std::string& path) {
  Storages storages;
  for (Pickle::Index i = 0; i < pickle.count(); ++i) {
    const auto& value = pickle.at(i);
    if (value.kind != Kind::persistent) continue;
    const auto& id = pickle.at(value.items[0]);
    const auto part = [&](size_t index) -> const Pickle::Value& {
      return pickle.at(id.items[index]);
    };
    if (id.kind != Kind::tuple || (id.items.size() != 5 && id.items.size() != 6) ||
        part(0).text != "storage" || part(1).kind != Kind::global || part(2).kind != Kind::text ||
        part(4).kind != Kind::integer || part(4).integer < 0)
      fail_to_read(path, "has a reference to a storage that torch does not write");
    if (id.items.size() == 6 && part(5).kind != Kind::none)
      fail_to_read(path,
                   "has storages that are views of others, as in files of very old torch releases",
                   "load it with a newer torch and save it again");
    const auto name = pickle.name(id.items[1]);
    TorchStorage storage;
    if (name.starts_with("torch.")) storage.dtype = storage_type(name.substr(6));
    if (storage.dtype == at::ScalarType::Undefined)
      fail_to_read(path, fmt::format("has data of the type {}, which is not supported", name));
    storage.elements = static_cast<uint64_t>(part(4).integer);
    auto [place, is_new] = storages.emplace(part(2).text, storage);
    if (!is_new &&
        (place->second.dtype != storage.dtype || place->second.elements != storage.elements))
      fail_to_read(path,
                   fmt::format("has two different descriptions of its storage '{}'", place->first));
  }
  return storages;
}

uint64_t storage_bytes(const std::string& path, const std::string& key,
                       const TorchStorage& storage) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(storage.elements, c10::elementSize(storage.dtype), &bytes))
    fail_to_read(path, fmt::format("has a storage '{}' whose size overflows", key));
  return bytes;
}

TorchLayout read_zip(std::string_view bytes, const std::string& path) {
  const auto entries = list_zip(bytes, path);
  std::map<std::string_view, const ZipEntry*> by_name;
  std::string folder;
  for (const auto& entry : entries) {
    by_name[entry.name] = &entry;
    const auto slash = entry.name.find('/');
    if (slash != std::string::npos && entry.name.substr(slash) == "/data.pkl")
      folder = entry.name.substr(0, slash + 1);
  }
  const auto find = [&](const std::string& name) -> const ZipEntry* {
    auto found = by_name.find(folder + name);
    return found == by_name.end() ? nullptr : found->second;
  };
  const auto* pickle = folder.empty() ? nullptr : find("data.pkl");
  if (!pickle)
    fail_to_read(path, "is a zip archive, but not one that torch.save wrote (it has no data.pkl)",
                 "give a torch checkpoint");
  if (find("constants.pkl"))
    fail_to_read(path, "is a TorchScript program, not a checkpoint of weights",
                 "give the weights file that it was made from");
  if (const auto* order = find("byteorder");
      order && bytes.substr(order->begin, order->end - order->begin) != "little")
    fail_to_read(path, "was not written on a little-endian machine, which is not supported");
  if (pickle->end - pickle->begin > kMostPickle)
    fail_to_read(path, "has a data.pkl that is too large");

  Pickle saved(bytes.substr(pickle->begin, pickle->end - pickle->begin), path, allowed);
  auto storages = named_storages(saved, path);
  for (auto& [key, storage] : storages) {
    const auto* entry = find("data/" + key);
    if (!entry) fail_to_read(path, fmt::format("has no storage '{}', which its tensors need", key));
    if (entry->end - entry->begin != storage_bytes(path, key, storage))
      fail_to_read(path,
                   fmt::format("has {} bytes in its storage '{}', but its tensors need {}",
                               entry->end - entry->begin, key, storage_bytes(path, key, storage)));
    storage.begin = entry->begin;
  }
  return {std::move(saved), std::move(storages)};
}

// torch/serialization.py before 1.6: five pickles (a magic number, the version of the layout,
// properties of the machine, the saved value, the order of the storages), then for each storage the
// number of its elements and its bytes.
TorchLayout read_legacy(std::string_view bytes, const std::string& path) {
  uint64_t position = 0;
  const auto next = [&] {
    Pickle pickle(bytes.substr(position), path, allowed);
    position += pickle.size();
    return pickle;
  };
  next();  // the magic number, already checked
  const auto version = next();
  if (version.top().kind != Kind::integer || version.top().integer != 1001)
    fail_to_read(path, "has an unknown version of torch's layout");
  const auto machine = next();
  for (size_t i = 0; i + 1 < machine.top().items.size(); i += 2)
    if (machine.at(machine.top().items[i]).text == "little_endian" &&
        machine.at(machine.top().items[i + 1]).integer != 1)
      fail_to_read(path, "was not written on a little-endian machine, which is not supported");
  auto saved = next();
  auto storages = named_storages(saved, path);
  const auto order = next();
  if (order.top().kind != Kind::list) fail_to_read(path, "has no list of storages");

  std::set<std::string_view> placed;
  for (auto index : order.top().items) {
    const auto key = order.at(index).text;
    auto found = storages.find(key);
    if (found == storages.end() || !placed.insert(key).second)
      fail_to_read(path,
                   fmt::format("has a storage '{}' that nothing refers to", key.substr(0, 100)));
    auto& [name, storage] = *found;
    const auto size = storage_bytes(path, name, storage);
    const auto left = bytes.size() - position;
    if (left < 8 || left - 8 < size)
      fail_to_read(path, fmt::format("is truncated in storage '{}'", name));
    uint64_t elements = 0;
    for (int i = 7; i >= 0; --i)
      elements = elements << 8 | static_cast<uint8_t>(bytes[position + static_cast<size_t>(i)]);
    if (elements != storage.elements)
      fail_to_read(path, fmt::format("has {} elements in its storage '{}', but its tensors need {}",
                                     elements, name, storage.elements));
    storage.begin = position + 8;
    position += 8 + size;
  }
  for (const auto& [key, storage] : storages)
    if (!placed.count(key))
      fail_to_read(path, fmt::format("has no storage '{}', which its tensors need", key));
  if (position != bytes.size())
    fail_to_read(path, fmt::format("has {} bytes after its last storage", bytes.size() - position));
  return {std::move(saved), std::move(storages)};
}

// The pickle of the magic number of the older layout, 0x1950a86a20f9469cfc6c.
constexpr std::string_view kMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);

// Recognizes common results of failed downloads.
[[noreturn]] void refuse_foreign(std::string_view bytes, const std::string& path) {
  if (bytes.empty()) fail_to_read(path, "is empty", "the download failed; fetch it again");
  auto head = bytes.substr(0, 512);
  if (head.substr(0, 3) == "\xef\xbb\xbf") head.remove_prefix(3);
  std::string text;
  for (char c : head)
    if (!text.empty() || !std::isspace(static_cast<unsigned char>(c)))
      text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<head") ||
      text.starts_with("<?xml"))
    fail_to_read(path, "is a web page, not a checkpoint",
                 "the link leads to a page about the file; use the direct download link");
  if (text.starts_with("version https://git-lfs"))
    fail_to_read(path, "is a Git LFS pointer (git-lfs), not the file itself", "run `git lfs pull`");
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar")
    fail_to_read(path, "is a tar archive of torch before 0.1.10, which is not supported",
                 "load it with a newer torch and save it again");
  if (head.substr(0, 2) == "\x1f\x8b")
    fail_to_read(path, "is compressed with gzip", "decompress it first");
  if (head.substr(0, 4) == "\x89HDF")
    fail_to_read(path, "is an HDF5 file, not a torch checkpoint", "");
  if (bytes.size() > 8 && bytes[8] == '{' && bytes[6] == 0 && bytes[7] == 0)
    fail_to_read(path, "is a safetensors file, not one that torch.save wrote", "");
  if (head.substr(0, 1) == "\x80")
    fail_to_read(path, "is a pickle, but not one that torch.save wrote", "give a torch checkpoint");
  fail_to_read(path, "is not a file that torch.save wrote", "give a checkpoint (.pth, .pt, .bin)");
}

}  // namespace

TorchLayout read_torch_layout(std::string_view bytes, const std::string& path) {
  if (looks_like_zip(bytes)) return read_zip(bytes, path);
  if (bytes.substr(0, kMagic.size()) == kMagic) return read_legacy(bytes, path);
  refuse_foreign(bytes, path);
}

}  // namespace emend
