#include "text/normalizer.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <cstdlib>
#include <memory>

#include "io/error.h"
#include "text/spec.h"

namespace emend::text {

Normalizer make_normalizer(const nlohmann::json& spec) {
  if (spec.is_null()) return Normalizer::none;
  const std::string type = spec_type(spec, "normalizer");
  if (type == "NFC") return Normalizer::nfc;
  if (type == "Sequence") {
    const auto& steps = spec_array(spec, "normalizers", "normalizer");
    Normalizer result = Normalizer::none;
    for (const auto& step : steps)
      if (make_normalizer(step) == Normalizer::nfc) result = Normalizer::nfc;
    return result;
  }
  not_implemented("normalizer", type);
}

std::string normalize(Normalizer normalizer, std::string_view text) {
  bool ascii = true;
  for (char c : text) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (normalizer == Normalizer::none || ascii) return std::string(text);
  utf8proc_uint8_t* composed = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  if (size < 0)
    throw Error("text::normalizer", fmt::format("a text of {} bytes cannot be normalised: {}",
                                                text.size(), utf8proc_errmsg(size)));
  return {reinterpret_cast<const char*>(composed), static_cast<size_t>(size)};
}

}  // namespace emend::text
