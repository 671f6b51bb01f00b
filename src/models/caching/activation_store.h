#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace emend {

// A cached value: named tensors (on the CPU, detached) and facts.
struct StoreEntry {
  std::map<std::string, at::Tensor> tensors;
  nlohmann::json facts;
};

// Caches activations by key: in memory up to a budget (least recently used entries are dropped
// first), and in a folder for later runs. The key must contain everything that the value depends on
// (model fingerprint, dtype, device, input content, padded shape, interventions, build of emend).
// An entry on disk with a wrong key or checksum is counted as rejected and computed again. Only one
// thread at a time may use a store. Several processes can share a folder. The tensors of an entry
// must not be written to.
class ActivationStore {
 public:
  struct Options {
    uint64_t memory_bytes = uint64_t{1} << 30;
    std::string directory;                          // empty: memory only; created if missing
    uint64_t directory_bytes = uint64_t{64} << 30;  // least recently used entries are removed first
  };
  // Each lookup is a hit or a miss; a rejected entry is also a miss.
  struct Counts {
    int64_t memory_hits = 0, disk_hits = 0, misses = 0, rejected = 0, evicted = 0;
    uint64_t memory_bytes = 0;
  };

  explicit ActivationStore(const Options& options);
  ~ActivationStore();

  // Returns null if there is no entry.
  std::shared_ptr<const StoreEntry> find(const std::string& key);
  // Stores the entry in memory and in the folder (completely or not at all; a full disk logs a
  // warning).
  std::shared_ptr<const StoreEntry> put(const std::string& key, StoreEntry entry);
  const Counts& counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace emend
