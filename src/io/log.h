#pragma once

#include <spdlog/logger.h>

namespace emend {

// The logger for all messages to the user. It writes to stderr; stdout is for results. The level
// comes from EMEND_LOG=debug|info|warn|error or logger().set_level(). The logger is emend's only
// global object.
spdlog::logger& logger();

}  // namespace emend
