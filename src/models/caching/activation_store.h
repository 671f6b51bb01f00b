#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace emend {

// What was computed once: named tensors (on the CPU, detached) and facts beside them.
struct StoreEntry {
  std::map<std::string, at::Tensor> tensors;
  nlohmann::json facts;
};

// Keeps activations by key: in memory up to a budget (least recently used go first), and in a
// folder, where later runs find them. Everything that the value depends on belongs into the key
// (model fingerprint, dtype, device, input content, padded shape, interventions, build of emend);
// an entry on disk whose key or checksum does not fit is counted as rejected and computed anew. One
// thread at a time may use a store; several processes may share a folder. Nobody may write to an
// entry's tensors.
class ActivationStore {
 public:
  struct Options {
    uint64_t memory_bytes = uint64_t{1} << 30;
    std::string directory;                          // empty: memory only; made when missing
    uint64_t directory_bytes = uint64_t{64} << 30;  // what was used longest ago goes first
  };
  // Each search is a hit or a miss; a rejected entry is a miss, too.
  struct Counts {
    int64_t memory_hits = 0, disk_hits = 0, misses = 0, rejected = 0, evicted = 0;
    uint64_t memory_bytes = 0;
  };

  explicit ActivationStore(const Options& options);
  ~ActivationStore();

  // Null when there is none.
  std::shared_ptr<const StoreEntry> find(const std::string& key);
  // Kept in memory, and in the folder (written whole or not at all; a full disk is a warning).
  std::shared_ptr<const StoreEntry> put(const std::string& key, StoreEntry entry);
  const Counts& counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace emend
