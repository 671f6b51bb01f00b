#pragma once

#include "editing/registry.h"

// One declaration an editor; each is defined in the file of that name.
namespace emend {

EditorKind ft_editor();
EditorKind lora_editor();
EditorKind ike_editor();
EditorKind ke_editor();
EditorKind mend_editor();
EditorKind mend_iterated_editor();
EditorKind serac_editor();

}  // namespace emend
