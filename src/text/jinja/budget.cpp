#include "text/jinja/budget.h"

#include <fmt/format.h>

namespace emend::text::jinja {

void fail(const std::string& problem) { throw Failure(problem, ""); }

void refuse(const std::string& construct) {
  throw Failure(fmt::format("{} is not implemented", construct),
                "what chat templates may use is said in src/text/jinja/README.md");
}

void Budget::exhausted() {
  fail("the template does not come to an end, or writes more than 64 MiB");
}

}  // namespace emend::text::jinja
