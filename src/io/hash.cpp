#include "io/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <new>

namespace emend {

void Hasher::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

Hasher::Hasher() : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc();
  XXH3_128bits_reset(state_.get());
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher& Hasher::update(const void* data, size_t size) {
  if (size > 0) XXH3_128bits_update(state_.get(), data, size);
  return *this;
}

Hasher& Hasher::update_sized(std::string_view text) {
  const uint64_t size = text.size();
  return update(&size, sizeof size).update(text);
}

std::string Hasher::hex() const {
  auto hash = XXH3_128bits_digest(state_.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string hash_hex(std::string_view bytes) { return Hasher().update(bytes).hex(); }

}  // namespace emend
