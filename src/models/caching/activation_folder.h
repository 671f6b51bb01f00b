#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/caching/activation_store.h"

namespace emend {

// The store's folder: one safetensors file an entry, named by its key's hash, with key, facts and
// checksum in the metadata. Other processes may read, add and remove files at any time.
class ActivationFolder {
 public:
  ActivationFolder(std::string path, uint64_t budget);

  std::string file_of(const std::string& key) const;
  // Nothing when there is no file, or when it is not to be trusted: then `rejected` is counted up.
  std::optional<StoreEntry> read(const std::string& key, int64_t& rejected) const;
  // Makes room first. An entry that cannot be written is left out; the first failure is a warning,
  // and nothing more is written.
  void write(const std::string& key, const StoreEntry& entry);

 private:
  void make_room(uint64_t size);
  void give_up(const std::string& why);

  std::string path_;
  uint64_t budget_;
  bool writable_ = true;
  uint64_t used_ = 0;  // of the folder when it was looked through, and by us since
  uint64_t since_look_ = 0;
  bool looked_ = false;
};

// Bytes of the tensors and the facts.
uint64_t bytes_of(const StoreEntry& entry);

}  // namespace emend
