#include "models/caching/activation_store.h"

#include <fmt/format.h>

#include <list>
#include <optional>
#include <unordered_map>

#include "io/error.h"
#include "models/caching/activation_folder.h"

namespace emend {
namespace {

// Copies a tensor, so that later changes of the caller's tensors or their storage have no effect.
StoreEntry own(StoreEntry entry) {
  for (auto& [name, tensor] : entry.tensors) {
    if (!tensor.defined() || tensor.layout() != at::kStrided)
      throw Error("models::store", fmt::format("tensor `{}` is undefined or sparse", name),
                  "store dense tensors");
    tensor = tensor.detach().to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false,
                                /*copy=*/true, at::MemoryFormat::Contiguous);
  }
  return entry;
}

}  // namespace

struct ActivationStore::State {
  struct Item {
    std::string key;
    std::shared_ptr<const StoreEntry> entry;
    uint64_t bytes;
  };

  uint64_t memory = 0;
  std::optional<ActivationFolder> folder;
  Counts counts;
  std::list<Item> items;  // most recently used first
  std::unordered_map<std::string, std::list<Item>::iterator> by_key;

  void drop(std::list<Item>::iterator item) {
    counts.memory_bytes -= item->bytes;
    by_key.erase(item->key);
    items.erase(item);
  }

  void keep(const std::string& key, const std::shared_ptr<const StoreEntry>& entry) {
    if (const auto known = by_key.find(key); known != by_key.end()) drop(known->second);
    const auto bytes = bytes_of(*entry) + key.size();
    if (bytes > memory) return;
    while (counts.memory_bytes + bytes > memory) {
      drop(std::prev(items.end()));
      ++counts.evicted;
    }
    items.push_front({key, entry, bytes});
    by_key[key] = items.begin();
    counts.memory_bytes += bytes;
  }
};

ActivationStore::ActivationStore(const Options& options) : state_(std::make_unique<State>()) {
  state_->memory = options.memory_bytes;
  if (!options.directory.empty())
    state_->folder.emplace(options.directory, options.directory_bytes);
}

ActivationStore::~ActivationStore() = default;

std::shared_ptr<const StoreEntry> ActivationStore::find(const std::string& key) {
  auto& s = *state_;
  if (const auto known = s.by_key.find(key); known != s.by_key.end()) {
    ++s.counts.memory_hits;
    s.items.splice(s.items.begin(), s.items, known->second);
    return known->second->entry;
  }
  if (s.folder) {
    if (auto read = s.folder->read(key, s.counts.rejected)) {
      ++s.counts.disk_hits;
      auto entry = std::make_shared<const StoreEntry>(std::move(*read));
      s.keep(key, entry);
      return entry;
    }
  }
  ++s.counts.misses;
  return nullptr;
}

std::shared_ptr<const StoreEntry> ActivationStore::put(const std::string& key, StoreEntry entry) {
  auto kept = std::make_shared<const StoreEntry>(own(std::move(entry)));
  state_->keep(key, kept);
  if (state_->folder) state_->folder->write(key, *kept);
  return kept;
}

const ActivationStore::Counts& ActivationStore::counts() const { return state_->counts; }

}  // namespace emend
