#include "text/unicode.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <cstdlib>
#include <memory>

#include "io/error.h"

namespace emend::text {
namespace {

std::string mapped(std::string_view text, int option) {
  utf8proc_uint8_t* made = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &made,
                                 static_cast<utf8proc_option_t>(UTF8PROC_STABLE | option));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(made, &std::free);
  if (size < 0)
    throw Error("text::normalizer",
                fmt::format("a text of {} bytes cannot be normalized: {}", text.size(),
                            utf8proc_errmsg(size)),
                "make the text shorter, or free memory");
  return {reinterpret_cast<const char*>(made), static_cast<size_t>(size)};
}

}  // namespace

std::string compose(std::string_view text) { return mapped(text, UTF8PROC_COMPOSE); }
std::string decompose(std::string_view text) { return mapped(text, UTF8PROC_DECOMPOSE); }

}  // namespace emend::text
