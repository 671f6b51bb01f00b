#include <fmt/format.h>

#include <filesystem>
#include <mutex>

#include "io/tensors/tensor_hash.h"
#include "models/architectures/architecture.h"
#include "models/config/json_fields.h"
#include "models/vlm.h"

namespace emend {
namespace {

void add_to_fingerprint(Hasher& hash, const std::string& name, const at::Tensor& tensor) {
  hash.update_sized(name);
  update_tensor(hash, tensor);
}

// The fingerprint covers the stored bytes and does not depend on the dtype of loading or the layout
// of the release.
std::string of_folder(const std::string& folder) {
  const auto architecture = architecture_of_folder(folder);
  const auto checkpoint = Checkpoint::open(folder);
  std::map<std::string, std::string> stored;
  for (const auto& name : checkpoint.names())
    if (!is_benign_buffer(name)) stored.emplace(architecture.names(name), name);
  for (const auto& name : architecture.tied_weights) stored.erase(name);

  Hasher hash;
  hash.update_sized(architecture.canonical);
  for (const auto& [name, in_file] : stored) {
    add_to_fingerprint(hash, name, checkpoint.tensor(in_file));
    checkpoint.release_pages(in_file);  // otherwise all files of the model would be in memory
  }
  return hash.hex();
}

std::string of_model(const Model& model) {
  Hasher hash;
  for (const auto& [name, tensor] : model.parameters()) add_to_fingerprint(hash, name, tensor);
  return hash.hex();
}

}  // namespace

struct Vlm::FingerprintCache {
  std::once_flag flag;
  std::string value;
};

std::shared_ptr<Vlm::FingerprintCache> Vlm::make_fingerprint_cache() {
  return std::make_shared<FingerprintCache>();
}

std::string Vlm::fingerprint() const {
  auto& cache = *fingerprint_cache;
  std::call_once(cache.flag,
                 [&] { cache.value = folder.empty() ? of_model(*model) : of_folder(folder); });
  return cache.value;
}

}  // namespace emend
