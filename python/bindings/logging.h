#pragma once

namespace emend::python {

// Sends the messages of emend's logger to Python's logger `emend`, so that users choose what they
// see, and notebooks show it.
void log_to_python();

}  // namespace emend::python
