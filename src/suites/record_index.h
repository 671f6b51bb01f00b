#pragma once

#include <fmt/format.h>

#include <cstddef>

#include "io/error.h"

namespace emend {

// Throws emend::Error of the suite at `place` if it has no record with this index.
inline void check_record_index(const char* place, size_t index, size_t size) {
  if (index >= size)
    throw Error(place, fmt::format("record {} is out of range (size {})", index, size),
                "this is an error in emend; please report it");
}

}  // namespace emend
