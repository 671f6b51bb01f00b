#include "io/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace emend {
namespace {

spdlog::logger make_logger() {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  spdlog::logger logger("emend", sink);
  // On a terminal, the current line may hold a progress bar: the message erases it, and the bar is
  // drawn again later.
  logger.set_pattern(std::string(::isatty(STDERR_FILENO) ? "\r\x1b[K" : "") + "%^%l%$: %v");
  if (const char* level = std::getenv("EMEND_LOG"))
    logger.set_level(spdlog::level::from_str(level));
  logger.flush_on(spdlog::level::info);
  return logger;
}

}  // namespace

spdlog::logger& logger() {
  static spdlog::logger logger = make_logger();
  return logger;
}

}  // namespace emend
