#pragma once

#include <cctype>

#include "models/core/model.h"

namespace emend {

// Whether a stage is a block of its module. Blocks are numbered: language.block.3,
// connector.layer.0.
inline bool is_block(const Stage& stage) {
  return std::isdigit(static_cast<unsigned char>(stage.name.back())) != 0;
}

}  // namespace emend
