#pragma once

#include "editing/registry.h"

// One declaration for each editor. Each function is defined in the source file of the editor.
namespace emend {

EditorKind ft_editor();
EditorKind lora_editor();
EditorKind ike_editor();
EditorKind ke_editor();
EditorKind mend_editor();
EditorKind mend_iterated_editor();
EditorKind serac_editor();

}  // namespace emend
