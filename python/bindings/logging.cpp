#include "logging.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <torch/csrc/utils/pybind.h>

#include "io/log.h"

namespace emend::python {
namespace {

namespace py = pybind11;

// Without a mutex: the GIL is one.
class PythonSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (!Py_IsInitialized()) return;
    const py::gil_scoped_acquire held;
    const std::string text(message.payload.data(), message.payload.size());
    try {
      py::module_::import("logging").attr("getLogger")("emend").attr("log")(level_of(message.level),
                                                                            "%s", text);
    } catch (py::error_already_set& error) {
      error.discard_as_unraisable("emend.logging");
    }
  }
  void flush_() override {}

 private:
  static int level_of(spdlog::level::level_enum level) {
    switch (level) {
      case spdlog::level::trace:
      case spdlog::level::debug:
        return 10;
      case spdlog::level::info:
        return 20;
      case spdlog::level::warn:
        return 30;
      default:
        return 40;
    }
  }
};

}  // namespace

void log_to_python() { logger().sinks() = {std::make_shared<PythonSink>()}; }

}  // namespace emend::python
