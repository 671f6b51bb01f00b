#include "models/caching/activation_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "io/error.h"
#include "io/files/file.h"
#include "io/files/path.h"
#include "io/hash.h"
#include "io/json/json.h"
#include "io/log.h"
#include "io/tensors/safetensors_header.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".safetensors";
constexpr uint64_t kLargestFile = uint64_t{1} << 31;
constexpr uint64_t kHeaderRoom = 4096;  // approximate size of tensor names and shapes

// Hashes the content of a file, with the length of each part.
class Checksum {
 public:
  Checksum(const std::string& key, const std::string& facts) {
    add("emend activations 1");
    add(key);
    add(facts);
  }
  void add(const std::string& name, at::ScalarType dtype, at::IntArrayRef shape, const void* data,
           size_t size) {
    add(name);
    add(fmt::format("{} {}", at::toString(dtype), fmt::join(shape.begin(), shape.end(), " ")));
    add(std::string_view(static_cast<const char*>(data), size));
  }
  std::string hex() const { return hash_.hex(); }

 private:
  void add(std::string_view text) { hash_.update_sized(text); }
  Hasher hash_;
};

const std::string& metadata(const SafetensorsHeader& header, const char* name) {
  const auto found = header.metadata.find(name);
  if (found == header.metadata.end())
    throw Error("models::store", fmt::format("an entry without {}", name),
                "the entry is damaged and will be computed again");
  return found->second;
}

// The file is read, not mapped, because another process may truncate it.
StoreEntry read_entry(const std::string& file, const std::string& key) {
  const auto bytes = read_file(file, kLargestFile);
  const auto header =
      parse_safetensors_header(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), file);
  if (metadata(header, "key") != key)
    throw Error("models::store", "an entry with another key",
                "the entry is damaged and will be computed again");
  const auto& facts = metadata(header, "facts");
  if (!header.unsupported.empty())
    throw Error("models::store", "an entry of another build",
                "the entry is damaged and will be computed again");
  const char* data = bytes.data() + header.data_begin;
  Checksum checksum(key, facts);
  for (const auto& [name, info] : header.tensors)
    checksum.add(name, info.dtype, info.shape, data + info.begin, info.end - info.begin);
  if (checksum.hex() != metadata(header, "checksum"))
    throw Error("models::store", "an entry with a wrong checksum",
                "the entry is damaged and will be computed again");

  StoreEntry entry;
  entry.facts = parse_json(facts, file);
  for (const auto& [name, info] : header.tensors) {
    auto tensor = at::empty(info.shape, info.dtype);
    if (info.end > info.begin)
      std::memcpy(tensor.data_ptr(), data + info.begin, info.end - info.begin);
    entry.tensors[name] = tensor;
  }
  return entry;
}

struct File {
  fs::file_time_type used;
  uint64_t size;
  fs::path path;
};

// Lists the entries, oldest first, and removes incomplete files of killed processes.
std::vector<File> files_in(const std::string& folder) {
  std::vector<File> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;
    const auto name = at->path().filename().string();
    const bool ours = name.find(kSuffix) == 32 &&
                      name.find_first_not_of("0123456789abcdef") == 32 && at->is_regular_file(gone);
    if (!ours || gone) continue;
    const File file{at->last_write_time(gone), at->file_size(gone), at->path()};
    if (gone) continue;
    if (at->path().extension() == kSuffix)
      files.push_back(file);
    else if (fs::file_time_type::clock::now() - file.used > std::chrono::hours(1))
      fs::remove(file.path, gone);
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.used < b.used; });
  return files;
}

}  // namespace

uint64_t bytes_of(const StoreEntry& entry) {
  using Json = nlohmann::json;
  uint64_t bytes = entry.facts.dump(-1, ' ', false, Json::error_handler_t::replace).size();
  for (const auto& [name, tensor] : entry.tensors) bytes += name.size() + tensor.nbytes();
  return bytes;
}

ActivationFolder::ActivationFolder(std::string path, uint64_t budget)
    : path_(std::move(path)), budget_(budget) {
  std::error_code error;
  fs::create_directories(path_, error);
  if (!is_folder(path_)) disable_writing(error ? error.message() : "not a folder");
}

std::string ActivationFolder::file_of(const std::string& key) const {
  return (fs::path(path_) / (hash_hex(key) + kSuffix)).string();
}

std::optional<StoreEntry> ActivationFolder::read(const std::string& key, int64_t& rejected) const {
  const auto file = file_of(key);
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  try {
    auto entry = read_entry(file, key);
    // Marks the entry as recently used.
    fs::last_write_time(file, fs::file_time_type::clock::now(), error);
    return entry;
  } catch (const std::exception& e) {         // any damaged entry is computed again
    if (!fs::exists(file, error)) return {};  // another process removed it
    logger().debug("rejected {}: {}", file, e.what());
    ++rejected;
    return {};
  }
}

void ActivationFolder::write(const std::string& key, const StoreEntry& entry) {
  if (!writable_) return;
  std::string facts;
  try {
    facts = entry.facts.dump();
  } catch (const nlohmann::json::exception&) {  // text that is not UTF-8 stays in memory only
    return;
  }
  // Facts are escaped in the header.
  const auto size = bytes_of(entry) + facts.size() + 2 * key.size() + kHeaderRoom;
  if (size > std::min(budget_, kLargestFile)) return;
  Checksum checksum(key, facts);
  for (const auto& [name, tensor] : entry.tensors)
    checksum.add(name, tensor.scalar_type(), tensor.sizes(), tensor.data_ptr(), tensor.nbytes());
  try {
    evict(size);
    write_safetensors(file_of(key), {entry.tensors.begin(), entry.tensors.end()},
                      {{"key", key}, {"facts", facts}, {"checksum", checksum.hex()}});
    used_ += size;
    written_since_scan_ += size;
  } catch (const std::exception& e) {
    disable_writing(e.what());
  }
}

// The folder is scanned only if it may be full, or after many writes, because other processes also
// add files.
void ActivationFolder::evict(uint64_t size) {
  if (scanned_ && used_ + size <= budget_ && written_since_scan_ <= budget_ / 16) return;
  const auto files = files_in(path_);
  scanned_ = true;
  written_since_scan_ = used_ = 0;
  for (const auto& file : files) used_ += file.size;
  if (used_ + size <= budget_) return;
  // Frees more than needed, so that the next entry needs no scan.
  const auto target = budget_ - std::max(size, budget_ / 16);
  for (const auto& file : files) {
    if (used_ <= target) break;
    std::error_code error;
    fs::remove(file.path, error);
    used_ -= file.size;  // removed by this or another process
  }
}

void ActivationFolder::disable_writing(const std::string& why) {
  if (writable_) logger().warn("cannot write to the cache {}, which is disabled: {}", path_, why);
  writable_ = false;
}

}  // namespace emend
