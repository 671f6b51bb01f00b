#include "text/jinja/budget.h"

#include <fmt/format.h>

namespace emend::text::jinja {

void fail(const std::string& problem) { throw Failure(problem, ""); }

void refuse(const std::string& construct) {
  throw Failure(fmt::format("{} is not implemented", construct),
                "src/text/jinja/README.md lists what chat templates may use");
}

void Budget::exhausted() { fail("the template runs too long, or writes more than 64 MiB"); }

}  // namespace emend::text::jinja
