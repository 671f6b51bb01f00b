#pragma once

#include "editing/registry.h"

namespace emend {

EditorInfo attention_editor();

}  // namespace emend
