#pragma once

#include <torch/csrc/utils/pybind.h>

#include <cstdint>
#include <string>

namespace emend::python {

namespace py = pybind11;

// Called by long work at short intervals, without the GIL. Runs the handlers of signals, so that
// Ctrl-C raises KeyboardInterrupt, and calls a Python function with the progress.
class Watch {
 public:
  // `report`: None, or a function of (part, done, total, note); `total` is 0 if it is unknown.
  explicit Watch(py::object report) : report_(std::move(report)) {}

  // Throws py::error_already_set.
  void operator()(const std::string& part, int64_t done, int64_t total,
                  const std::string& note = {}) const {
    const py::gil_scoped_acquire held;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!report_.is_none()) report_(part, done, total, note);
  }

 private:
  py::object report_;
};

}  // namespace emend::python
