#pragma once

#include <spdlog/logger.h>

namespace emend {

// Where all messages to the user go (stderr; stdout is for results): logger().warn("...", ...).
// Level: EMEND_LOG=debug|info|warn|error, or logger().set_level(). The one global of emend.
spdlog::logger& logger();

}  // namespace emend
