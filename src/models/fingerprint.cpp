#include <fmt/format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <filesystem>
#include <mutex>

#include "io/error.h"
#include "models/blip2_config.h"
#include "models/vlm.h"
#include "models/weights.h"

namespace emend {
namespace {

class Hash {
 public:
  Hash() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }
  void bytes(const void* data, size_t size) { XXH3_128bits_update(state_.get(), data, size); }
  // Length first, so that neighbours cannot trade letters.
  void text(const std::string& text) {
    const uint64_t size = text.size();
    bytes(&size, sizeof size);
    bytes(text.data(), text.size());
  }
  void tensor(const std::string& name, const at::Tensor& tensor) {
    text(name);
    text(fmt::format("{} {}", at::toString(tensor.scalar_type()),
                     fmt::join(tensor.sizes().begin(), tensor.sizes().end(), " ")));
    const auto plain = tensor.detach().to(at::kCPU).contiguous();
    bytes(plain.data_ptr(), plain.nbytes());
  }
  std::string hex() const {
    const auto digest = XXH3_128bits_digest(state_.get());
    return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
  }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

// What is stored, whatever dtype it is loaded in; the layouts of all releases give the same.
std::string of_folder(const std::string& folder) {
  const auto config = Blip2Config::load((std::filesystem::path(folder) / "config.json").string());
  const auto checkpoint = Checkpoint::open(folder);
  std::map<std::string, std::string> stored;
  for (const auto& name : checkpoint.names())
    if (!is_benign_buffer(canonical_name(name))) stored.emplace(canonical_name(name), name);
  // A tied head that is saved a second time says nothing new.
  if (config.text.tied) stored.erase("language_model.lm_head.weight");

  Hash hash;
  hash.text(config.canonical());
  for (const auto& [name, in_file] : stored) hash.tensor(name, checkpoint.tensor(in_file));
  return hash.hex();
}

std::string of_model(const Model& model) {
  Hash hash;
  for (const auto& [name, tensor] : model.parameters()) hash.tensor(name, tensor);
  return hash.hex();
}

}  // namespace

struct Vlm::Once {
  std::once_flag flag;
  std::string value;
};

std::shared_ptr<Vlm::Once> Vlm::make_once() { return std::make_shared<Once>(); }

std::string Vlm::fingerprint() const {
  std::call_once(once->flag,
                 [this] { once->value = folder.empty() ? of_model(*model) : of_folder(folder); });
  return once->value;
}

}  // namespace emend
