#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace emend {

// XXH3 with 128 bits, computed incrementally. For fingerprints and cache keys; it is not
// cryptographic.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  Hasher& update(const void* data, size_t size);
  Hasher& update(std::string_view text) { return update(text.data(), text.size()); }
  // The text after its length, so that different lists of texts never give the same bytes.
  Hasher& update_sized(std::string_view text);
  // The hash of everything so far as 32 hexadecimal digits. `update` may be called afterward.
  std::string hex() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

std::string hash_hex(std::string_view bytes);

}  // namespace emend
