#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/caching/activation_store.h"

namespace emend {

// The folder of the activation store: one safetensors file for each entry, named by the hash of its
// key, with key, facts and checksum in the metadata. Other processes can read, add and remove files
// at any time.
class ActivationFolder {
 public:
  ActivationFolder(std::string path, uint64_t budget);

  std::string file_of(const std::string& key) const;
  // Returns nothing if there is no file, or if it is damaged, which increments `rejected`.
  std::optional<StoreEntry> read(const std::string& key, int64_t& rejected) const;
  // Frees space first. An entry that cannot be written is skipped; the first failure logs a warning
  // and disables writing.
  void write(const std::string& key, const StoreEntry& entry);

 private:
  void evict(uint64_t size);
  void disable_writing(const std::string& why);

  std::string path_;
  uint64_t budget_;
  bool writable_ = true;
  uint64_t used_ = 0;  // bytes of the folder at the last scan, plus later writes of this process
  uint64_t written_since_scan_ = 0;
  bool scanned_ = false;
};

// Size in bytes of tensors and facts.
uint64_t bytes_of(const StoreEntry& entry);

}  // namespace emend
